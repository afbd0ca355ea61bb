//! Takes splices back in a text that went on: their insertions go, their deletions come back where they were.

use crate::difference::Splice;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// There before.
    Kept,
    /// Deleted by what is taken back: not in the text, but its place is known.
    Gone,
    /// Inserted by what is taken back.
    Own,
    /// Inserted later.
    Later,
}

/// The text that the splices `later` lead to, as it would be without the splices `own`, which went before them and
/// began at `before`.
pub(super) fn take_back(before: &str, own: &[Splice], later: &[Splice]) -> String {
    let mut cells: Vec<(char, Whose)> = before.chars().map(|character| (character, Whose::Kept)).collect();
    for splice in own {
        perform(&mut cells, splice, Whose::Own);
    }
    for splice in later {
        perform(&mut cells, splice, Whose::Later);
    }
    cells.into_iter().filter(|(_, whose)| *whose != Whose::Own).map(|(character, _)| character).collect()
}

fn perform(cells: &mut Vec<(char, Whose)>, splice: &Splice, who: Whose) {
    let mut at = place(cells, splice.at);
    let mut left = splice.delete;
    while left > 0 && at < cells.len() {
        match cells[at].1 {
            Whose::Gone => at += 1,
            Whose::Kept if who == Whose::Own => {
                cells[at].1 = Whose::Gone;
                (at, left) = (at + 1, left - 1);
            }
            Whose::Kept | Whose::Own | Whose::Later => {
                // Neighbours that go as well are taken out at once: long deletions must not cost their square.
                let is_taken = |whose: Whose| whose != Whose::Gone && (who != Whose::Own || whose != Whose::Kept);
                let count = cells[at..].iter().take(left).take_while(|(_, whose)| is_taken(*whose)).count();
                cells.drain(at..at + count);
                left -= count;
            }
        }
    }
    cells.splice(at..at, splice.insert.chars().map(|character| (character, who)));
}

/// The cell of the character number `at` of the text.
fn place(cells: &[(char, Whose)], at: usize) -> usize {
    let visible = cells.iter().enumerate().filter(|(_, (_, whose))| *whose != Whose::Gone);
    visible.map(|(index, _)| index).nth(at).unwrap_or(cells.len())
}

/// Whether the splices lead from one text to another.
pub(super) fn leads_to(from: &str, splices: &[Splice], to: &str) -> bool {
    let mut text: Vec<char> = from.chars().collect();
    for Splice { at, delete, insert } in splices {
        if at + delete > text.len() {
            return false;
        }
        text.splice(*at..at + delete, insert.chars());
    }
    text.into_iter().eq(to.chars())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::difference::splices;

    #[track_caller]
    fn check(before: &str, after: &str, now: &str, expected: &str) {
        let back = take_back(before, &splices(before, after), &splices(after, now));
        assert_eq!(back, expected, "{before:?} -> {after:?} -> {now:?}");
    }

    #[test]
    fn what_others_did_stays() {
        check("", "hello", "hello world", " world");
        check("one two", "one", "one!", "one two!");
        check("one two three", "one 2 three", "zero one 2 three four", "zero one two three four");
        check("abc", "axc", "ac", "abc"); // the own insertion was deleted meanwhile
        check("abc", "", "z", "abcz");
        check("ab", "axxxb", "axyxb", "ayb");
        check("äöü", "äü", "äüß", "äöüß");
    }

    proptest! {
        #[test]
        fn what_nobody_touched_since_is_as_it_was(before in "[abé]{0,30}", after in "[abé]{0,30}") {
            prop_assert_eq!(take_back(&before, &splices(&before, &after), &[]), before);
        }

        #[test]
        fn nothing_is_done_by_nothing(before in "[abé]{0,30}", now in "[abé]{0,30}") {
            prop_assert_eq!(take_back(&before, &[], &splices(&before, &now)), now);
        }
    }
}
