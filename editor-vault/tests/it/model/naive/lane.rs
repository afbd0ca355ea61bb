//! What the relay and other devices make of what this device wrote.

use sync_wire::FateCode;

use super::{Batch, Fate, Kind, Naive, Note, difference};
use crate::model::step::Judgement;

/// A connection, and the limits that the relay says on it.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Contact {
    pub(in crate::model) is_new: bool,
    pub(in crate::model) limits_version: u64,
}

impl Naive {
    /// Everything is said between device and relay.
    pub(in crate::model) fn sync(&mut self, contact: Contact) {
        self.is_window_disturbed |= !self.window.is_empty() && self.theirs != self.theirs_in_log;
        self.theirs = self.theirs_in_log.clone();
        for is_deletion in std::mem::take(&mut self.marks_in_log) {
            self.receive_mark(is_deletion);
        }
        for batch in &mut self.lane {
            match batch.fate {
                Fate::Stored { is_placed: true } => batch.fate = Fate::Accepted,
                Fate::Parked { judged_by, .. } if contact.is_new && judged_by != contact.limits_version => {
                    batch.fate = Fate::Pending;
                }
                _ => {}
            }
        }
        if self.is_purged_at_relay {
            let is_first = !std::mem::replace(&mut self.is_purged, true);
            if is_first {
                self.refused_before_purge = self.lane.iter().filter(|batch| batch.fate == Fate::Refused).count();
            }
            self.lane.iter_mut().filter(|batch| batch.fate.is_open()).for_each(|batch| batch.fate = Fate::Refused);
            self.lane.iter_mut().for_each(|batch| batch.version = None);
            return;
        }
        // A restoration that is taken opens the lane before it.
        while self.push_lane(contact.limits_version) {}
    }

    fn receive_mark(&mut self, is_deletion: bool) {
        self.is_deleted_by_log = is_deletion;
        let waits = |batch: &&mut Batch| matches!(batch.fate, Fate::Parked { code: FateCode::DELETED, .. });
        if !is_deletion {
            self.lane.iter_mut().filter(waits).for_each(|batch| batch.fate = Fate::Pending);
        }
    }

    /// Pushes what is pending. `true`: what was passed over may go now.
    fn push_lane(&mut self, limits_version: u64) -> bool {
        let mut waits_for_restoration = false;
        for at in 0..self.lane.len() {
            let (fate, kind) = (self.lane[at].fate, self.lane[at].kind);
            match fate {
                Fate::Parked { code: FateCode::DELETED, .. } => waits_for_restoration = true,
                Fate::Parked { .. } => return false,
                Fate::Pending if waits_for_restoration && kind != Kind::Restoration => {}
                Fate::Pending if kind.is_edit() && self.is_deleted_at_relay => {
                    self.park(at, FateCode::DELETED, limits_version);
                    waits_for_restoration = true;
                }
                Fate::Pending => match self.judgement.unwrap_or(Judgement::Take) {
                    Judgement::RefuseNext if kind == Kind::Edit => self.refuse(at),
                    Judgement::Take | Judgement::RefuseNext => {
                        self.lane[at].fate = Fate::Accepted;
                        self.mark_at_relay(kind);
                        if !kind.is_edit() {
                            self.receive_mark(kind == Kind::Deletion);
                        }
                        if waits_for_restoration {
                            return true;
                        }
                    }
                    Judgement::Store => {
                        self.lane[at].fate = Fate::Stored { is_placed: false };
                        self.mark_at_relay(kind);
                    }
                    Judgement::Park => {
                        self.park(at, FateCode::SCHEMA, limits_version);
                        return false;
                    }
                },
                Fate::Stored { .. } | Fate::Accepted | Fate::Refused => {}
            }
        }
        false
    }

    fn mark_at_relay(&mut self, kind: Kind) {
        if !kind.is_edit() {
            self.is_deleted_at_relay = kind == Kind::Deletion;
        }
    }

    /// What is behind it and was stored is not pushed while it is parked: it counts as saved only.
    fn park(&mut self, at: usize, code: FateCode, judged_by: u64) {
        self.lane[at].fate = Fate::Parked { code, judged_by };
        let behind = self.lane[at + 1..].iter_mut();
        behind.filter(|batch| matches!(batch.fate, Fate::Stored { .. })).for_each(|batch| batch.fate = Fate::Pending);
    }

    fn refuse(&mut self, at: usize) {
        (self.lane[at].fate, self.lane[at].version) = (Fate::Refused, None);
        for batch in self.lane[at..].iter_mut().filter(|batch| batch.fate == Fate::Pending) {
            (batch.is_rewritten, batch.version) = (true, None);
        }
        self.judgement = Some(Judgement::Take);
        self.fall_behind();
    }

    fn fall_behind(&mut self) {
        self.is_behind = !self.window.is_empty();
        self.is_window_disturbed |= self.is_behind;
    }

    /// The edits of a closed lane, from what closes it on; their places.
    pub(in crate::model) fn parked_edits(&self) -> Vec<usize> {
        let first = self.lane.iter().position(|batch| matches!(batch.fate, Fate::Parked { .. }));
        let from = first.unwrap_or(self.lane.len());
        (from..self.lane.len()).filter(|at| self.lane[*at].fate.is_open() && self.lane[*at].kind.is_edit()).collect()
    }

    /// Edits are said in one go: what they come to is saved behind what was saved by then. `true`: that is the making
    /// of the document.
    pub(in crate::model) fn squash(&mut self, edits: &[usize]) -> bool {
        let before = self.own_before(edits[0]);
        let after = self.own_before(self.lane.len());
        let is_making = edits.iter().any(|at| self.lane[*at].kind == Kind::Making);
        let puts = difference(&before, &after);
        let mut place = 0..;
        self.lane.retain(|_| !edits.contains(&place.next().unwrap()));
        // A deletion that stands is still the last word.
        let last = self.lane.pop_if(|last| last.kind == Kind::Deletion && last.fate.is_open());
        if is_making || !puts.is_empty() {
            self.push(if is_making { Kind::Making } else { Kind::Edit }, puts, Note::None);
        }
        self.lane.extend(last);
        self.squashed += edits.len();
        self.fall_behind();
        is_making
    }

    /// The process ended: nothing is left of what was deferred.
    pub(in crate::model) fn crash(&mut self) {
        self.window.clear();
        (self.is_window_disturbed, self.is_behind) = (false, false);
    }

    /// What the relay has stored gets its place.
    pub(in crate::model) fn place(&mut self) {
        for batch in self.lane.iter_mut().filter(|batch| batch.fate == Fate::Stored { is_placed: false }) {
            batch.fate = Fate::Stored { is_placed: true };
            if !batch.kind.is_edit() {
                self.marks_in_log.push(batch.kind == Kind::Deletion);
            }
        }
    }
}
