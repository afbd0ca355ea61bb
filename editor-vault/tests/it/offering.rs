//! A relay that lost the end of a log: what a vault gives back to it, and that it loses nothing itself.

mod inside; // what is nowhere but within a snapshot
mod names; // those that a copy has meanwhile
mod repairs; // those that the log has lost

use std::collections::VecDeque;

use editor_vault::simulation::{InlineSync, Step};
use editor_vault::{Connection, Vault};
use sync_core::client::Input;
use sync_wire::log::{EntryIdentity, EntryKind, Receipt};
use sync_wire::*;

use crate::house::TAB_SIZE;
use crate::inline::sight::Sight;

const SPACE: SpaceId = SpaceId([0x51; 16]);
const SALT: Salt = Salt([7; 32]);
const DEVICE: DeviceId = DeviceId([0xdd; 16]);
const EPOCH: Epoch = Epoch([1; 8]);

fn receipt(position: u64) -> Receipt {
    Receipt { key: 3, mac: [position as u8; 32] }
}

/// A relay played by hand: the log as it was, and the connection.
struct Hand {
    sync: InlineSync,
    /// Of the space.
    kind: SpaceKind,
    log: Vec<Entry>,
    chains: Vec<Chain>,
    sent: VecDeque<DeviceFrame>,
}

impl Hand {
    fn new(vault: &Vault) -> Self {
        let sync = InlineSync::new(vault, &Connection::new("http://relay").token("ada"));
        Self { sync, kind: SpaceKind::Personal, log: Vec::new(), chains: vec![Chain::START], sent: VecDeque::new() }
    }

    fn feed(&mut self, input: Input) {
        let Self { sync, sent, .. } = self;
        sync.handle(input, &mut |step| {
            if let Step::Send(frame) = step {
                sent.push_back(frame);
            }
        });
    }

    fn say(&mut self, frame: RelayFrame) {
        self.feed(Input::Frame(frame));
    }

    /// Connects anew; the cursors that the vault says hello with.
    fn connect(&mut self) -> Vec<Cursor> {
        self.feed(Input::Stop);
        self.sent.clear();
        self.feed(Input::Start);
        self.feed(Input::Connected);
        match self.sent.pop_front() {
            Some(DeviceFrame::Hello(hello)) => hello.cursors,
            other => panic!("expected Hello, got {other:?}"),
        }
    }

    fn grant(&self, end: LogPosition, resume: Resume) -> Grant {
        Grant {
            space: SPACE,
            kind: self.kind,
            role: Role::Owner,
            name: "ada".into(),
            salt: SALT,
            access_version: 1,
            end,
            resume,
        }
    }

    fn welcome(&mut self, end: LogPosition, resume: Resume) {
        let grants = vec![self.grant(end, resume)];
        self.say(RelayFrame::Welcome(Welcome { version: 1, account: AccountId([5; 16]), grants, limits_version: 1 }));
    }

    fn pushed(&mut self) -> Vec<Push> {
        let sent = std::mem::take(&mut self.sent);
        sent.into_iter()
            .filter_map(|frame| if let DeviceFrame::Push(push) = frame { Some(push) } else { None })
            .collect()
    }

    /// Adds an entry to the log.
    fn append(&mut self, entry: Entry) {
        let Entry { kind, document, hash, device, batch, .. } = entry;
        let digest = EntryIdentity { kind, document, hash, device, batch }.digest(&SALT);
        self.chains.push(self.chains.last().unwrap().extend(&digest));
        self.log.push(entry);
    }

    /// Excludes the changes of entries as a repair does, with what follows from that.
    fn void(&mut self, at: &[usize]) {
        let document = self.log[at[0]].document;
        let excluded: Vec<ChangeHash> = at.iter().map(|at| self.log[*at].hash).collect();
        let of_it = self.log.iter().filter(|entry| entry.document == document && entry.kind == EntryKind::Change);
        let changes = of_it.map(|entry| document::Change::parse(entry.bytes.clone().unwrap()).unwrap());
        let mended = document::mend(&excluded, &changes.collect::<Vec<_>>(), |_| None);
        let payload = mended.void.encode();
        let batch = Void::batch(&payload, SPACE, document);
        let hash = Void::hash(&payload, SPACE, document, batch);
        let (kind, device) = (EntryKind::Void, DeviceId([0; 16]));
        self.append(Entry { kind, document, hash, device, batch, bytes: Some(payload), heads: None });
        for change in mended.replacements {
            let (kind, hash, bytes) = (EntryKind::Change, change.hash(), Some(change.bytes));
            self.append(Entry { kind, document, hash, device: DEVICE, batch, bytes, heads: None });
        }
    }

