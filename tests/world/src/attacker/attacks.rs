//! What an attacker sends. Each attack is the frames of one attempt, in order.

use document::forge::poison::{CORPUS, Ground};
use document::forge::{Forged, put};
use document::{Change, Header};
use sync_wire::{
    Actor, BatchId, Blob, Chain, ChangeHash, Confirm, Content, Cursor, DeviceFrame, DocumentId, Epoch, Hello,
    LogPosition, Position, Push, SpaceId, VersionRange, encode_device_frame,
};

use super::{Attacker, Known};

/// Attempts.
pub(super) type Attack = fn(&mut Attacker) -> Vec<Vec<u8>>;

/// All of them.
pub(super) const ALL: &[Attack] = &[
    edit,
    write_as_another,
    equivocate,
    equivocate_alone,
    flood_with_orphans,
    poison_a_document_of_its_own,
    poison_the_documents_of_others,
    poison_with_followers,
    poison_its_personal_space,
    repeat,
    push_into_another_document,
    mutilate,
    delete,
    intrude,
    talk_nonsense,
    take_the_batch_of_another,
    plant_a_seed,
    count_to_the_limits,
];

/// Frames that are said again at once, at most.
const REPEATED_MAX: usize = 30;

/// An edit within the rules.
fn edit(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let Some((document, heads, max_op)) = attacker.some_document() else { return make(attacker) };
    let key = ["evil", "/evil", "/evil/deep", "counts"][attacker.rng.index(4)];
    let value = attacker.rng.below(1000) as i64;
    let change = Forged::by(attacker.actor(), 1, max_op + 1, &heads, vec![put(key, value)]).blob();
    vec![attacker.push(attacker.team, document, vec![change])]
}

fn make(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let document = DocumentId(attacker.bytes());
    let (author, other) = (attacker.actor(), attacker.actor());
    let (_, base) = Ground::make(author, other);
    vec![attacker.push(attacker.team, document, vec![base])]
}

/// The next change of somebody else.
fn write_as_another(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let Some((document, change)) = attacker.some_change() else { return make(attacker) };
    let known = &attacker.documents[&document];
    let actor = change.header.actor;
    let numbers = known.changes.iter().map(|change| &change.header).filter(|header| header.actor == actor);
    let seq = numbers.map(|header| header.seq).max().unwrap_or(0) + 1;
    let heads: Vec<ChangeHash> = known.heads.iter().copied().collect();
    let forged = Forged::by(actor, seq, known.max_op + 1, &heads, vec![put("forged", 1)]).blob();
    vec![attacker.push(attacker.team, document, vec![forged])]
}

/// Another change with the actor and number of one that the log has.
fn equivocate(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let Some((document, change)) = attacker.some_change() else { return make(attacker) };
    let Header { actor, seq, start_op, deps, .. } = change.header;
    let forged = Forged::by(actor, seq, start_op, &deps, vec![put("forged", 2)]).blob();
    vec![attacker.push(attacker.team, document, vec![forged])]
}

/// Two changes with one number, apart or together.
fn equivocate_alone(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let Some((document, heads, max_op)) = attacker.some_document() else { return make(attacker) };
    let actor = attacker.actor();
    let change = |value: i64| Forged::by(actor, 1, max_op + 1, &heads, vec![put("two", value)]).blob();
    let (one, two) = (change(1), change(2));
    if attacker.rng.chance(0.5) {
        return vec![attacker.push(attacker.team, document, vec![one, two])];
    }
    vec![attacker.push(attacker.team, document, vec![one]), attacker.push(attacker.team, document, vec![two])]
}

/// Changes that rest on what nobody has.
fn flood_with_orphans(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let target = attacker.some_document();
    let (document, heads, max_op) = target.unwrap_or_else(|| (DocumentId(attacker.bytes()), Vec::new(), 0));
    let orphans = attacker.rng.between(1, 12);
    (0..orphans)
        .map(|_| {
            let wanted = [1, 3, 1000][attacker.rng.index(3)];
            let mut deps: Vec<ChangeHash> = (0..wanted).map(|_| ChangeHash(attacker.bytes())).collect();
            if attacker.rng.chance(0.5) {
                deps.extend(&heads);
            }
            deps.sort_unstable();
            let orphan = Forged::by(attacker.actor(), 1, max_op + 1, &deps, vec![put("orphan", 1)]).blob();
            attacker.push(attacker.team, document, vec![orphan])
        })
        .collect()
}

fn poison_a_document_of_its_own(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    poison_in(attacker, attacker.team)
}

fn poison_its_personal_space(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    poison_in(attacker, attacker.own)
}

fn poison_in(attacker: &mut Attacker, space: SpaceId) -> Vec<Vec<u8>> {
    let document = DocumentId(attacker.bytes());
    let (author, other) = (attacker.actor(), attacker.actor());
    let (ground, base) = Ground::make(author, other);
    let poison = attacker.some_poison(&ground);
    if attacker.rng.chance(0.3) {
        let together = [vec![base], poison].concat();
        return vec![attacker.push(space, document, together)];
    }
    vec![attacker.push(space, document, vec![base]), attacker.push(space, document, poison)]
}

