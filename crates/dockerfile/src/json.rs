//! The exec form: a JSON array of strings and nothing else. Anything else is shell form.

/// The strings, or `None` if the text is not such an array.
pub(crate) fn string_array(text: &str) -> Option<Vec<String>> {
    let mut reader = Reader { rest: text.trim() };
    reader.eat('[')?;
    let mut strings = Vec::new();
    reader.skip_blanks();
    if reader.eat(']').is_none() {
        loop {
            reader.skip_blanks();
            strings.push(reader.string()?);
            reader.skip_blanks();
            if reader.eat(',').is_none() {
                reader.eat(']')?;
                break;
            }
        }
    }
    reader.rest.is_empty().then_some(strings)
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
        assert_eq!(string_array(r#"["a", "b c"]"#), Some(vec!["a".into(), "b c".into()]));
        assert_eq!(string_array("[]"), Some(Vec::new()));
        assert_eq!(string_array(r#"["\u00e9\ud83d\ude00\n"]"#), Some(vec!["é😀\n".into()]));
        for not in ["['a']", r#"["a",]"#, r#"["a"] b"#, "[1]", r#"["a"#, "a", r#"["\x"]"#, "[ -f x ] && y"] {
            assert_eq!(string_array(not), None, "{not}");
        }
    }
}
