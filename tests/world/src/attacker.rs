//! A program that breaks every rule it can think of. Its credentials are good: its account may read and write the
//! team's space, and has a personal space that nobody else uses.
//!
//! Like the other program without a vault, its frames take no time and are never lost. What it sends is its own
//! business; what becomes of it must be nobody else's, unless the rules call it an edit like any other.

mod attacks; // what it sends
mod offers; // entries that no log ever had

use std::collections::{BTreeMap, BTreeSet};

use document::Change;
use sync_wire::limits::WIRE_VERSION;
use sync_wire::{
    Actor, BatchId, Blob, ChangeHash, Content, DeviceFrame, DeviceId, DocumentId, Entry, Grant, Hello, Push,
    RelayFrame, SpaceId, VersionRange, encode_device_frame,
};

use crate::rng::Rng;

/// Frames that it remembers, and says again.
const REMEMBERED_MAX: usize = 150;

/// The program.
#[derive(Debug)]
pub struct Attacker {
    device: DeviceId,
    /// Where honest devices write as well.
    team: SpaceId,
    /// Its own personal space.
    own: SpaceId,
    /// Spaces of others, in which it may do nothing.
    closed: Vec<SpaceId>,
    /// The team's documents, as it knows them.
    documents: BTreeMap<DocumentId, Known>,
    /// The lane that the relay hears next, by document, on this connection.
    lanes: BTreeMap<(SpaceId, DocumentId), u32>,
    /// The team's log, as the relay said when it greeted last.
    log: Option<Grant>,
    /// Frames as they were sent, the oldest first.
    said: Vec<Vec<u8>>,
    rng: Rng,
}

/// What it knows of a document.
#[derive(Debug, Default)]
struct Known {
    changes: Vec<Change>,
    hashes: BTreeSet<ChangeHash>,
    heads: BTreeSet<ChangeHash>,
    max_op: u64,
    /// Who pushed, and in which batches.
    devices: Vec<DeviceId>,
    batches: Vec<BatchId>,
}

impl Attacker {
    /// A program with these spaces.
    #[must_use]
    pub fn make(team: SpaceId, own: SpaceId, closed: Vec<SpaceId>, mut rng: Rng) -> Self {
        let device = DeviceId(id(&mut rng));
        let (documents, lanes, said) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { device, team, own, closed, documents, lanes, log: None, said, rng }
    }

    /// Under which device its changes are in a log.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// The first frame of a connection.
    pub fn greet(&mut self) -> Vec<u8> {
        self.lanes.clear();
        let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
        let hello = Hello {
            versions,
            device: self.device,
            agent: "honest, really".to_owned(),
            cursors: Vec::new(),
            attempt: None,
        };
        encode_device_frame(&DeviceFrame::Hello(hello))
    }

    /// The frames of its next attack.
    pub fn attack(&mut self) -> Vec<Vec<u8>> {
        let attack = attacks::ALL[self.rng.index(attacks::ALL.len())];
        let frames = attack(self);
        self.said.extend(frames.iter().cloned());
        let too_many = self.said.len().saturating_sub(REMEMBERED_MAX);
        self.said.drain(..too_many);
        frames
    }

    /// Every frame that it remembers.
    #[must_use]
    pub fn repeat(&self) -> Vec<Vec<u8>> {
        self.said.clone()
    }

    /// Learns from what it is told.
    pub fn hear(&mut self, frame: &RelayFrame) {
        match frame {
            RelayFrame::Deliver(deliver) if deliver.space == self.team => {
                deliver.entries.iter().for_each(|entry| self.learn(entry));
            }
            RelayFrame::Bootstrap(bootstrap) if bootstrap.space == self.team => {
                let entries = bootstrap.documents.iter().flat_map(|document| &document.entries);
                entries.for_each(|positioned| self.learn(&positioned.entry));
            }
            RelayFrame::Welcome(welcome) => {
                self.log = welcome.grants.iter().find(|grant| grant.space == self.team).cloned();
            }
            RelayFrame::Refuse(refuse) => self.begin_lane(refuse.space, refuse.document),
            RelayFrame::Park(park) => self.begin_lane(park.space, park.document),
            RelayFrame::Need(need) => self.begin_lane(need.space, need.document),
            _ => {}
        }
    }

    fn begin_lane(&mut self, space: SpaceId, document: DocumentId) {
        *self.lanes.entry((space, document)).or_default() += 1;
    }

    fn learn(&mut self, entry: &Entry) {
        let Some(Ok(change)) = entry.bytes.clone().map(Change::parse) else { return };
        let known = self.documents.entry(entry.document).or_default();
        if !known.hashes.insert(change.hash()) {
            return;
        }
        for dep in &change.header.deps {
            known.heads.remove(dep);
        }
        known.heads.insert(change.hash());
        known.max_op = known.max_op.max(change.header.max_op());
        known.devices.push(entry.device);
        known.batches.push(entry.batch);
        known.changes.push(change);
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill(&mut bytes);
        bytes
    }

    /// A name that nobody else has.
    fn actor(&mut self) -> Actor {
        Actor(id(&mut self.rng))
    }

    fn push(&mut self, space: SpaceId, document: DocumentId, changes: Vec<Blob>) -> Vec<u8> {
        let batch = BatchId(self.bytes());
        self.push_as(space, document, batch, Content::Changes(changes))
    }

    fn push_as(&self, space: SpaceId, document: DocumentId, batch: BatchId, content: Content) -> Vec<u8> {
        let lane = self.lanes.get(&(space, document)).copied().unwrap_or(0);
        encode_device_frame(&DeviceFrame::Push(Push { space, document, lane, batch, content }))
    }
}

/// An id that begins as no seed's actor does.
fn id(rng: &mut Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    bytes[0] = 2;
    bytes
}
