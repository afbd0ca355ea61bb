//! Entries of a lost log come back: as they were if the log goes on with them, else what it lacks of them.

use std::collections::BTreeMap;

use document::Change;
use relay_storage::{BatchContent, ParsedBatch};
use sync_wire::log::EntryKind;
use sync_wire::{AccountId, ChangeHash, DeviceId};

use super::{Answer, Entry, Pushing, Space, Way};

/// A part of a lost log, from a batch end to another.
pub(in crate::model) struct Offered<'a> {
    pub(in crate::model) lost: &'a Space,
    pub(in crate::model) from: usize,
    pub(in crate::model) upto: usize,
    /// The relay said once that its log had exactly this.
    pub(in crate::model) is_vouched: bool,
    /// Whose each device is.
    pub(in crate::model) accounts: &'a BTreeMap<DeviceId, AccountId>,
}

/// What became of it.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::model) struct Took {
    entries: u64,
    is_in_new_epoch: bool,
    left_out: usize,
}

impl Took {
    pub(in crate::model) fn all(self) -> (u64, bool, usize) {
        (self.entries, self.is_in_new_epoch, self.left_out)
    }
}

impl Offered<'_> {
    /// Its batches. Behind a void come its replacements, each of its own device.
    fn batches(&self) -> Vec<&[Entry]> {
        let mut batches = Vec::new();
        let mut rest = &self.lost.entries[self.from..self.upto];
        while let Some(first) = rest.first() {
            let replacements: Vec<ChangeHash> = first.void.iter().flat_map(|void| void.replacements()).collect();
            let is_of_it = |entry: &&Entry| {
                (entry.batch, entry.document) == (first.batch, first.document)
                    && (entry.device == first.device || replacements.contains(&entry.hash))
            };
            let (batch, behind) = rest.split_at(rest.iter().take_while(is_of_it).count());
            batches.push(batch);
            rest = behind;
        }
        batches
    }

    /// What a batch says; nothing can be told of what is purged.
    fn content(&self, batch: &[Entry]) -> Option<BatchContent> {
        let first = &batch[0];
        match first.kind {
            EntryKind::Change if self.lost.purged.contains(&first.document) => None,
            EntryKind::Change => {
                batch.iter().map(|entry| entry.change.clone()).collect::<Option<_>>().map(BatchContent::Changes)
            }
            EntryKind::Tombstone => Some(BatchContent::Tombstone { heads: first.heads.clone() }),
            EntryKind::Restore => Some(BatchContent::Restore),
            EntryKind::Void | EntryKind::Erased => None,
        }
    }
}

impl Space {
    /// As after a backup: devices push again what waited.
    pub(in crate::model) fn without_intake(mut self) -> Self {
        self.waiting.clear();
        self.told.clear();
        self
    }

    /// Places that a device can stand at.
    pub(in crate::model) fn batch_ends(&self) -> Vec<usize> {
        let ends = (1..).zip(&self.entries).filter(|(_, entry)| entry.is_batch_end).map(|(at, _)| at);
        std::iter::once(0).chain(ends).collect()
    }

    /// `standing`: of whoever gives it back, in a space where that is enough for what his own devices wrote.
    pub(in crate::model) fn take_run(&mut self, offered: &Offered<'_>, standing: Option<Judge<'_, Self>>) -> Took {
        let mut tried = self.clone();
        if let Some(entries) = tried.take_unchanged(offered) {
            *self = tried;
            return Took { entries, ..Took::default() };
        }
        let mut took = Took::default();
        for batch in offered.batches() {
            let answer = match (offered.is_vouched, standing) {
                (true, _) => self.append_vouched(offered, batch),
                (false, Some(standing)) => offered.content(batch).map(|content| {
                    let mut who = standing(self, batch[0].device);
                    self.batch(&mut who, batch[0].document, Way::Log, &ParsedBatch { id: batch[0].batch, content })
                }),
                (false, None) => None,
            };
            match answer {
                Some(Answer::At { entries, .. }) => took.entries += entries as u64,
                _ => took.left_out += 1,
            }
        }
        let is_of_this_epoch = offered.lost.epoch == self.epoch;
        took.is_in_new_epoch = is_of_this_epoch && (took.entries > 0 || offered.is_vouched);
        took
    }

    /// How many entries there are more; none if the log does not go on so.
    fn take_unchanged(&mut self, offered: &Offered<'_>) -> Option<u64> {
        let (lost, before) = (&offered.lost.entries, self.entries.len());
        let goes_along = self.entries.iter().zip(&lost[..offered.upto]).all(|(ours, theirs)| ours.is(theirs));
        let stands = self.batch_ends().contains(&offered.from);
        if offered.lost.epoch != self.epoch || !offered.is_vouched || !stands || !goes_along {
            return None;
        }
        let mut at = offered.from;
        for batch in offered.batches() {
            let from = at;
            at += batch.len();
            if at <= before {
                continue;
            }
            let answer = if from < before { None } else { self.append_vouched(offered, batch) };
            match answer {
                Some(Answer::At { entries, .. }) if entries == batch.len() => {}
                _ => return None,
            }
        }
        let new = self.entries.len() - before;
        let is_as_it_was =
            self.entries.len() == offered.upto && self.entries.iter().zip(lost).all(|(one, other)| one.is(other));
        (new == 0 || is_as_it_was).then_some(new as u64)
    }

    /// In the name of its device of record, whatever became of the grant of that.
    fn append_vouched(&mut self, offered: &Offered<'_>, batch: &[Entry]) -> Option<Answer> {
        let (first, rest) = batch.split_first()?;
        if let Some(void) = &first.void {
            let is_there = rest.is_empty() || !offered.lost.purged.contains(&first.document);
            let replacements: Vec<Change> = rest.iter().filter_map(|entry| entry.change.clone()).collect();
            let appended = is_there.then(|| self.append_void(first.document, void, &replacements)).flatten();
            return appended.map(|entries| Answer::At { position: self.end(), entries });
        }
        let content = offered.content(batch)?;
        let (account, device) = (offered.accounts[&first.device], first.device);
        let mut vouched = Pushing { account, device, objection: None, room: None };
        Some(self.batch(&mut vouched, first.document, Way::Log, &ParsedBatch { id: first.batch, content }))
    }
}

/// How somebody stands to what is given back.
pub(in crate::model) type Judge<'j, S> = &'j dyn Fn(&S, DeviceId) -> Pushing;
