//! `--chmod`: octal, or by letters as chmod(1) takes them.

/// What happens to a file's permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chmod {
    /// `755`
    Bits(u32),
    /// `u+x,go-w`
    Letters(Vec<Clause>),
}

/// `go-w`: for whom, what, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    /// All bits of those that are meant: 0o700 and 0o4000 for the owner.
    who: u32,
    action: char,
    letters: String,
}

const OWNER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHERS: u32 = 0o1007;

impl Chmod {
    /// Reads octal digits or clauses with commas between; `None` if it is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o7777).map(Self::Bits);
        }
        let mut clauses = Vec::new();
        for clause in text.split(',') {
            let actions = clause.find(['+', '-', '='])?;
            let (names, mut rest) = clause.split_at(actions);
            let mut who = 0;
            for name in names.chars() {
                who |= match name {
                    'u' => OWNER,
                    'g' => GROUP,
                    'o' => OTHERS,
                    'a' => OWNER | GROUP | OTHERS,
                    _ => return None,
                };
            }
            if names.is_empty() {
                who = OWNER | GROUP | OTHERS;
            }
            // `u+r-x`: one name for several actions.
            while let Some(action) = rest.chars().next() {
                let letters = &rest[1..];
                let end = letters.find(['+', '-', '=']).unwrap_or(letters.len());
                let is_copy = matches!(&letters[..end], "u" | "g" | "o");
                if !is_copy && !letters[..end].chars().all(|c| "rwxXst".contains(c)) {
                    return None;
                }
                clauses.push(Clause { who, action, letters: letters[..end].to_owned() });
                rest = &letters[end..];
            }
        }
        Some(Self::Letters(clauses))
    }

    /// The permissions of a file or folder that had `mode`.
    pub(crate) fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        match self {
            Self::Bits(bits) => *bits,
            Self::Letters(clauses) => {
                clauses.iter().fold(mode & 0o7777, |mode, one| one.apply(mode, is_folder))
            }
        }
    }
}

impl Clause {
    fn apply(&self, mode: u32, is_folder: bool) -> u32 {
        let copied = |shift: u32| {
            let bits = (mode >> shift) & 7;
            bits << 6 | bits << 3 | bits
        };
        let all: u32 = match self.letters.as_str() {
            "u" => copied(6),
            "g" => copied(3),
            "o" => copied(0),
            letters => letters.chars().fold(0, |bits, letter| {
                bits | match letter {
                    'r' => 0o444,
                    'w' => 0o222,
                    'x' => 0o111,
                    'X' if is_folder || mode & 0o111 != 0 => 0o111,
                    's' => 0o6000,
                    't' => 0o1000,
                    _ => 0,
                }
            }),
        };
        let bits = all & self.who;
        match self.action {
            '+' => mode | bits,
            '-' => mode & !bits,
            // What makes a folder's files inherit its group stays.
            _ if is_folder => mode & !(self.who & 0o777) | bits,
            _ => mode & !self.who | bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn of(text: &str, mode: u32) -> u32 {
        Chmod::parse(text).unwrap().apply(mode, false)
    }

    #[test]
    fn as_chmod_does_it() {
        assert_eq!(of("755", 0o600), 0o755);
        assert_eq!(of("u+x", 0o644), 0o744);
        assert_eq!(of("+x", 0o644), 0o755);
        assert_eq!(of("u=rwX,go=rX", 0o600), 0o644);
        assert_eq!(of("u=rwX,go=rX", 0o700), 0o755);
        assert_eq!(Chmod::parse("a+X").unwrap().apply(0o600, true), 0o711);
        assert_eq!(of("go-rwx", 0o755), 0o700);
        assert_eq!(of("u+s,o+t", 0o755), 0o5755);
        assert_eq!(of("u=rx", 0o4755), 0o555);
        assert_eq!(Chmod::parse("g=rx").unwrap().apply(0o2775, true), 0o2755);
        assert_eq!(of("g=u", 0o640), 0o660);
        assert_eq!(of("u+r-w", 0o200), 0o400);
        for bad in ["", "rwx", "u", "u+q", "z+x", "99", "77777", "u+x,"] {
            assert_eq!(Chmod::parse(bad), None, "{bad}");
        }
    }
}
