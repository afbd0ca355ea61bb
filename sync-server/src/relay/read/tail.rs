//! Recent entries of one space: a gapless run that ends where the log ended a moment ago.
//!
//! What storage appended is reconstructed from what was pushed. Where storage made fewer entries than were pushed, the
//! tail begins anew after them.

use std::collections::{BTreeMap, VecDeque};

use sync_core::session::LogPage;
use sync_wire::log::Receipt;
use sync_wire::planted::{self, Bug};
use sync_wire::{Chain, Entry, LogPosition, Position, SpaceId};

use super::{ENTRIES_BYTES_MAX, before, entry_bytes};

/// Runs that wait for an earlier one: two sessions may append to one space and get here in the other order.
const AHEAD_MAX: usize = 64;

/// The entries of one appended batch.
#[derive(Debug, Clone)]
pub struct Run {
    /// Place of its last entry.
    pub end: LogPosition,
    /// How many entries storage made.
    pub len: u64,
    /// These entries. If they are not as many, it is not known which of them were made.
    pub entries: Vec<Entry>,
    /// The chain there.
    pub chain: Chain,
    /// The relay's receipt for it.
    pub receipt: Receipt,
}

impl Run {
    fn first(&self) -> Position {
        Position((self.end.position.0 + 1).saturating_sub(self.len))
    }

    fn bytes(&self) -> usize {
        self.entries.iter().map(entry_bytes).sum()
    }
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Tail {
    end: LogPosition,
    runs: VecDeque<Run>,
    ahead: BTreeMap<Position, Run>,
    bytes: usize,
    used: bool,
}

impl Tail {
    /// An empty tail after `run`, whose predecessor is unknown.
    pub(super) fn ending_at(run: &Run) -> Self {
        Self { end: run.end, runs: VecDeque::new(), ahead: BTreeMap::new(), bytes: 0, used: true }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it was read or extended since the last time.
    pub(super) fn take_used(&mut self) -> bool {
        std::mem::take(&mut self.used)
    }

    /// Adds a run in its place, as soon as all before it are here.
    pub(super) fn add(&mut self, run: Run, bytes_max: usize) {
        if run.end.epoch != self.end.epoch || (run.first() > self.end.position.next() && self.ahead.len() >= AHEAD_MAX)
        {
            *self = Self::ending_at(&run);
            return;
        }
        if run.end.position <= self.end.position {
            return;
        }
        self.used = true;
        self.bytes += run.bytes();
        if self.ahead.is_empty() && run.first() == self.end.position.next() {
            self.extend(run);
        } else {
            self.ahead.insert(run.first(), run);
        }
        while let Some(run) = self.take_next() {
            self.extend(run);
        }
        self.trim(bytes_max);
    }

    fn take_next(&mut self) -> Option<Run> {
        let entry = self.ahead.first_entry()?;
        (*entry.key() <= self.end.position.next()).then(|| entry.remove())
    }

    fn extend(&mut self, run: Run) {
        let bytes = run.bytes();
        if run.end.position <= self.end.position {
            self.bytes -= bytes;
            return;
        }
        self.end = run.end;
        if run.entries.len() as u64 == run.len {
            self.runs.push_back(run);
        } else {
            self.bytes -= bytes + self.runs.iter().map(Run::bytes).sum::<usize>();
            self.runs.clear();
        }
    }

    fn trim(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let dropped = match self.runs.pop_front() {
                Some(run) => run,
                None => match self.ahead.pop_last() {
                    Some((_, run)) => run,
                    None => return,
                },
            };
            self.bytes -= dropped.bytes();
        }
    }

