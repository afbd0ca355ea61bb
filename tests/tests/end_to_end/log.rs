//! The whole log of a relay, as a device reads it that has never been there: dense, each change once, and with the
//! chain of digests that the relay says. What was acknowledged is looked for byte for byte.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, bail, ensure};
use sync_wire::log::{EntryIdentity, EntryKind};
use sync_wire::{
    BatchId, Chain, ChangeHash, Confirm, Cursor, Deliver, DeviceFrame, DeviceId, DocumentId, Entry, Epoch, Grant,
    LogPosition, Position, RelayFrame, Resume,
};
use system_tests::Relay;

use crate::client::{Acknowledged, Connection, Ledger};

/// Reads the whole log as devices that have never been there.
pub(crate) struct Reader {
    place: u64,
    token: String,
    devices: u64,
    epoch: Option<Epoch>,
}

impl Reader {
    pub(crate) fn new(place: u64, token: &str) -> Self {
        Self { place, token: token.to_owned(), devices: 0, epoch: None }
    }

    /// Everything that was acknowledged is in the log.
    pub(crate) fn check(&mut self, relay: &Relay, ledger: &Ledger) -> Result<()> {
        let log = self.read(relay)?;
        let acknowledged = ledger.acknowledged.lock().expect("nobody panics with it");
        acknowledged.iter().try_for_each(|batch| log.check(batch))
    }

    fn connect(&mut self, relay: &Relay, cursors: Vec<Cursor>) -> Result<Connection> {
        self.devices += 1;
        let mut id = [0xee; 16];
        id[..8].copy_from_slice(&self.place.to_be_bytes());
        id[8..].copy_from_slice(&(self.devices | 0xee << 56).to_be_bytes());
        Connection::open(relay.address(), &self.token, DeviceId(id), cursors)
    }

    pub(crate) fn read(&mut self, relay: &Relay) -> Result<Log> {
        let grant = self.connect(relay, Vec::new())?.grant;
        ensure!(*self.epoch.get_or_insert(grant.end.epoch) == grant.end.epoch, "the log has another epoch");
        let at = LogPosition { epoch: grant.end.epoch, position: Position::START };
        let cursor = Cursor { space: grant.space, at, chain: Chain::START, bootstrap: None };
        let mut connection = self.connect(relay, vec![cursor])?;
        let grant = connection.grant.clone();
        ensure!(grant.resume == Resume::Continue, "the beginning of the log is not known: {:?}", grant.resume);
        let mut log = Log::default();
        while log.entries.len() as u64 != grant.end.position.0 {
            let deliver = match connection.receive()? {
                RelayFrame::Deliver(deliver) => deliver,
                other => bail!("instead of its log the relay sent {other:?}"),
            };
            let position = deliver.end().position;
            connection.send(&DeviceFrame::Confirm(Confirm { space: grant.space, position, frames: 1 }))?;
            log.add(deliver, &grant)?;
        }
        Ok(log)
    }
}

/// A log from its beginning.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    chain: Option<Chain>,
    /// Where the last entry of each batch is.
    batches: HashMap<(DocumentId, BatchId), usize>,
    hashes: HashSet<(DocumentId, ChangeHash)>,
}

impl Log {
    fn add(&mut self, deliver: Deliver, grant: &Grant) -> Result<()> {
        let after = deliver.after.position.0;
        ensure!(after == self.entries.len() as u64, "a gap: entries after {after} follow {}", self.entries.len());
        let mut chain = self.chain.unwrap_or(Chain::START);
        for entry in deliver.entries {
            let Entry { kind, document, hash, device, batch, .. } = entry;
            chain = chain.extend(&EntryIdentity { kind, document, hash, device, batch }.digest(&grant.salt));
            ensure!(self.hashes.insert((document, hash)), "change {hash} of {document} is in the log twice");
            self.batches.insert((document, batch), self.entries.len());
            self.entries.push(entry);
        }
        ensure!(chain == deliver.chain, "the chain is another one at {}", self.entries.len());
        self.chain = Some(chain);
        Ok(())
    }

    /// The batch is where its ack said, whole and byte for byte.
    fn check(&self, acknowledged: &Acknowledged) -> Result<()> {
        let Acknowledged { batch, document, changes, at } = acknowledged;
        let last = self.batches.get(&(*document, *batch)).with_context(|| format!("batch {batch} is lost"))?;
        ensure!(*last as u64 + 1 == at.position.0, "batch {batch} was acknowledged at {at} and ends at {}", last + 1);
        let first = (last + 1).checked_sub(changes.len()).context("a batch longer than the log")?;
        for (entry, change) in self.entries[first..=*last].iter().zip(changes) {
            let is_same = entry.batch == *batch && entry.bytes.as_ref() == Some(change);
            ensure!(is_same, "batch {batch}: another change is in its place");
        }
        Ok(())
    }
}

#[test]
fn the_ledger_of_the_relay_notices_what_is_gone() {
    let (document, epoch) = (DocumentId([1; 16]), Epoch([2; 8]));
    let entry = |batch: u8, bytes: u8| Entry {
        kind: EntryKind::Change,
        document,
        hash: ChangeHash([bytes; 32]),
        device: DeviceId([4; 16]),
        batch: BatchId([batch; 16]),
        bytes: Some(vec![bytes].into()),
        heads: None,
    };
    let mut log = Log { entries: vec![entry(1, 1), entry(2, 2), entry(2, 3)], ..Log::default() };
    for (at, entry) in log.entries.iter().enumerate() {
        log.batches.insert((document, entry.batch), at);
    }
    let acknowledged = |batch: u8, changes: &[u8], position: u64| Acknowledged {
        batch: BatchId([batch; 16]),
        document,
        changes: changes.iter().map(|change| vec![*change].into()).collect(),
        at: LogPosition { epoch, position: Position(position) },
    };
    log.check(&acknowledged(1, &[1], 1)).expect("it is there");
    log.check(&acknowledged(2, &[2, 3], 3)).expect("it is there");
    for (lost, why) in [
        (acknowledged(3, &[4], 4), "is lost"),
        (acknowledged(2, &[2, 3], 4), "was acknowledged at"),
        (acknowledged(2, &[2, 4], 3), "another change"),
        (acknowledged(2, &[1, 2, 3], 3), "another change"),
    ] {
        let error = log.check(&lost).expect_err(why);
        assert!(error.to_string().contains(why), "{error}");
    }
}
