//! The relay: killed under load, and while it starts. Everything that it acknowledged is in the log that a fresh device
//! reads from the beginning: dense, once, byte for byte, and with the chain of digests that it says.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sync_wire::log::{EntryIdentity, EntryKind};
use sync_wire::{
    BatchId, Chain, ChangeHash, Confirm, Cursor, Deliver, DeviceFrame, DeviceId, DocumentId, Entry, Epoch, Grant,
    LogPosition, Position, RelayFrame, Resume,
};
use system_tests::{Chance, Programs, Relay};

use super::client::{Acknowledged, Client, Connection, Ended, Ledger};
use super::{Tally, kills, report};
use crate::world::odd_directory;

/// Kills of one relay; then the next one begins with an empty directory.
const KILLS_EACH: u64 = 20;
const CLIENTS: u8 = 4;

#[test]
fn nothing_that_a_relay_acknowledged_is_lost_by_kill_9() -> Result<()> {
    let (wanted, mut chance) = (kills("KILL_RELAY")?, super::chance()?);
    let mut tally = Tally { what: "relay", seed: chance.seed(), kills: 0, checked: 0 };
    while tally.kills < wanted {
        let end = wanted.min(tally.kills + KILLS_EACH);
        let begun = tally.kills;
        one_relay(begun, &mut chance, &mut tally, end).with_context(|| format!("{tally} so far"))?;
    }
    report(&tally)
}

/// Kills one relay until there were `end` kills.
fn one_relay(place: u64, chance: &mut Chance, tally: &mut Tally, end: u64) -> Result<()> {
    let directory = odd_directory()?;
    let data = directory.path().join("relay data");
    // It is killed from outside, within milliseconds of its start as well: no check is to blame for that.
    std::fs::create_dir(&data)?;
    std::fs::write(data.join("config.toml"), "[check]\nattempts_max = 255\n")?;
    let mut relay = Relay::start(&Programs::beside_this_executable()?, &data)?;
    let ada = relay.account("ada")?;
    let mut clients: Vec<Client> = (1..=CLIENTS).map(|number| Client::new(place, number, &ada.token)).collect();
    let (ledger, mut reader) = (Ledger::default(), Reader::new(place, &ada.token));
    while tally.kills < end {
        live_and_die(&mut relay, &mut clients, &ledger, chance)?;
        tally.kills += 1;
        if tally.kills < end && chance.below(8) == 0 {
            relay.start_and_kill_after(chance.micros_below(40_000))?;
            tally.kills += 1;
        }
        relay.start_again()?;
        reader.check(&relay, &ledger)?;
    }
    let said = relay.admin(&["verify"])?;
    ensure!(said.ends_with("nothing is wrong"), "verify says {said}");
    tally.checked += ledger.count.load(Ordering::Acquire);
    Ok(())
}

/// One life of the relay, under the load of all clients.
fn live_and_die(relay: &mut Relay, clients: &mut [Client], ledger: &Ledger, chance: &mut Chance) -> Result<()> {
    let address = relay.address();
    let before = ledger.count.load(Ordering::Acquire);
    let (acks, pause) = match chance.below(3) {
        0 => (0, chance.micros_below(30_000)),
        _ => (1 + chance.below(150), chance.micros_below(3_000)),
    };
    std::thread::scope(|scope| {
        let pushing: Vec<_> =
            clients.iter_mut().map(|client| scope.spawn(|| client.push_until_the_end(address, ledger))).collect();
        let began = Instant::now();
        let is_enough = || ledger.count.load(Ordering::Acquire) >= before + acks;
        while !is_enough() && !pushing.iter().all(|client| client.is_finished()) {
            if began.elapsed() > Duration::from_secs(20) {
                break; // The clients below say what happened.
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let has_stalled = !is_enough();
        std::thread::sleep(pause);
        relay.kill();
        for client in pushing {
            if let Ended::Wrong(error) = client.join().expect("no client panics") {
                return Err(error.context(relay.logged()));
            }
        }
        ensure!(!has_stalled, "no {acks} acks within 20 seconds; the relay logged:\n{}", relay.logged());
        Ok(())
    })
}

/// Reads the whole log as devices that have never been there.
struct Reader {
    place: u64,
    token: String,
    devices: u64,
    epoch: Option<Epoch>,
}

impl Reader {
    fn new(place: u64, token: &str) -> Self {
        Self { place, token: token.to_owned(), devices: 0, epoch: None }
    }

    fn check(&mut self, relay: &Relay, ledger: &Ledger) -> Result<()> {
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

    fn read(&mut self, relay: &Relay) -> Result<Log> {
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
struct Log {
    entries: Vec<Entry>,
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
