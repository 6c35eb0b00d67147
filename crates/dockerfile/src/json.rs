//! The exec form: a JSON array of strings. Another array is a mistake; what is no JSON is shell form.

/// Arrays in arrays: no person nests deeper, and each level is a level of the stack.
const MAX_DEPTH: usize = 100;

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    /// An array of strings.
    Strings(Vec<String>),
    /// An array with something else in it.
    Other,
    /// No array.
    None,
}

/// Reads the whole text.
pub(crate) fn read(text: &str) -> Json {
    let mut reader = Reader { rest: text.trim() };
    match reader.array(0) {
        Some(items) if reader.rest.is_empty() => {
            items.into_iter().collect::<Option<Vec<String>>>().map_or(Json::Other, Json::Strings)
        }
        _ => Json::None,
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn eat(&mut self, wanted: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// An array; its items that are no strings are `None`.
    fn array(&mut self, depth: usize) -> Option<Vec<Option<String>>> {
        self.eat('[')?;
        let mut items = Vec::new();
        self.skip_blanks();
        if self.eat(']').is_some() {
            return Some(items);
        }
        loop {
            items.push(self.value(depth)?);
            if self.eat(',').is_none() {
                return self.eat(']').map(|()| items);
            }
        }
    }

    /// A value with the blanks around it; `Some(None)` if it is no string.
    fn value(&mut self, depth: usize) -> Option<Option<String>> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.skip_blanks();
        let mut string = None;
        match self.rest.chars().next()? {
            '"' => string = Some(self.string()?),
            '[' => drop(self.array(depth + 1)?),
            '{' => self.object(depth + 1)?,
            _ => self.plain()?,
        }
        self.skip_blanks();
        Some(string)
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.eat('{')?;
        self.skip_blanks();
        if self.eat('}').is_some() {
            return Some(());
        }
        loop {
            self.skip_blanks();
            self.string()?;
            self.skip_blanks();
            self.eat(':')?;
            self.value(depth)?;
            if self.eat(',').is_none() {
                return self.eat('}');
            }
        }
    }

    /// `true`, `false`, `null` or a number.
    fn plain(&mut self) -> Option<()> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let is_number = |word: &str| {
            let digits = word.strip_prefix('-').unwrap_or(word);
            let has_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
            digits.starts_with(|c: char| c.is_ascii_digit()) && !has_zero && word.parse::<f64>().is_ok()
        };
        self.rest = rest;
        (matches!(word, "true" | "false" | "null") || is_number(word)).then_some(())
    }

    fn string(&mut self) -> Option<String> {
        self.eat('"')?;
        let mut string = String::new();
        loop {
            match self.next()? {
                '"' => return Some(string),
                '\\' => string.push(self.escaped()?),
                c if c < ' ' => return None,
                c => string.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.next()? {
            c @ ('"' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode()?,
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Some(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.eat('\\')?;
        self.eat('u')?;
        let low = self.hex()?.checked_sub(0xdc00)?;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4)?;
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arrays_of_strings() {
        let strings = |words: &[&str]| Json::Strings(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(read(r#"["a", "b c"]"#), strings(&["a", "b c"]));
        assert_eq!(read("[]"), strings(&[]));
        assert_eq!(read(r#"["\u00e9\ud83d\ude00\n"]"#), strings(&["é😀\n"]));
        for not in [
            "['a']",
            r#"["a",]"#,
            r#"["a"] b"#,
            r#"["a"#,
            "a",
            r#"["\x"]"#,
            "[ -f x ] && y",
            "[ -f x ]",
            "[01]",
        ] {
            assert_eq!(read(not), Json::None, "{not}");
        }
        for other in ["[1]", r#"["a", null]"#, r#"[["a"]]"#, r#"[{"a": 1.5e3}, true]"#] {
            assert_eq!(read(other), Json::Other, "{other}");
        }
        assert_eq!(read(&"[".repeat(100_000)), Json::None);
    }
}
