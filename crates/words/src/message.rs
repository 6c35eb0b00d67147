//! Texts of errors in one style: what was tried, with what, then the causes behind colons. The system's words stand as
//! Docker has them, without the numbers that the standard library puts after them.

use std::error::Error;
use std::fmt;
use std::io;

/// An error and its causes in one line; a cause that its error quotes already is not said twice.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    join(std::iter::successors(Some(error), |error| (**error).source()))
}

/// As [`chain`], of errors that are one below the other.
pub fn join<'a>(errors: impl Iterator<Item = &'a (dyn Error + 'static)>) -> String {
    let mut text = String::new();
    for error in errors {
        let part = plain(&error.to_string());
        if part.is_empty() || text.contains(&part) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
    }
    text
}

/// A message whose words of the system are as Go writes them, which is how Docker's messages have them: without
/// « (os error 2)», and beginning with a small letter.
#[must_use]
pub fn plain(message: &str) -> String {
    const MARK: &str = " (os error ";
    let mut text = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once(MARK) {
        let number = after.split_once(')').and_then(|(number, after)| Some((number.parse().ok()?, after)));
        text.push_str(before);
        match number {
            Some((number, after)) => {
                small_letter(&mut text, number);
                rest = after;
            }
            None => {
                text.push_str(MARK);
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

/// Makes the first letter of the system's words for `number`, which a text ends in, a small one.
fn small_letter(text: &mut str, number: i32) {
    let words = io::Error::from_raw_os_error(number).to_string();
    let words = words.split(" (os error ").next().unwrap_or_default();
    if let Some(start) = text.len().checked_sub(words.len())
        && text.get(start..) == Some(words)
        && let Some(first) = text.get_mut(start..=start)
    {
        first.make_ascii_lowercase();
    }
}

/// An error as it is quoted in another's text: with its causes, and without numbers.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&chain(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(&'static str, io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str(self.0)
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.1)
        }
    }

    #[test]
    fn causes_are_said_once_and_without_numbers() {
        let missing = || io::Error::from_raw_os_error(2);
        assert_eq!(chain(&Outer("cannot open /x", missing())), "cannot open /x: no such file or directory");
        let quoting = Outer("cannot open /x: no such file or directory", missing());
        assert_eq!(Quoted(&quoting).to_string(), "cannot open /x: no such file or directory");
        assert_eq!(chain(&Outer("", io::Error::other("full"))), "full");
    }

    #[test]
    fn only_the_systems_numbers_go() {
        assert_eq!(plain("a (os error 13): b (os error 2)"), "a: b");
        assert_eq!(plain("x: Is a directory (os error 21); No"), "x: is a directory; No");
        assert_eq!(plain("a (os error x) b (os error "), "a (os error x) b (os error ");
    }
}
