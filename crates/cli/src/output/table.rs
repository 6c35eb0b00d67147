//! Columns aligned as Go's tabwriter aligns them for Docker: at least ten cells wide, three blanks between.

use unicode_width::UnicodeWidthStr as _;

const MINIMUM: usize = 10;
const PADDING: usize = 3;

/// Aligns lines of tab-separated cells; the last cell of a line is not padded.
pub(crate) fn align(text: &str) -> String {
    align_wide(text, MINIMUM)
}

/// The same with columns of at least so many cells.
pub(crate) fn align_wide(text: &str, minimum: usize) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            lines
                .iter()
                .filter(|cells| column + 1 < cells.len())
                .map(|cells| cells[column].width() + PADDING)
                .max()
                .unwrap_or(0)
                .max(minimum)
        })
        .collect();
    let mut out = String::with_capacity(text.len() * 2);
    for cells in &lines {
        for (column, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if column + 1 < cells.len() {
                out.extend(std::iter::repeat_n(' ', widths[column] - cell.width()));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn columns_are_padded() {
        assert_eq!(align("ID\tNAME\nabcdefghijkl\tx\n"), "ID             NAME\nabcdefghijkl   x\n");
        assert_eq!(align("A\tB\tC\n1\t2\t3\n"), "A         B         C\n1         2         3\n");
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(align("한국어한국어\tx\ny\tz\n"), "한국어한국어   x\ny              z\n");
    }
}
