//! The splices that lead from one text to another: the fewest characters where texts are close, one splice over what
//! differs where they are not.
//!
//! Myers' greedy algorithm over code points, whose cost grows with the number of differences and not with the length
//! of the texts, given up when there are too many of them: Automerge's own has no such bound.

/// Replace `delete` code points from `at` by `insert`. Positions count what earlier splices have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) at: usize,
    pub(crate) delete: usize,
    pub(crate) insert: String,
}

/// Deleted and inserted characters up to which the fewest are found. The work is the square of this.
const DIFFERENCES_MAX: usize = 1000;

/// The one splice that leaves the common beginning and end alone.
pub(crate) fn middle(old: &str, new: &str) -> Splice {
    let (at, old, new) = trim(old, new);
    Splice { at, delete: old.chars().count(), insert: new.to_owned() }
}

/// The splices from `old` to `new`, first to last; none if they are equal.
pub(crate) fn splices(old: &str, new: &str) -> Vec<Splice> {
    let (start, old, new) = trim(old, new);
    if old.is_empty() && new.is_empty() {
        return Vec::new();
    }
    let (before, after): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    match steps(&before, &after) {
        Some(steps) => join(start, &steps, &after),
        None => vec![Splice { at: start, delete: before.len(), insert: new.to_owned() }],
    }
}

/// Length of the common beginning in code points, and what is between it and the common end.
fn trim<'o, 'n>(old: &'o str, new: &'n str) -> (usize, &'o str, &'n str) {
    let same = |(left, right): &(char, char)| left == right;
    let (mut at, mut bytes) = (0, 0);
    for (character, _) in old.chars().zip(new.chars()).take_while(same) {
        at += 1;
        bytes += character.len_utf8();
    }
    let (old, new) = (&old[bytes..], &new[bytes..]);
    let end: usize = old.chars().rev().zip(new.chars().rev()).take_while(same).map(|(last, _)| last.len_utf8()).sum();
    (at, &old[..old.len() - end], &new[..new.len() - end])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Deletes one character at this place of the old text.
    Delete(usize),
    /// Inserts the character at the second place of the new text before the first place of the old one.
    Insert(usize, usize),
}

/// The shortest way, last step first turned to first step first; `None` if it is too long.
fn steps(old: &[char], new: &[char]) -> Option<Vec<Step>> {
    let limit = (old.len() + new.len()).min(DIFFERENCES_MAX);
    if old.len().abs_diff(new.len()) > limit {
        return None;
    }
    // `reach[k]` is how far in `old` a way of so many differences comes on diagonal k = x - y, shifted by `limit + 1`.
    let mut reach = vec![0_usize; 2 * limit + 3];
    let mut trace: Vec<Vec<usize>> = Vec::new();
    for differences in 0..=limit {
        trace.push(reach[limit + 1 - differences..=limit + 1 + differences].to_vec());
        for step in 0..=differences {
            let k = limit + 1 - differences + 2 * step;
            let down = step == 0 || (step != differences && reach[k - 1] < reach[k + 1]);
            let mut x = if down { reach[k + 1] } else { reach[k - 1] + 1 };
            let mut y = (x + limit + 1).wrapping_sub(k);
            while x < old.len() && y < new.len() && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            reach[k] = x;
            if x >= old.len() && y >= new.len() {
                return Some(walk_back(&trace, old.len(), new.len()));
            }
        }
    }
    None
}

/// `trace[d]` holds the reaches of diagonals -d..=d before round d.
fn walk_back(trace: &[Vec<usize>], mut x: usize, mut y: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    for (differences, reach) in trace.iter().enumerate().skip(1).rev() {
        let at = |k: isize| reach[(k + differences as isize) as usize];
        let (k, d) = (x as isize - y as isize, differences as isize);
        let down = k == -d || (k != d && at(k - 1) < at(k + 1));
        let from = if down { k + 1 } else { k - 1 };
        x = at(from);
        y = (x as isize - from) as usize;
        steps.push(if down { Step::Insert(x, y) } else { Step::Delete(x) });
    }
    steps.reverse();
    steps
}

/// Joins neighbouring steps into splices.
fn join(start: usize, steps: &[Step], new: &[char]) -> Vec<Splice> {
    let mut splices: Vec<Splice> = Vec::new();
    // How far the present splice has come in the old text, and by how much earlier ones have moved it.
    let (mut old_end, mut shift) = (usize::MAX, 0_isize);
    for step in steps {
        let x = match step {
            Step::Delete(x) | Step::Insert(x, _) => *x,
        };
        if x != old_end {
            if let Some(done) = splices.last() {
                shift += done.insert.chars().count() as isize - done.delete as isize;
            }
            let at = (start + x).saturating_add_signed(shift);
            splices.push(Splice { at, delete: 0, insert: String::new() });
            old_end = x;
        }
        if let Some(splice) = splices.last_mut() {
            match step {
                Step::Delete(_) => {
                    splice.delete += 1;
                    old_end += 1;
                }
                Step::Insert(_, y) => splice.insert.push(new[*y]),
            }
        }
    }
    splices
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn perform(old: &str, splices: &[Splice]) -> String {
        let mut text: Vec<char> = old.chars().collect();
        for Splice { at, delete, insert } in splices {
            text.splice(*at..at + delete, insert.chars());
        }
        text.into_iter().collect()
    }

    #[track_caller]
    fn check(old: &str, new: &str, expected: &[(usize, usize, &str)]) {
        let found = splices(old, new);
        let expected: Vec<_> = expected
            .iter()
            .map(|(at, delete, insert)| Splice { at: *at, delete: *delete, insert: (*insert).into() })
            .collect();
        assert_eq!(found, expected, "{old:?} -> {new:?}");
        assert_eq!(perform(old, &found), new);
    }

    #[test]
    fn only_what_differs_is_replaced() {
        check("", "", &[]);
        check("aé", "aé", &[]);
        check("héllo", "hélxlo", &[(3, 0, "x")]);
        check("aaa", "aa", &[(2, 1, "")]);
        check("xéy", "xèy", &[(1, 1, "è")]);
        check("one two three", "ONE two THREE", &[(0, 3, "ONE"), (8, 5, "THREE")]);
        assert_eq!(middle("one two three", "one 2 three"), Splice { at: 4, delete: 3, insert: "2".into() });
    }

    #[test]
    fn two_far_places_in_a_long_text_stay_two_splices() {
        let old = format!("a{}b", "x".repeat(200_000));
        let new = format!("A{}B", "x".repeat(200_000));
        check(&old, &new, &[(0, 1, "A"), (200_001, 1, "B")]);
    }

    #[test]
    fn texts_that_have_little_in_common_are_replaced_at_once() {
        let (old, new) = ("abc".repeat(2_000), "xyz".repeat(2_000));
        assert_eq!(splices(&old, &new), [middle(&old, &new)]);
        assert_eq!(splices(&old, ""), [Splice { at: 0, delete: 6_000, insert: String::new() }]);
    }

    proptest! {
        #[test]
        fn the_splices_always_lead_to_the_new_text(old in "[abé]{0,40}", new in "[abé]{0,40}") {
            let found = splices(&old, &new);
            prop_assert_eq!(perform(&old, &found), new);
        }
    }
}
