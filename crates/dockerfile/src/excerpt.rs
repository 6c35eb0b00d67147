//! The lines around an instruction, as messages show them.

use std::fmt::Write as _;

use crate::ast::Span;
use crate::lines;

/// Lines shown before and after the instruction.
const AROUND: usize = 2;
/// An instruction of more lines is shown by its first and its last ones.
const LONGEST: usize = 12;
/// As many of its last lines then.
const LAST: usize = 3;

/// Shows the instruction that covers `line` (counted from 1) with two lines on either side, as BuildKit does:
///
/// ```text
/// Dockerfile:2
/// --------------------
///    1 |     FROM base
///    2 | >>> RUN make
///    3 |     CMD ["app"]
/// --------------------
/// ```
///
/// `None` if the text has no such line.
#[must_use]
pub fn excerpt(name: &str, text: &str, line: u32) -> Option<String> {
    excerpt_of(name, text, span_at(text, line))
}

/// Shows these lines in the same way.
#[must_use]
pub fn excerpt_of(name: &str, text: &str, span: Span) -> Option<String> {
    // BuildKit counts what follows the last line feed as a line.
    let all: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let index = |number: u32| usize::try_from(number).ok()?.checked_sub(1);
    let (first, last) = (index(span.first)?, index(span.last)?.min(all.len().saturating_sub(1)));
    if text.is_empty() || first >= all.len() {
        return None;
    }
    let rule = "-".repeat(20);
    let mut shown = format!("{name}:{}\n{rule}\n", span.first);
    let skipped = (last - first >= LONGEST).then(|| first + LONGEST - LAST - 1..last + 1 - LAST);
    let end = (last + 1 + AROUND).min(all.len());
    for (at, content) in all.iter().enumerate().take(end).skip(first.saturating_sub(AROUND)) {
        if skipped.as_ref().is_some_and(|skipped| skipped.contains(&at)) {
            if skipped.as_ref().is_some_and(|skipped| skipped.start == at) {
                shown.push_str("     | >>> ...\n");
            }
            continue;
        }
        let mark = if (first..=last).contains(&at) { ">>>" } else { "   " };
        // A string takes all.
        let _ = writeln!(shown, "{:4} | {mark} {content}", at + 1);
    }
    shown.push_str(&rule);
    Some(shown)
}

/// The lines of the instruction that covers a line; that line alone if the text cannot be cut into instructions.
fn span_at(text: &str, line: u32) -> Span {
    let alone = Span { first: line, last: line };
    let Ok((_, logical)) = lines::split(text) else { return alone };
    logical
        .iter()
        .find(|one| (one.first..=one.last).contains(&line))
        .map_or(alone, |one| Span { first: one.first, last: one.last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_marked_whole() {
        let text = "FROM a\nENV b=c\nRUN one \\\n  && two\nCMD d\n\nUSER e\n";
        let expected = "f:3\n--------------------\n   1 |     FROM a\n   2 |     ENV b=c\n   3 | >>> RUN one \\\n   \
                        4 | >>>   && two\n   5 |     CMD d\n   6 |     \n--------------------";
        assert_eq!(excerpt("f", text, 3).as_deref(), Some(expected));
        assert_eq!(excerpt("f", text, 4).as_deref(), Some(expected));
        assert!(excerpt("f", text, 1).unwrap().starts_with("f:1\n--------------------\n   1 | >>> FROM a\n"));
        assert!(
            excerpt("f", text, 7).unwrap().ends_with("   7 | >>> USER e\n   8 |     \n--------------------")
        );
        assert_eq!(excerpt("f", text, 0), None);
        assert_eq!(excerpt("f", text, 99), None);
        assert_eq!(excerpt("f", "", 1), None);
    }

    #[test]
    fn what_cannot_be_cut_is_shown_by_its_line() {
        assert!(
            excerpt("f", "FROM a\nRUN <<END\nx", 2).unwrap().contains("   2 | >>> RUN <<END\n   3 |     x\n")
        );
    }

    #[test]
    fn long_instructions_are_cut_in_the_middle() {
        let text = format!("FROM a\nRUN <<END\n{}END\nCMD b\n", "x\n".repeat(50));
        let shown = excerpt("f", &text, 2).unwrap();
        assert!(
            shown.contains("   9 | >>> x\n     | >>> ...\n  51 | >>> x\n  52 | >>> x\n  53 | >>> END\n"),
            "{shown}"
        );
    }
}