    /// Edits the settings on another device, upon all that is in the log; gives how many changes that are.
    fn edit_elsewhere(&mut self, values: &[i64]) -> usize {
        let (mut settings, id) = (document::Document::new(Some("settings")), self.log[0].document);
        let changes: Vec<Blob> = self.log.iter().filter_map(|entry| entry.bytes.clone()).collect();
        settings.apply(&changes).unwrap();
        let before = self.log.len();
        for value in values {
            let put = |draft: &mut document::Draft<'_>| draft.put(TAB_SIZE, (*value).into());
            settings.edit::<_, document::Violation>(Actor([9; 16]), put).unwrap();
            for change in settings.seal(1_700_000_000).unwrap().unwrap().changes {
                let (kind, hash, device) = (EntryKind::Change, change.hash(), DeviceId([9; 16]));
                let (batch, bytes) = (BatchId(hash.0[..16].try_into().unwrap()), Some(change.bytes));
                self.append(Entry { kind, document: id, hash, device, batch, bytes, heads: None });
            }
        }
        self.log.len() - before
    }

    /// Appends what was pushed, if the log lacks it, and acknowledges it.
    fn ack(&mut self, push: &Push) {
        let Content::Changes(changes) = &push.content else { panic!("a change") };
        for bytes in changes {
            let hash = document::Change::parse(bytes.clone()).unwrap().hash();
            let entry = Entry {
                kind: EntryKind::Change,
                document: push.document,
                hash,
                device: DEVICE,
                batch: push.batch,
                bytes: Some(bytes.clone()),
                heads: None,
            };
            if self.log.iter().all(|known| known.hash != hash) {
                self.append(entry);
            }
        }
        let at = Some(place(EPOCH, self.log.len() as u64));
        let (space, document, batch) = (push.space, push.document, push.batch);
        self.say(RelayFrame::Ack(Ack { space, document, batch, at, proof: None }));
    }

    /// Delivers what follows a place, one entry at a time.
    fn deliver(&mut self, epoch: Epoch, after: usize) {
        for at in after..self.log.len() {
            let (entries, chain) = (vec![self.log[at].clone()], self.chains[at + 1]);
            let (after, receipt) = (place(epoch, at as u64), receipt(at as u64 + 1));
            self.say(RelayFrame::Deliver(Deliver { space: SPACE, after, entries, chain, receipt }));
        }
    }

    /// What is pushed at once, before the vault hears what the relay lacks.
    fn pushed_before_the_offer(&mut self) -> Vec<Push> {
        let mut pushed = Vec::new();
        self.sent.retain(|frame| match frame {
            DeviceFrame::Push(push) => {
                pushed.push(push.clone());
                false
            }
            _ => true,
        });
        pushed
    }

    /// The next part of the vault's offer.
    fn offered(&mut self) -> OfferPart {
        loop {
            match self.sent.pop_front() {
                Some(DeviceFrame::Offer(offer)) => return offer.part,
                Some(_) => {}
                None => panic!("nothing is offered"),
            }
        }
    }

    fn want(&mut self, after: u64) {
        self.say(RelayFrame::Wanted(Wanted { space: SPACE, after: Position(after), taken: 0 }));
    }

    fn from(&mut self, epoch: Epoch, at: u64) {
        let resume = Resume::From { at: Position(at), chain: self.chains[at as usize] };
        let grant = Some(self.grant(place(epoch, at), resume));
        self.say(RelayFrame::GrantChanged(GrantChanged { space: SPACE, grant }));
    }
}

fn place(epoch: Epoch, position: u64) -> LogPosition {
    LogPosition { epoch, position: Position(position) }
}

fn put(vault: &Vault, value: i64) {
    vault.well_known("settings").unwrap().edit(|draft| draft.put(TAB_SIZE, value.into())).unwrap();
}