/// The same on top of what honest devices wrote; much of it is then wrong in one way more.
fn poison_the_documents_of_others(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let Some((document, change)) = attacker.some_change() else { return make(attacker) };
    let known = &attacker.documents[&document];
    let (heads, max_op, author) = (known.heads.iter().copied().collect(), known.max_op, change.header.actor);
    let ground = Ground { author, attacker: attacker.actor(), heads, max_op };
    let poison = attacker.some_poison(&ground);
    vec![attacker.push(attacker.team, document, poison)]
}

/// Poison, and sound changes on top of it, all before anybody has looked.
fn poison_with_followers(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let Some((document, change)) = attacker.some_change() else { return make(attacker) };
    let known = &attacker.documents[&document];
    let (heads, max_op, author) = (known.heads.iter().copied().collect(), known.max_op, change.header.actor);
    let ground = Ground { author, attacker: attacker.actor(), heads, max_op };
    let poison = attacker.some_poison(&ground);
    let last = poison.last().cloned().map(Change::parse);
    let mut frames = vec![attacker.push(attacker.team, document, poison)];
    if let Some(Ok(Change { header, .. })) = last {
        let (mut rests_on, mut max_op) = (header.hash, header.max_op());
        for _ in 0..attacker.rng.between(1, 3) {
            let next = Forged::by(attacker.actor(), 1, max_op + 1, &[rests_on], vec![put("follows", 1)]).blob();
            (rests_on, max_op) = (document::forge::hash(&next), max_op + 1);
            frames.push(attacker.push(attacker.team, document, vec![next]));
        }
    }
    frames
}

/// What it said before, as it was said.
fn repeat(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let from = attacker.rng.index(attacker.said.len().max(1));
    attacker.said.iter().skip(from).take(REPEATED_MAX).cloned().collect()
}

/// Changes of one document, pushed into another: their bytes name none.
fn push_into_another_document(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let Some((from, _)) = attacker.some_change() else { return make(attacker) };
    let known = &attacker.documents[&from];
    let few: Vec<Blob> = known.changes.iter().take(20).map(|change| change.bytes.clone()).collect();
    let (into, space) = match attacker.rng.below(3) {
        0 => (attacker.some_document().map_or(from, |(document, ..)| document), attacker.team),
        1 => (DocumentId(attacker.bytes()), attacker.team),
        _ => (from, attacker.own),
    };
    if attacker.rng.chance(0.5) {
        return vec![attacker.push(space, into, few)];
    }
    few.into_iter().map(|change| attacker.push(space, into, vec![change])).collect()
}

/// No frame, or what is left of one.
fn mutilate(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let mut frame = match attacker.said.len() {
        0 => edit(attacker).remove(0),
        said => attacker.said[attacker.rng.index(said)].clone(),
    };
    match attacker.rng.below(4) {
        0 => frame = (0..attacker.rng.between(0, 200)).map(|_| attacker.rng.draw() as u8).collect(),
        1 => frame.truncate(attacker.rng.index(frame.len().max(1))),
        2 => frame.extend(attacker.bytes::<7>()),
        _ => {
            let at = attacker.rng.index(frame.len().max(1));
            if let Some(byte) = frame.get_mut(at) {
                *byte ^= 1 << attacker.rng.below(8);
            }
        }
    }
    vec![frame]
}

/// Deletions that name the wrong heads, or, at times, the right ones.
fn delete(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let Some((document, heads, _)) = attacker.some_document() else { return make(attacker) };
    let mut named = match attacker.rng.below(6) {
        0 => heads.clone(),
        1 => heads.into_iter().skip(1).collect(),
        2 => Vec::new(),
        3 => (0..4096).map(|_| ChangeHash(attacker.bytes())).collect(),
        4 => [heads.clone(), heads].concat(),
        _ => attacker.documents[&document].hashes.iter().copied().take(3).collect(),
    };
    if attacker.rng.chance(0.5) {
        named.sort_unstable();
    }
    let batch = BatchId(attacker.bytes());
    let content = if attacker.rng.chance(0.2) { Content::Restore } else { Content::Tombstone(named) };
    vec![attacker.push_as(attacker.team, document, batch, content)]
}

/// Pushes into spaces that it may not write, or that nobody has.
fn intrude(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let at = attacker.rng.index(attacker.closed.len() + 1);
    let space = attacker.closed.get(at).copied().unwrap_or_else(|| SpaceId(attacker.bytes()));
    let (author, other) = (attacker.actor(), attacker.actor());
    let (_, base) = Ground::make(author, other);
    let known: Vec<DocumentId> = attacker.documents.keys().copied().collect();
    let document = known.first().copied().unwrap_or_else(|| DocumentId(attacker.bytes()));
    let batch = BatchId(attacker.bytes());
    vec![attacker.push(space, document, vec![base]), attacker.push_as(space, document, batch, Content::Restore)]
}

