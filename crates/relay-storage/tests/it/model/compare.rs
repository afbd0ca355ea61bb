//! Looking at both: everything that can be seen of a log, its intake and its fates.

use std::collections::BTreeMap;

use relay_storage::QuarantineQuery;
use sync_wire::{ChangeHash, LogPosition, Position};

use super::naive::{Kept, Way};
use super::step::Place;
use super::{ALL, Both, answer, document};
use crate::world::wait;

impl Both {
    pub(super) fn read(&self, is_team: bool, after: usize, bytes: usize) {
        let (space, relay) = (self.space(is_team), self.relay());
        let ends = space.batch_ends();
        let after = ends[after % ends.len()];
        let from = LogPosition { position: Position(after as u64), ..relay.end(space.id) };
        let page = relay.page(space.id, from, bytes);
        let upto = after + page.entries.len();
        assert!(upto > after || after == space.entries.len(), "a page makes progress");
        assert!(ends.contains(&upto), "a page ends where a batch does");
        assert_eq!(page.log_end.0, space.end());
        assert_eq!(page.chain, self.chain_of(is_team, &space.entries[..upto]));
        for (entry, expected) in page.entries.iter().zip(&space.entries[after..]) {
            assert_eq!((entry.kind, entry.document, entry.hash, entry.device, entry.batch), expected.identity());
            let is_gone = space.purged.contains(&entry.document);
            let bytes = expected.change.as_ref().map(|change| &change.bytes).filter(|_| !is_gone);
            assert!(expected.change.is_none() || entry.bytes.as_ref() == bytes, "{entry:?}");
        }
    }

    /// Everything that can be seen of both.
    pub(super) fn compare(&self) {
        let storage = &self.relay().storage;
        for is_team in [false, true] {
            let space = self.space(is_team);
            self.read(is_team, 0, ALL);
            let end = self.relay().end(space.id);
            assert_eq!((end.epoch, end.position.0), (space.epoch, space.end()));
            for number in 0..2 {
                let id = document(Place { is_team, document: number });
                let state = wait(storage.document(space.id, id)).unwrap();
                assert_eq!(state.is_some(), space.of(id).next().is_some());
                let Some(state) = state else { continue };
                let is = (state.deleted, state.held.is_some(), state.checked.0, state.entries);
                let checked = space.checked.get(&id).copied().unwrap_or(0);
                let entries = space.of(id).count() as u64;
                assert_eq!(is, (space.is_deleted(id, Way::Log), space.held.contains(&id), checked, entries));
                let tips = wait(storage.explain(space.id, id)).unwrap().unwrap().tips.unwrap();
                let heads: Vec<ChangeHash> = space.heads(id, Way::Log).into_iter().collect();
                assert_eq!((tips.heads, tips.max_op), (heads, space.max_op(id, Way::Log)));
            }
            let query = QuarantineQuery { space: Some(space.id), ..QuarantineQuery::default() };
            let kept = wait(storage.quarantine(query, ALL)).unwrap().changes;
            let kept: BTreeMap<_, _> = kept
                .into_iter()
                .map(|one| {
                    let kept = Kept { code: one.code, culprit: one.culprit, is_final: one.is_final };
                    ((one.document, one.hash, one.device), kept)
                })
                .collect();
            assert_eq!(kept, space.fates);
        }
        assert_eq!(wait(storage.intake_totals()).unwrap().batches, self.space(true).waiting.len() as u64);
        self.compare_told();
    }

    /// What devices are told of batches that left the intake.
    fn compare_told(&self) {
        let (space, storage) = (self.space(true), &self.relay().storage);
        for writer in &self.writers {
            let named = self.pushed.iter().filter(|(place, _)| place.is_team);
            let mut asked: Vec<_> = named.map(|(place, batch)| (document(*place), batch.id)).collect();
            asked.sort_unstable();
            asked.dedup();
            let told = wait(storage.intake_outcomes(space.id, writer.device, asked)).unwrap();
            let told: BTreeMap<_, _> =
                told.iter().map(|(id, batch, outcome)| ((*id, *batch), answer(outcome))).collect();
            let own = space.told.iter().filter(|((_, _, device), _)| *device == writer.device);
            let expected: BTreeMap<_, _> =
                own.map(|((id, batch, _), answer)| ((*id, *batch), answer.clone())).collect();
            assert_eq!(told, expected);
        }
    }
}