/// A vault whose three edits are in the log, delivered, and settled.
fn settled(vault: &Vault) -> Hand {
    for value in 1..=3 {
        put(vault, value);
    }
    settle(vault)
}

/// The same of what was written there.
fn settle(vault: &Vault) -> Hand {
    let mut hand = Hand::new(vault);
    assert_eq!(hand.connect(), []);
    hand.welcome(place(EPOCH, 0), Resume::Bootstrap { at: Position(0), chain: Chain::START });
    let pushed = hand.pushed();
    assert!(!pushed.is_empty());
    for push in &pushed {
        hand.ack(push);
    }
    hand.deliver(EPOCH, 0);
    let end = hand.log.len() as u64;
    assert_eq!(hand.connect()[0].at, place(EPOCH, end));
    hand
}

#[test]
fn a_vault_gives_back_what_it_was_delivered_with_the_receipts() {
    let sight = Sight::new(1);
    let vault = sight.open("a");
    let mut hand = settled(&vault);
    let end = hand.log.len() as u64;
    hand.welcome(place(EPOCH, 1), Resume::Offer);
    let OfferPart::Checkpoints(checkpoints) = hand.offered() else { panic!("checkpoints first") };
    let expected: Vec<Checkpoint> = (1..=end)
        .map(|position| Checkpoint { position: Position(position), chain: hand.chains[position as usize] })
        .collect();
    assert_eq!(checkpoints, expected);
    hand.want(1);
    for at in 1..end {
        let OfferPart::Run(run) = hand.offered() else { panic!("a run") };
        assert_eq!((run.after.0, run.upto.0, run.epoch), (at, at + 1, EPOCH));
        assert_eq!(run.entries, [hand.log[at as usize].clone()]);
        let (before, chain) = (hand.chains[at as usize], hand.chains[at as usize + 1]);
        assert_eq!(run.voucher, Some(Voucher { before, chain, receipt: receipt(at + 1) }));
        hand.want(at + 1);
    }
    assert_eq!(hand.offered(), OfferPart::Done);
    hand.from(EPOCH, end);
    assert!(hand.sync.status().is_settled(), "{:?}", hand.sync.status());
    assert_eq!(hand.pushed(), [], "all of it is where it was");
}

fn snapshot(of: &document::Document, end: u64) -> SnapshotPart {
    let snapshot = of.snapshot().unwrap();
    SnapshotPart {
        covers: Position(end),
        heads: snapshot.heads,
        changes: snapshot.changes,
        digest: snapshot.digest,
        total_bytes: snapshot.bytes.len() as u64,
        offset: 0,
        bytes: snapshot.bytes,
        voids: None,
    }
}

/// A vault is new, and gets all that is in the log within a snapshot.
fn begin_with_all(hand: &mut Hand, vault: &Vault) {
    let (id, end) = (vault.well_known("settings").unwrap().id(), hand.log.len() as u64);
    let mut whole = document::Document::new(None);
    whole.apply(&hand.log.iter().filter_map(|entry| entry.bytes.clone()).collect::<Vec<_>>()).unwrap();
    assert_eq!(hand.connect(), []);
    let (at, chain) = (place(EPOCH, end), *hand.chains.last().unwrap());
    hand.welcome(at, Resume::Bootstrap { at: at.position, chain });
    let snapshot = Some(snapshot(&whole, end));
    let documents = vec![BootstrapDocument { document: id, snapshot, entries: Vec::new(), complete: true }];
    let receipt = Some(receipt(end));
    hand.say(RelayFrame::Bootstrap(Bootstrap { space: SPACE, at, documents, done: true, receipt }));
}

