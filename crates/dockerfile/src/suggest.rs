//! «Did you mean»: the nearest of the known words.

/// The known word that a typed one likely stands for: at most a third of it mistyped.
#[must_use]
pub fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    let limit = (typed.chars().count() / 3).max(1);
    known
        .iter()
        .map(|word| (distance(&typed, &word.to_ascii_lowercase()), *word))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, word)| word)
}

/// Edits (insert, delete, replace, swap neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_likely_word() {
        let known = ["RUN", "COPY", "ENTRYPOINT", "WORKDIR"];
        assert_eq!(nearest("RUNN", &known), Some("RUN"));
        assert_eq!(nearest("cpoy", &known), Some("COPY"));
        assert_eq!(nearest("ENTRYPIONT", &known), Some("ENTRYPOINT"));
        assert_eq!(nearest("APT-GET", &known), None);
    }
}