    /// The runs after `after`, about `bytes_target` of them and never more than fit in a frame.
    pub(super) fn read(&mut self, space: SpaceId, after: LogPosition, bytes_target: usize) -> Option<LogPage> {
        if after.epoch != self.end.epoch {
            return None;
        }
        let begin = match self.runs.binary_search_by_key(&after.position, |run| before(run.first())) {
            Ok(begin) => begin,
            Err(next) if planted::is(Bug::TailUsedWithGap) => next, // PLANTED: whatever comes next will do
            Err(_) => return None,
        };
        self.used = true;
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut last = self.runs.get(begin)?;
        for run in self.runs.range(begin..) {
            let more = run.bytes();
            if bytes > 0 && (bytes >= bytes_target || bytes + more > ENTRIES_BYTES_MAX) {
                break;
            }
            bytes += more;
            entries.extend(run.entries.iter().cloned());
            last = run;
        }
        let (chain, receipt) = (last.chain, last.receipt);
        Some(LogPage { space, after, entries, chain, receipt, log_end: self.end.position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_wire::log::{EntryIdentity, EntryKind};
    use sync_wire::{BatchId, Blob, ChangeHash, DeviceId, DocumentId, Epoch, Salt};

    const SPACE: SpaceId = SpaceId([1; 16]);
    const SALT: Salt = Salt([2; 32]);
    const EPOCH: Epoch = Epoch([3; 8]);

    fn at(position: u64) -> LogPosition {
        LogPosition { epoch: EPOCH, position: Position(position) }
    }

    fn entry(number: u64) -> Entry {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        Entry {
            kind: EntryKind::Change,
            document: DocumentId([4; 16]),
            hash: ChangeHash(hash),
            device: DeviceId([5; 16]),
            batch: BatchId([6; 16]),
            bytes: Some(Blob::from(vec![0; 100])),
            heads: None,
        }
    }

    fn identity(entry: &Entry) -> EntryIdentity {
        let Entry { kind, document, hash, device, batch, .. } = *entry;
        EntryIdentity { kind, document, hash, device, batch }
    }

    /// One-entry runs of a log of `len` entries.
    fn runs(len: u64) -> Vec<Run> {
        let mut chain = Chain::START;
        (1..=len)
            .map(|number| {
                let entry = entry(number);
                chain = chain.extend(&identity(&entry).digest(&SALT));
                let receipt = Receipt { key: 1, mac: [0; 32] };
                Run { end: at(number), len: 1, entries: vec![entry], chain, receipt }
            })
            .collect()
    }

    fn tail(order: &[usize]) -> Tail {
        let runs = runs(10);
        let mut tail = Tail::ending_at(&runs[order[0]]);
        for &index in order {
            tail.add(runs[index].clone(), 1 << 20);
        }
        tail
    }

    fn read(tail: &mut Tail, after: u64) -> Option<Vec<ChangeHash>> {
        Some(tail.read(SPACE, at(after), 1 << 20)?.entries.iter().map(|entry| entry.hash).collect())
    }

    #[test]
    fn a_read_within_the_tail_gets_all_that_follows() {
        let mut tail = tail(&[0, 1, 2, 3]);
        assert_eq!(read(&mut tail, 2), Some(vec![entry(3).hash, entry(4).hash]));
        assert_eq!(read(&mut tail, 1).map(|entries| entries.len()), Some(3));
    }

    #[test]
    fn a_read_that_the_tail_does_not_cover_goes_to_storage() {
        let mut tail = tail(&[2, 3, 4]);
        assert_eq!(read(&mut tail, 1), None, "4 follows 3, not 1");
        assert_eq!(read(&mut tail, 5), None, "nothing is known after the end");
        assert!(tail.read(SPACE, LogPosition { epoch: Epoch([9; 8]), position: Position(3) }, 1).is_none());
    }

    #[test]
    fn runs_that_arrive_in_another_order_leave_no_gap() {
        let mut tail = tail(&[0, 2, 3]);
        assert_eq!(read(&mut tail, 1), None, "2 is missing");
        tail.add(runs(2)[1].clone(), 1 << 20);
        assert_eq!(read(&mut tail, 1), Some(vec![entry(2).hash, entry(3).hash, entry(4).hash]));
    }

    #[test]
    fn a_batch_of_which_some_was_in_the_log_already_is_not_served() {
        let mut tail = tail(&[0, 1]);
        let mut wrong = runs(3)[2].clone();
        wrong.entries.push(entry(2));
        tail.add(wrong, 1 << 20);
        assert_eq!(read(&mut tail, 2), None);
        tail.add(runs(4)[3].clone(), 1 << 20);
        assert_eq!(read(&mut tail, 3), Some(vec![entry(4).hash]), "it goes on after the run that did not fit");
    }

    #[test]
    fn a_tail_forgets_its_beginning_when_it_is_full() {
        let runs = runs(10);
        let mut tail = Tail::ending_at(&runs[0]);
        let room = 3 * runs[0].bytes();
        for run in &runs {
            tail.add(run.clone(), room);
        }
        assert_eq!(tail.bytes(), room);
        assert_eq!(read(&mut tail, 6), None);
        assert_eq!(read(&mut tail, 7).map(|entries| entries.len()), Some(3));
    }

    #[test]
    fn a_page_ends_at_a_batch_end_near_its_target() {
        let mut tail = tail(&[0, 1, 2, 3, 4, 5]);
        let page = tail.read(SPACE, at(1), 2 * runs(1)[0].bytes()).unwrap();
        assert_eq!((page.entries.len(), page.chain, page.log_end), (2, runs(3)[2].chain, Position(6)));
    }
}