/// What a new device gets of a repaired document: a snapshot that names the void, and of the entries those that pass.
fn begin_with(hand: &mut Hand, vault: &Vault, passes: fn(&Entry) -> bool) {
    let (document, end) = (vault.well_known("settings").unwrap().id(), hand.log.len() as u64);
    let void = hand.log.iter().find(|entry| entry.kind == EntryKind::Void).unwrap().clone();
    let excluded: Vec<ChangeHash> = Void::decode(void.bytes.as_ref().unwrap()).unwrap().changes().collect();
    let counts = |entry: &&Entry| entry.kind == EntryKind::Change && !excluded.contains(&entry.hash);
    let mut whole = document::Document::new(None);
    whole.apply(&hand.log.iter().filter(counts).filter_map(|entry| entry.bytes.clone()).collect::<Vec<_>>()).unwrap();
    let part = SnapshotPart { voids: Some(vec![void.hash]), ..snapshot(&whole, end) };
    assert_eq!(hand.connect(), []);
    let chain = *hand.chains.last().unwrap();
    hand.welcome(place(EPOCH, end), Resume::Bootstrap { at: Position(end), chain });
    let positioned = (1..).map(Position).zip(hand.log.iter().cloned());
    let entries = positioned.filter(|(_, entry)| passes(entry));
    let entries = entries.map(|(position, entry)| PositionedEntry { position, entry }).collect();
    let first = BootstrapDocument { document, snapshot: Some(part), entries: Vec::new(), complete: false };
    let last = BootstrapDocument { document, snapshot: None, entries, complete: true };
    for (documents, done) in [(vec![first], false), (vec![last], true)] {
        hand.say(RelayFrame::Bootstrap(Bootstrap {
            space: SPACE,
            at: place(EPOCH, end),
            documents,
            done,
            receipt: None,
        }));
    }
}

#[test]
fn what_came_with_a_bootstrap_is_given_back_with_its_receipt_and_so_is_what_came_after_it() {
    let sight = Sight::new(8);
    let log = settled(&sight.open("a"));
    let vault = sight.open("b");
    let mut hand = Hand::new(&vault);
    (hand.log, hand.chains) = (log.log.clone(), log.chains.clone());
    let (begun, document) = (hand.log.len() - 1, vault.well_known("settings").unwrap().id());
    assert_eq!(hand.connect(), []);
    let (at, chain) = (place(EPOCH, begun as u64), hand.chains[begun]);
    hand.welcome(at, Resume::Bootstrap { at: at.position, chain });
    let positioned = (1..).map(Position).zip(hand.log[..begun].iter().cloned());
    let entries = positioned.map(|(position, entry)| PositionedEntry { position, entry }).collect();
    let whole = BootstrapDocument { document, snapshot: None, entries, complete: true };
    let word = Some(receipt(begun as u64));
    hand.say(RelayFrame::Bootstrap(Bootstrap { space: SPACE, at, documents: vec![whole], done: true, receipt: word }));
    hand.deliver(EPOCH, begun);
    assert!(hand.sync.status().is_settled(), "{:?}", hand.sync.status());

    hand.sent.clear();
    hand.connect();
    hand.welcome(place(EPOCH, 0), Resume::Offer);
    let OfferPart::Checkpoints(checkpoints) = hand.offered() else { panic!("checkpoints first") };
    assert_eq!(checkpoints.iter().map(|it| it.position.0 as usize).collect::<Vec<_>>(), [begun, begun + 1]);
    for (from, upto) in [(0, begun), (begun, begun + 1)] {
        hand.want(from as u64);
        let OfferPart::Run(run) = hand.offered() else { panic!("a run") };
        assert_eq!(run.entries, hand.log[from..upto]);
        let (before, chain, receipt) = (hand.chains[from], hand.chains[upto], receipt(upto as u64));
        assert_eq!(run.voucher, Some(Voucher { before, chain, receipt }));
    }
}

#[test]
fn a_snapshot_whose_voids_do_not_come_with_it_is_not_believed_and_the_entries_come_instead() {
    let sight = Sight::new(7);
    let mut log = settled(&sight.open("a"));
    log.void(&[log.log.len() - 2]);
    let new_device = |name: &str| {
        let vault = sight.open(name);
        let mut hand = Hand::new(&vault);
        (hand.log, hand.chains) = (log.log.clone(), log.chains.clone());
        (vault, hand)
    };
    let (vault, mut hand) = new_device("with them");
    let is_new = |entry: &Entry| entry.kind == EntryKind::Void;
    begin_with(&mut hand, &vault, is_new);
    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(3.into()));
    assert!(hand.sync.status().is_settled(), "{:?}", hand.sync.status());

    let (vault, mut hand) = new_device("without");
    begin_with(&mut hand, &vault, |_| false);
    assert!(!hand.sync.status().is_settled());
    let cursors = hand.connect();
    assert_eq!((cursors[0].at.position, cursors[0].bootstrap), (Position::START, None), "the log from its beginning");
    hand.welcome(place(EPOCH, hand.log.len() as u64), Resume::Continue);
    let (entries, chain) = (hand.log.clone(), *hand.chains.last().unwrap());
    let (after, receipt) = (place(EPOCH, 0), receipt(entries.len() as u64));
    hand.say(RelayFrame::Deliver(Deliver { space: SPACE, after, entries, chain, receipt }));
    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(3.into()));
    assert_eq!(vault.verify().unwrap(), []);
}

