//! What an attacker sends: each kind costs one part of admission as much as one frame can, or is one of the changes
//! that once broke documents.

use automerge::ObjType;
use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use bytes::Bytes;
use document::forge::poison::{CORPUS, Ground, Poison};
use document::forge::{Data, Forged, chunk, deflated, hash, put, uleb};
use document::limits::OPS_MAX;
use sync_wire::limits::{BATCH_CHANGES_MAX, FRAME_BYTES_MAX, HASHES_MAX};
use sync_wire::{Actor, BatchId, Blob, ChangeHash, Content, DeviceFrame, DocumentId, Push, SpaceId};

/// Room of a frame for what is not its changes.
const ENVELOPE_BYTES: usize = 8 << 10;
/// So long a history that looking for an ancestor in it ends before its beginning.
const HISTORY: u64 = 4_100;
/// Actors whose only change is before that history.
const EARLY_ACTORS: u16 = 512;
/// Changes of the log on which those of a batch may rest.
const BATCH_DEPS: usize = 2_048;
/// Changes of which each has such an ancestor, in one frame.
const FAR_ANCESTORS: u16 = 256;

/// Frames of one kind.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Batches that are pushed one after the other; which of the variants is by number.
    variants: Vec<Vec<Content>>,
    place: Place,
}

/// Into which document they are pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Into a new one each time.
    New,
    /// Into the prepared one, in the attacker's personal space.
    Prepared,
}

/// An encoded push.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) batch: BatchId,
    pub(super) bytes: Bytes,
}

/// Numbers from here on are of frames that are measured by themselves.
pub(super) const ALONE: u64 = 1 << 32;
const PREPARED: DocumentId = DocumentId([0xaf; 16]);

impl Kind {
    fn new(name: &'static str, place: Place, variants: Vec<Vec<Content>>) -> Self {
        Self { name, variants, place }
    }

    /// Whether it is pushed into the team's space, or into the attacker's own.
    pub(super) fn is_for(&self, is_team: bool) -> bool {
        self.place == Place::New || !is_team
    }

    /// The frames with this number, which no others may have: of the first variant for numbers from [`ALONE`] on, of
    /// the others before.
    pub(super) fn frames(&self, space: SpaceId, number: u64) -> Vec<Sent> {
        let document = match self.place {
            Place::Prepared => PREPARED,
            Place::New => DocumentId([number.to_be_bytes(), [0xad; 8]].concat().try_into().unwrap_or([0xad; 16])),
        };
        let others = self.variants.len() as u64 - 1;
        let which = if number >= ALONE || others == 0 { 0 } else { 1 + number % others };
        let which = usize::try_from(which).unwrap_or_default();
        let batches = self.variants.get(which).into_iter().flatten().zip(0..);
        batches.map(|(content, part)| sent(space, document, (number, part), content.clone())).collect()
    }
}

fn sent(space: SpaceId, document: DocumentId, (number, part): (u64, u64), content: Content) -> Sent {
    let batch = [number.to_be_bytes(), part.to_be_bytes()].concat().try_into().map(BatchId);
    let batch = batch.unwrap_or(BatchId([0; 16]));
    let push = Push { space, document, lane: 0, batch, content };
    Sent { batch, bytes: sync_wire::encode_device_frame(&DeviceFrame::Push(push)).into() }
}

/// A document with a long history, in which an attacker's frames have something to look for.
pub(super) struct Prepared {
    early: Vec<(Actor, ChangeHash)>,
    history: Vec<Blob>,
    hashes: Vec<ChangeHash>,
}

impl Prepared {
    pub(super) fn new() -> Self {
        let author = Actor([0xa1; 16]);
        let first = Forged::by(author, 1, 1, &[], vec![put("k", 1)]).blob();
        let base = hash(&first);
        let (mut early, mut history, mut hashes) = (Vec::new(), vec![first], vec![base]);
        for number in 0..EARLY_ACTORS {
            let mut actor = Actor([0xa2; 16]);
            actor.0[1..3].copy_from_slice(&number.to_be_bytes());
            let change = Forged::by(actor, 1, 2, &[base], vec![put("early", 1)]).blob();
            early.push((actor, hash(&change)));
            history.push(change);
        }
        for seq in 2..HISTORY {
            let last = hashes.last().copied().unwrap_or(base);
            let change = Forged::by(author, seq, seq, &[last], vec![put("k", seq)]).blob();
            hashes.push(hash(&change));
            history.push(change);
        }
        Self { early, history, hashes }
    }

    /// The pushes that make it.
    pub(super) fn frames(&self, space: SpaceId) -> Vec<Sent> {
        let batches = self.history.chunks(BATCH_CHANGES_MAX).zip(1 << 40..);
        let batch =
            |(changes, number): (&[Blob], u64)| sent(space, PREPARED, (number, 0), Content::Changes(changes.to_vec()));
        batches.map(batch).collect()
    }

    fn tip(&self) -> ChangeHash {
        self.hashes.last().copied().unwrap_or(ChangeHash([0; 32]))
    }

