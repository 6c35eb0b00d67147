//! Tables as Compose prints them: wide ones, and that of `top`.

use unicode_width::UnicodeWidthStr as _;

use crate::output::shown;

/// A heading and rows, in columns at least twenty cells wide.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    aligned(heading, rows, 20, 3)
}

/// A heading and rows, as narrow as they can be.
pub(super) fn narrow<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    aligned(heading, rows, 4, 2)
}

fn aligned<const N: usize>(
    heading: [&str; N],
    rows: &[[String; N]],
    minimum: usize,
    padding: usize,
) -> String {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|text| shown::cell(text).into_owned())).collect();
    let mut widths = heading.map(|cell| (cell.width() + padding).max(minimum));
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width() + padding);
        }
    }
    let mut out = String::new();
    let mut line = |cells: [&str; N]| {
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            out.push_str(cell);
            if index + 1 < N {
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
            }
        }
        out.push('\n');
    };
    line(heading);
    rows.iter().for_each(|row| line(row.each_ref().map(String::as_str)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_wide() {
        let rows = [["a".to_owned(), "b".to_owned()], ["12345678901234567890".to_owned(), "c".to_owned()]];
        assert_eq!(
            table(["NAME", "X"], &rows),
            "NAME                   X\na                      b\n12345678901234567890   c\n"
        );
    }
}
