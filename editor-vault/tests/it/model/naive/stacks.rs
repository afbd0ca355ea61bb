//! What can be taken back: it follows from what was written and is still there, and from what each edit said of itself.

use sync_wire::ChangeHash;

use super::{Fate, Kind, Naive, Note, Put, Shown, apply};

/// Places in the lane, the next one last.
#[derive(Debug, Default)]
struct Stacks {
    undo: Vec<usize>,
    redo: Vec<usize>,
}

impl Naive {
    /// What taking the newest edit back changes, and what it says of itself; none if nothing can be taken back.
    pub(in crate::model) fn undo(&self) -> Option<(Vec<Put>, Note)> {
        self.take_back(self.stacks().undo, Note::Undo)
    }

    /// The same of the newest undo after which nothing else was edited.
    pub(in crate::model) fn redo(&self) -> Option<(Vec<Put>, Note)> {
        self.take_back(self.stacks().redo, Note::Redo)
    }

    pub(in crate::model) fn taken_back(&mut self, (puts, note): (Vec<Put>, Note), hash: ChangeHash) {
        self.save_edit(puts, note, hash);
    }

    fn take_back(&self, stack: Vec<usize>, note: fn(usize) -> Note) -> Option<(Vec<Put>, Note)> {
        let found = stack.into_iter().rev().map(|at| (self.taking_back(at), note(self.lane[at].number)));
        let mut found = found.filter(|(puts, _)| !puts.is_empty());
        found.next()
    }

    /// What brings back what an edit changed, as far as nothing has changed it since.
    fn taking_back(&self, at: usize) -> Vec<Put> {
        let (before, now) = (self.own_before(at), self.own());
        let mut after = before.clone();
        apply(&mut after, &self.lane[at].puts);
        let value = |shown: &Shown, key: &String| shown.get(key).copied();
        let mut keys: Vec<&String> = self.lane[at].puts.iter().map(|put| &put.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let changed =
            |key: &&String| value(&before, key) != value(&after, key) && value(&now, key) == value(&after, key);
        keys.into_iter().filter(changed).map(|key| Put { key: key.clone(), value: value(&before, key) }).collect()
    }

    fn stacks(&self) -> Stacks {
        let mut stacks = Stacks::default();
        for (at, batch) in self.lane.iter().enumerate() {
            if batch.kind != Kind::Edit || batch.fate == Fate::Refused || self.is_moot(at) {
                continue;
            }
            let number = |at: &usize| self.lane[*at].number;
            match batch.note {
                Note::Undo(of) => {
                    stacks.undo.retain(|at| number(at) != of);
                    stacks.redo.push(at);
                }
                Note::Redo(of) => {
                    stacks.redo.retain(|at| number(at) != of);
                    stacks.undo.push(at);
                }
                Note::None => {
                    stacks.redo.clear();
                    stacks.undo.push(at);
                }
            }
        }
        stacks
    }

    /// It took away what is not there any more.
    fn is_moot(&self, at: usize) -> bool {
        let before = self.own_before(at);
        let batch = &self.lane[at];
        batch.is_rewritten && batch.puts.iter().all(|put| put.value.is_none() && !before.contains_key(&put.key))
    }
}