    /// Changes that rest on as many others as one may; the last of them breaks a rule, so that none is taken.
    fn many_deps(&self, variant: u64) -> Vec<Content> {
        let mut deps: Vec<ChangeHash> = self.hashes.iter().rev().skip(1_000).take(BATCH_DEPS / 2).copied().collect();
        deps.sort_unstable();
        let fit = 2;
        let change = |number: u64| {
            let mut actor = Actor([0xa3; 16]);
            actor.0[1..9].copy_from_slice(&(variant << 8 | number).to_be_bytes());
            let seq = if number + 1 == fit { 9 } else { 1 };
            Forged::by(actor, seq, HISTORY - 900, &deps, vec![put("deps", number)]).blob()
        };
        vec![Content::Changes((0..fit).map(change).collect())]
    }

    /// Changes whose actors' own changes are so far back that they are not found; the last one as above.
    fn far_ancestors(&self, variant: u64) -> Vec<Content> {
        let tip = [self.tip()];
        let changes = self.early.iter().zip(1_u16..).take(FAR_ANCESTORS.into());
        let change = |((actor, _), number): (&(Actor, ChangeHash), u16)| {
            let seq = if number == FAR_ANCESTORS { 9 } else { 2 };
            Forged::by(*actor, seq, HISTORY, &tip, vec![put("far", variant)]).blob()
        };
        vec![Content::Changes(changes.map(change).collect())]
    }
}

/// All of them.
pub(super) fn all(prepared: &Prepared) -> Vec<Kind> {
    let poisons = CORPUS.iter().map(poison).collect();
    let several = |make: &dyn Fn(u64) -> Vec<Content>| (0..8).map(make).collect();
    vec![
        Kind::new("orphan", Place::New, vec![one(orphan())]),
        Kind::new("undecodable", Place::New, vec![one(vec![7; FRAME_BYTES_MAX - ENVELOPE_BYTES].into())]),
        Kind::new("poison", Place::New, poisons),
        Kind::new("nested", Place::New, vec![poison(&Poison::of("K"))]),
        Kind::new("expanding", Place::New, vec![expanding()]),
        Kind::new("many changes", Place::New, vec![many_changes()]),
        Kind::new("many operations", Place::New, vec![one(Data::run_of(OPS_MAX).chunk().into())]),
        Kind::new("long text", Place::New, vec![one(long_text())]),
        Kind::new("many deps", Place::Prepared, several(&|variant| prepared.many_deps(variant))),
        Kind::new("far ancestors", Place::Prepared, several(&|variant| prepared.far_ancestors(variant))),
        Kind::new("unknown heads", Place::Prepared, vec![vec![unknown_heads()]]),
    ]
}

fn one(change: Blob) -> Vec<Content> {
    vec![Content::Changes(vec![change])]
}

fn orphan() -> Blob {
    Forged::by(Actor([0xa4; 16]), 1, 100, &[ChangeHash([7; 32])], vec![put("x", 1)]).blob()
}

/// The document that it attacks, and the attack.
fn poison(poison: &Poison) -> Vec<Content> {
    let (ground, base) = Ground::make(Actor([0xa5; 16]), Actor([0xa6; 16]));
    vec![Content::Changes(vec![base]), Content::Changes((poison.make)(&ground))]
}

/// Small as they are sent, and as large as a change may be when they are expanded.
fn expanding() -> Vec<Content> {
    let text = vec![b'a'; document::limits::CHANGE_INFLATED_BYTES_MAX - 1024];
    let mut data = Data::run_of(1);
    let mut meta = vec![0x7f];
    uleb(&mut meta, (text.len() as u64) << 4 | 6);
    for (spec, column) in &mut data.columns {
        if *spec == 0x56 {
            column.clone_from(&meta);
        }
    }
    let after_meta = data.columns.iter().position(|(spec, _)| *spec > 0x56).unwrap_or(data.columns.len());
    data.columns.insert(after_meta, (0x57, text));
    data.actor = vec![0xa7; 16];
    let encoded = data.encode();
    let small: Blob = deflated(&chunk(1, &encoded), &encoded).into();
    let fit = (FRAME_BYTES_MAX - ENVELOPE_BYTES) / (small.len() + 16);
    vec![Content::Changes(vec![small; fit])]
}

fn many_changes() -> Vec<Content> {
    let mut deps = Vec::new();
    let changes = (1..=BATCH_CHANGES_MAX as u64).map(|seq| {
        let change = Forged::by(Actor([0xa8; 16]), seq, seq, &deps, vec![put("x", seq)]).blob();
        deps = vec![hash(&change)];
        change
    });
    vec![Content::Changes(changes.collect())]
}

/// A text of as many letters as one change may have operations.
fn long_text() -> Blob {
    let actor = Actor([0xa9; 16]);
    let name = |counter: u64| OpId::new(counter, &automerge::ActorId::from(actor.0));
    let make = Op { action: OpType::Make(ObjType::Text), obj: ObjectId::Root, ..put("t", 0) };
    let letter = |counter: u64| {
        let key = if counter == 2 { Key::head() } else { Key::Seq(ElementId::Id(name(counter - 1))) };
        Op { action: OpType::Put("h".into()), obj: ObjectId::Id(name(1)), key, pred: Vec::new().into(), insert: true }
    };
    let operations = std::iter::once(make).chain((2..=OPS_MAX).map(letter)).collect();
    Forged::by(actor, 1, 1, &[], operations).blob()
}

fn unknown_heads() -> Content {
    let head = |number: usize| {
        let mut head = [0xaa; 32];
        head[..8].copy_from_slice(&(number as u64).to_be_bytes());
        ChangeHash(head)
    };
    Content::Tombstone((0..HASHES_MAX).map(head).collect())
}
