//! What was probably meant by a word that nobody knows.

/// Most letters in which the two may differ.
const DISTANCE_MAX: usize = 2;

/// The one of `known` that differs least from `word`, if it does not differ much.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let is_short = |known: &&&str| known.chars().count().abs_diff(word.chars().count()) <= DISTANCE_MAX;
    let distances = known.iter().filter(is_short).map(|known| (distance(word, known), *known));
    let (distance, found) = distances.min_by_key(|(distance, _)| *distance)?;
    // In a short word two letters are most of it.
    (distance <= DISTANCE_MAX && distance * 2 < found.chars().count()).then_some(found)
}

/// How many letters have to be put, removed, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["x-merge", "x-since", "type", "items", "not"];
        for (word, expected) in [
            ("x-megre", Some("x-merge")),
            ("x-merg", Some("x-merge")),
            ("x-sense", Some("x-since")),
            ("tpye", Some("type")),
            ("item", Some("items")),
            ("note", Some("not")),
            ("nope", None),
            ("x-frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }
}