#[test]
fn the_cursor_stays_until_the_offer_is_done() {
    let sight = Sight::new(2);
    let vault = sight.open("a");
    let mut hand = settled(&vault);
    let end = hand.log.len() as u64;
    hand.welcome(place(EPOCH, 1), Resume::Offer);
    hand.want(1);
    assert_eq!(hand.connect()[0].at, place(EPOCH, end), "the link broke");
    hand.welcome(place(EPOCH, 1), Resume::Offer);
    assert!(matches!(hand.offered(), OfferPart::Checkpoints(_)));
}

#[test]
fn what_the_relay_does_not_take_back_is_pushed_again_and_stays_in_the_vault() {
    let sight = Sight::new(3);
    let vault = sight.open("a");
    let mut hand = settled(&vault);
    let pushed: Vec<BatchId> = hand.log.iter().map(|entry| entry.batch).collect();
    hand.welcome(place(EPOCH, 0), Resume::Offer);
    hand.sent.clear();
    let new = Epoch([2; 8]);
    hand.from(new, 0); // an empty log, of another life
    let again: Vec<BatchId> = hand.pushed().iter().map(|push| push.batch).collect();
    assert_eq!(again, pushed);
    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(3.into()));
    hand.deliver(new, 0);
    assert_eq!(hand.connect()[0].at, place(new, pushed.len() as u64), "and it goes on in the new epoch");
    assert_eq!(hand.pushed(), []);
}

#[test]
fn an_acknowledged_batch_that_the_log_ends_before_is_pushed_again() {
    let sight = Sight::new(4);
    let vault = sight.open("a");
    let mut hand = settled(&vault);
    let end = hand.log.len() as u64;
    hand.welcome(place(EPOCH, end), Resume::Continue);
    put(&vault, 4);
    hand.feed(Input::Saved);
    let push = hand.pushed().pop().unwrap();
    hand.ack(&push);
    hand.connect(); // it was never delivered
    assert_eq!(hand.pushed(), [], "the relay may have it");
    hand.welcome(place(EPOCH, end), Resume::Continue);
    assert_eq!(hand.pushed().iter().map(|push| push.batch).collect::<Vec<_>>(), [push.batch]);
}

#[test]
fn an_acknowledged_batch_that_a_delivery_passes_over_is_pushed_again() {
    let sight = Sight::new(5);
    let vault = sight.open("a");
    let mut hand = settled(&vault);
    let end = hand.log.len();
    hand.welcome(place(EPOCH, end as u64), Resume::Continue);
    put(&vault, 4);
    hand.feed(Input::Saved);
    let push = hand.pushed().pop().unwrap();
    hand.ack(&push);
    hand.log.pop();
    hand.chains.pop();
    // Somebody else's marker is in its place.
    let (document, batch, heads) = (push.document, BatchId([9; 16]), Vec::new());
    let hash = log::marker_hash(EntryKind::Restore, SPACE, document, batch, &heads);
    let entry = Entry { kind: EntryKind::Restore, document, hash, device: DEVICE, batch, bytes: None, heads: None };
    let digest = EntryIdentity { kind: entry.kind, document, hash, device: DEVICE, batch }.digest(&SALT);
    hand.chains.push(hand.chains.last().unwrap().extend(&digest));
    hand.log.push(entry);
    hand.deliver(EPOCH, end);
    assert_eq!(hand.pushed().iter().map(|push| push.batch).collect::<Vec<_>>(), [push.batch]);
    assert_eq!(vault.well_known("settings").unwrap().get(TAB_SIZE).unwrap(), Some(4.into()));
}
