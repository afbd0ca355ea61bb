//! Another program that speaks the protocol: it has no vault, pushes batches of several changes, and repeats itself.
//! Some of these programs have a fault: at last they push a change that no document can hold, and honest ones.
//!
//! Its frames take no time and are never lost; what can happen to it is that the relay ends under its hands.

use sync_wire::limits::WIRE_VERSION;
use sync_wire::{Actor, BatchId, Blob, Content, DeviceFrame, DeviceId, DocumentId, Hello, Push, SpaceId, VersionRange};

use document::forge::poison::{Ground, Poison};
use document::forge::{Forged, put};
use document::{Change, Document, Violation};

use crate::rng::Rng;

/// Changes of one batch.
const CHANGES_MIN: u64 = 2;
const CHANGES_MAX: u64 = 4;

/// The program.
#[derive(Debug)]
pub struct Foreign {
    device: DeviceId,
    actor: Actor,
    space: SpaceId,
    id: DocumentId,
    document: Document,
    /// All that it ever pushed, in order; the first so many are acked.
    batches: Vec<(BatchId, Vec<Blob>)>,
    acked: usize,
    /// Whether it will spoil its document, and whether it has.
    fault: Fault,
    rng: Rng,
}

/// Whether the program is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Latent,
    /// It stops there: nobody can go on from what it has.
    Shown,
}

/// Poison that passes everything but the check.
const POISON: [&str; 4] = ["E", "F", "F2", "K2"];

impl Foreign {
    /// A program that writes one document of a space.
    #[must_use]
    pub fn make(space: SpaceId, mut rng: Rng) -> Self {
        let mut bytes = || {
            let mut bytes = [0; 16];
            rng.fill(&mut bytes);
            bytes[0] = 1; // as no seed's actor begins
            bytes
        };
        let (device, actor, id) = (DeviceId(bytes()), Actor(bytes()), DocumentId(bytes()));
        let fault = if rng.chance(0.5) { Fault::Latent } else { Fault::None };
        Self { fault, device, actor, space, id, document: Document::new(None), batches: Vec::new(), acked: 0, rng }
    }

    /// What it says on its next connection: a greeting, and what is not acked; at times something that is.
    ///
    /// # Errors
    /// If its own document refuses an edit.
    pub fn speak(&mut self, unix_seconds: i64) -> anyhow::Result<Vec<DeviceFrame>> {
        if self.acked == self.batches.len() && self.fault != Fault::Shown {
            self.write(unix_seconds)?;
        }
        let again = if self.rng.chance(0.3) { 0 } else { self.acked };
        let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
        let hello =
            Hello { versions, device: self.device, agent: "foreign".to_owned(), cursors: Vec::new(), attempt: None };
        let pushes = self.batches[again..].iter().map(|(batch, changes)| {
            let content = Content::Changes(changes.clone());
            DeviceFrame::Push(Push { space: self.space, document: self.id, lane: 0, batch: *batch, content })
        });
        Ok(std::iter::once(DeviceFrame::Hello(hello)).chain(pushes).collect())
    }

    /// A batch is in the log.
    pub fn acked(&mut self, batch: BatchId) {
        if self.batches.get(self.acked).is_some_and(|(id, _)| *id == batch) {
            self.acked += 1;
        }
    }

    /// The document that it has spoiled, if it has.
    #[must_use]
    pub fn spoiled(&self) -> Option<(SpaceId, DocumentId)> {
        (self.fault == Fault::Shown).then_some((self.space, self.id))
    }

    /// The relay may have lost what it acked, and this program keeps no account of that: it says all of it again.
    pub fn begin_again(&mut self) {
        self.acked = 0;
    }

    /// Its document.
    #[must_use]
    pub const fn document(&self) -> DocumentId {
        self.id
    }

    /// Whether something is not acked.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.acked < self.batches.len()
    }

    fn write(&mut self, unix_seconds: i64) -> anyhow::Result<()> {
        let mut changes = Vec::new();
        for _ in 0..self.rng.between(CHANGES_MIN, CHANGES_MAX) {
            let (path, value) = (format!("/field{}", self.rng.below(3)), self.rng.draw() >> 16);
            self.document.edit::<_, Violation>(self.actor, |draft| draft.put(&path, value.into()))?;
            let sealed = self.document.seal(unix_seconds)?;
            changes.extend(sealed.into_iter().flat_map(|sealed| sealed.changes).map(|change| change.bytes));
        }
        if self.fault == Fault::Latent && !self.batches.is_empty() && self.rng.chance(0.5) {
            changes.extend(self.spoil()?);
            self.fault = Fault::Shown;
        }
        let mut batch = [0; 16];
        self.rng.fill(&mut batch);
        self.batches.push((BatchId(batch), changes));
        Ok(())
    }

    /// Poison on top of its document, and edits upon that which touch nothing of it.
    fn spoil(&mut self) -> anyhow::Result<Vec<Blob>> {
        let mut actors = [[0; 16]; 2];
        actors.iter_mut().for_each(|actor| self.rng.fill(actor));
        let [attacker, upon] = actors.map(|mut actor| {
            actor[0] = 1;
            Actor(actor)
        });
        let (heads, max_op) = (self.document.heads(), self.document.max_op());
        spoil(&Ground { author: self.actor, attacker, heads, max_op }, upon, &mut self.rng)
    }
}

/// A change that no document can hold, and honest ones of another name upon it, which touch nothing of it.
///
/// # Errors
/// If the poison cannot be parsed.
pub fn spoil(ground: &Ground, upon: Actor, rng: &mut Rng) -> anyhow::Result<Vec<Blob>> {
    let poison = Poison::of(POISON[rng.index(POISON.len())]);
    let mut changes = (poison.make)(ground);
    for seq in 1..=rng.between(1, 3) {
        let below = Change::parse(changes[changes.len() - 1].clone())?;
        let ops = vec![put(&format!("/upon{seq}"), seq as i64)];
        changes.push(Forged::by(upon, seq, below.header.max_op() + 1, &[below.hash()], ops).blob());
    }
    Ok(changes)
}