/// Frames that are well formed and make no sense here.
fn talk_nonsense(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let frame = match attacker.rng.below(5) {
        0 => return vec![attacker.greet()],
        1 => {
            let frames = [0, 1, 9, u32::MAX][attacker.rng.index(4)];
            DeviceFrame::Confirm(Confirm { space: attacker.team, position: Position(u64::MAX), frames })
        }
        2 => {
            let device = attacker.documents.values().flat_map(|known| &known.devices).next().copied();
            let versions = VersionRange { oldest: 0, newest: u16::MAX };
            let device = device.unwrap_or(attacker.device);
            DeviceFrame::Hello(Hello { versions, device, agent: String::new(), cursors: Vec::new(), attempt: None })
        }
        3 => {
            let (document, content) = (DocumentId(attacker.bytes()), Content::Changes(Vec::new()));
            let batch = BatchId(attacker.bytes());
            DeviceFrame::Push(Push { space: attacker.team, document, lane: u32::MAX, batch, content })
        }
        _ => {
            let document = attacker.documents.keys().next().copied().unwrap_or(DocumentId([2; 16]));
            let (lane, batch) = (attacker.rng.draw() as u32, BatchId(attacker.bytes()));
            DeviceFrame::Push(Push { space: attacker.team, document, lane, batch, content: Content::Restore })
        }
    };
    vec![encode_device_frame(&frame)]
}

/// An edit under the id of a batch that is in the log.
fn take_the_batch_of_another(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let Some((document, heads, max_op)) = attacker.some_document() else { return make(attacker) };
    let batches = &attacker.documents[&document].batches;
    let batch = batches[attacker.rng.index(batches.len())];
    let change = Forged::by(attacker.actor(), 1, max_op + 1, &heads, vec![put("stolen", 1)]).blob();
    let other = Forged::by(attacker.actor(), 1, max_op + 1, &heads, vec![put("stolen", 2)]).blob();
    let content = |change| Content::Changes(vec![change]);
    vec![
        attacker.push_as(attacker.team, document, batch, content(change)),
        attacker.push_as(attacker.team, document, batch, content(other)),
        attacker.push_as(attacker.team, document, batch, Content::Restore),
    ]
}

/// Changes under names that are reserved for what everybody makes alike.
fn plant_a_seed(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let (document, heads, max_op) =
        attacker.some_document().unwrap_or_else(|| (DocumentId(attacker.bytes()), Vec::new(), 0));
    let mut actor = Actor(attacker.bytes());
    actor.0[..2].copy_from_slice(b"SD");
    let deps = if attacker.rng.chance(0.5) { Vec::new() } else { heads };
    let start = if deps.is_empty() { 1 } else { max_op + 1 };
    let mut seed = Forged::by(actor, 1, start, &deps, vec![put("/body\0text", 1)]);
    seed.message = Some(["seed text /body", "seed root note", "seed"][attacker.rng.index(3)].to_owned());
    vec![attacker.push(attacker.team, document, vec![seed.blob()])]
}

/// As much as frames may hold.
fn count_to_the_limits(attacker: &mut Attacker) -> Vec<Vec<u8>> {
    let document = DocumentId(attacker.bytes());
    if attacker.rng.chance(0.5) {
        let cursor = |attacker: &mut Attacker| Cursor {
            space: SpaceId(attacker.bytes()),
            at: LogPosition { epoch: Epoch(attacker.bytes()), position: Position(attacker.rng.draw()) },
            chain: Chain(attacker.bytes()),
            bootstrap: None,
        };
        let cursors = (0..4096).map(|_| cursor(attacker)).collect();
        let versions = VersionRange { oldest: 1, newest: 1 };
        let hello = Hello { versions, device: attacker.device, agent: "x".repeat(1024), cursors, attempt: None };
        return vec![encode_device_frame(&DeviceFrame::Hello(hello))];
    }
    // One change again and again is as good as many.
    let (author, other) = (attacker.actor(), attacker.actor());
    let (_, base) = Ground::make(author, other);
    let copies = attacker.rng.between(2, 4200) as usize;
    vec![attacker.push(attacker.team, document, vec![base; copies])]
}

impl Attacker {
    /// A document of the team, its heads and its newest operation.
    pub(super) fn some_document(&mut self) -> Option<(DocumentId, Vec<ChangeHash>, u64)> {
        let index = self.rng.index(self.documents.len());
        let (document, known) = self.documents.iter().nth(index)?;
        Some((*document, known.heads.iter().copied().collect(), known.max_op))
    }

    /// A change of the team.
    fn some_change(&mut self) -> Option<(DocumentId, Change)> {
        let (document, ..) = self.some_document()?;
        let Known { changes, .. } = &self.documents[&document];
        let change = changes[self.rng.index(changes.len())].clone();
        Some((document, change))
    }

    fn some_poison(&mut self, ground: &Ground) -> Vec<Blob> {
        // Some are slow to make: a bomb of 16 MiB, an actor of 1 MiB.
        let is_slow = |id: &str| ["I", "N"].contains(&id);
        loop {
            let poison = CORPUS[self.rng.index(CORPUS.len())];
            if !is_slow(poison.id) || self.rng.chance(0.2) {
                return (poison.make)(ground);
            }
        }
    }
}
