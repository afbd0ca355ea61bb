//! The poison corpus: changes that make Automerge panic, or spoil a document silently. The letters are those of the
//! study that found them. Whoever is given one has to refuse it with its code, and goes on.

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, ObjType};
use sync_wire::{Actor, Blob, ChangeHash, FateCode};

use super::{Data, Forged, chunk, deflated, hash, put};
use crate::limits;

/// An operation that is in no document.
const OUTSIDE: u64 = 9_999;

/// What an attacker builds on: a document with a text of two letters at `t` and a number at `k`.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Whose first change the document is.
    pub author: Actor,
    /// Who attacks.
    pub attacker: Actor,
    /// The document's heads.
    pub heads: Vec<ChangeHash>,
    /// Its newest operation.
    pub max_op: u64,
}

/// A change that nobody may take in, or several of which one is.
#[derive(Debug, Clone, Copy)]
pub struct Poison {
    /// Its letter.
    pub id: &'static str,
    /// How it is refused.
    pub code: FateCode,
    /// The changes, in order.
    pub make: fn(&Ground) -> Vec<Blob>,
}

/// All of it.
pub const CORPUS: &[Poison] = &[
    Poison::new("A", FateCode::DANGEROUS, |g| vec![g.change(5, 100, vec![put("x", 1)])]),
    Poison::new("A0", FateCode::UNDECODABLE, |g| vec![g.data(|data| data.seq = 0)]),
    Poison::new("A2", FateCode::DANGEROUS, |g| {
        vec![g.change(1, 5, vec![put("x", 1)]), g.change(2, 6, vec![put("y", 1)])]
    }),
    Poison::new("B", FateCode::DANGEROUS, repeated_counters),
    Poison::new("W", FateCode::DANGEROUS, |g| vec![g.change(1, 3, vec![put("x", 1), put("y", 1)])]),
    Poison::new("O", FateCode::DANGEROUS, |g| vec![g.change(1, 1, vec![])]),
    Poison::new("O4", FateCode::DANGEROUS, |g| vec![g.change(1, 1000, vec![])]),
    Poison::new("C", FateCode::UNDECODABLE, |g| vec![g.change(1, u64::from(u32::MAX), vec![put("x", 1)])]),
    Poison::new("C'", FateCode::UNDECODABLE, |g| {
        vec![g.change(1, u64::from(u32::MAX), vec![put("x", 1), put("y", 1)])]
    }),
    Poison::new("C2", FateCode::UNDECODABLE, |g| vec![g.change(1, u64::from(u32::MAX) - 2, vec![put("x", 1)])]),
    Poison::new("C3", FateCode::UNDECODABLE, |g| vec![g.change(1, limits::OP_COUNTER_MAX + 1, vec![put("x", 1)])]),
    Poison::new("C4", FateCode::DANGEROUS, |g| {
        vec![g.change(1, 6 + g.max_op + limits::START_OP_SLACK, vec![put("x", 1)])]
    }),
    Poison::new("S", FateCode::UNDECODABLE, |g| vec![g.data(|data| data.time = i64::MAX)]),
    Poison::new("D", FateCode::DANGEROUS, |g| {
        g.attack(vec![g.in_text(OpType::Put("q".into()), Key::Seq(ElementId::Id(g.outside())), true)])
    }),
    Poison::new("E", FateCode::DANGEROUS, |g| g.attack(vec![Op { obj: ObjectId::Id(g.outside()), ..put("x", 1) }])),
    // Debug builds of Automerge panic.
    Poison::new("E2", FateCode::DANGEROUS, |g| g.attack(vec![Op { key: Key::head(), insert: true, ..put("", 1) }])),
    Poison::new("E3", FateCode::DANGEROUS, |g| {
        g.attack(vec![g.in_text(OpType::Put(1.into()), Key::Map("x".into()), false)])
    }),
    // Taken by itself, and not with what comes before and after it: found by fuzzing.
    Poison::new("E4", FateCode::DANGEROUS, |g| {
        g.attack(vec![Op { insert: true, ..put("x", 1) }, over("k", OpType::Put(2.into()), g.key())])
    }),
    Poison::new("F", FateCode::DANGEROUS, |g| g.attack(vec![over("k", OpType::Put(2.into()), g.outside())])),
    Poison::new("F2", FateCode::DANGEROUS, |g| g.attack(vec![over("k", OpType::Delete, g.outside())])),
    Poison::new("F3", FateCode::DANGEROUS, |g| g.attack(vec![over("zz", OpType::Put(2.into()), g.text())])),
    Poison::new("F4", FateCode::DANGEROUS, |g| g.attack(vec![over("zz", OpType::Delete, g.text())])),
    Poison::new("G", FateCode::EQUIVOCATION, |g| {
        vec![g.change(1, 5, vec![put("x", 1)]), g.change(1, 5, vec![put("x", 2)])]
    }),
    Poison::new("G2", FateCode::DANGEROUS, bad_after_good),
    Poison::new("H", FateCode::UNDECODABLE, flipped),
    Poison::new("I", FateCode::UNDECODABLE, |_| vec![bomb()]),
    Poison::new("J", FateCode::UNDECODABLE, |_| vec![Data::run_of(20_000_000).chunk().into()]),
    Poison::new("J2", FateCode::UNDECODABLE, |_| vec![Data::run_of(1_000_000).chunk().into()]),
    Poison::new("K", FateCode::DANGEROUS, |g| g.attack(g.nested(5_000))),
    Poison::new("KH", FateCode::DANGEROUS, |g| g.attack(g.nested(290))),
    Poison::new("KP", FateCode::DANGEROUS, |g| g.attack(g.nested(4_000))),
    Poison::new("K2", FateCode::DANGEROUS, |g| g.attack(g.nested(limits::OBJECT_DEPTH_MAX + 1))),
    Poison::new("L", FateCode::UNDECODABLE, |g| vec![g.followed_by(b"\x85\x6f\x4a\x83 garbage")]),
    Poison::new("L2", FateCode::UNDECODABLE, |g| vec![g.followed_by(&g.attack(vec![put("y", 2)])[0])]),
    Poison::new("L3", FateCode::UNDECODABLE, |g| vec![g.cut()]),
    Poison::new("M", FateCode::MISSING, orphan),
    Poison::new("N", FateCode::UNDECODABLE, |g| vec![with_actor(g, 1 << 20)]),
    Poison::new("N0", FateCode::UNDECODABLE, |g| vec![with_actor(g, 0)]),
    // A message of Automerge's own sync protocol, whose filter has no bits, or very many probes.
    Poison::new("P", FateCode::UNDECODABLE, |_| vec![vec![0x42, 0, 0, 1, 0, 5, 1, 0, 7, 0, 0].into()]),
    Poison::new("P2", FateCode::UNDECODABLE, |_| {
        vec![vec![0x42, 0, 0, 1, 0, 9, 1, 10, 0x80, 0x80, 0x80, 0x80, 1, 0, 0].into()]
    }),
    Poison::new("U", FateCode::UNDECODABLE, |_| vec![foreign_document()]),
    Poison::new("V4", FateCode::DANGEROUS, |g| g.attack(vec![g.in_text(OpType::MarkEnd(false), Key::head(), true)])),
    // Shown as one text, and after saving as another: found by fuzzing.
    Poison::new("V5", FateCode::DANGEROUS, |g| {
        let mark = MarkData { name: "bold".into(), value: true.into(), expand: false };
        g.attack(vec![g.in_text(OpType::MarkBegin(mark), Key::Seq(ElementId::Id(g.operation(2))), false)])
    }),
];

/// What the study found odd and a document may take in: whether it does or not, it is well afterwards. (Of the other
/// letters, R is a document after a panic, which each of the above leaves behind; FORK is what `reauthor` does.)
pub const ODD: &[Poison] = &[
    // Debug builds of Automerge panic, others wrap.
    Poison::new("T", FateCode::DANGEROUS, |g| {
        let counter = OpId::new(g.max_op + 1, &ActorId::from(g.attacker.0));
        let put = put("n", automerge::ScalarValue::counter(i64::MAX));
        g.attack(vec![put, over("n", OpType::Increment(1), counter)])
    }),
    Poison::new("V3", FateCode::DANGEROUS, |g| g.attack(vec![put("nan", f64::NAN)])),
];

impl Poison {
    const fn new(id: &'static str, code: FateCode, make: fn(&Ground) -> Vec<Blob>) -> Self {
        Self { id, code, make }
    }

    /// The one with this letter.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn of(id: &str) -> Self {
        *CORPUS.iter().find(|poison| poison.id == id).unwrap_or_else(|| panic!("there is no poison {id}"))
    }
}

impl Ground {
    /// A document to attack, and the change that makes it.
    #[must_use]
    pub fn make(author: Actor, attacker: Actor) -> (Self, Blob) {
        let mut ground = Self { author, attacker, heads: Vec::new(), max_op: 4 };
        let make = Op { action: OpType::Make(ObjType::Text), obj: ObjectId::Root, ..put("t", 0) };
        let second = Key::Seq(ElementId::Id(ground.operation(2)));
        let letter = |after| ground.in_text(OpType::Put("h".into()), after, true);
        let ops = vec![make, letter(Key::head()), letter(second), put("k", 1)];
        let base = Forged::by(author, 1, 1, &[], ops).blob();
        ground.heads = vec![hash(&base)];
        (ground, base)
    }

    /// The attacker's first change, on top of the document.
    #[must_use]
    pub fn attack(&self, ops: Vec<Op>) -> Vec<Blob> {
        vec![self.change(1, self.max_op + 1, ops)]
    }

    /// The operation that made the text.
    #[must_use]
    pub fn text(&self) -> OpId {
        self.operation(1)
    }

    /// The operation that put the number.
    #[must_use]
    pub fn key(&self) -> OpId {
        self.operation(4)
    }

    /// An operation inside the text.
    #[must_use]
    pub fn in_text(&self, action: OpType, key: Key, insert: bool) -> Op {
        Op { action, obj: ObjectId::Id(self.text()), key, pred: vec![].into(), insert }
    }

    /// Maps in maps.
    #[must_use]
    pub fn nested(&self, levels: usize) -> Vec<Op> {
        let made = |level: u64| ObjectId::Id(OpId::new(self.max_op + level, &ActorId::from(self.attacker.0)));
        let obj = |level| if level == 0 { ObjectId::Root } else { made(level) };
        (0..levels as u64)
            .map(|level| Op { action: OpType::Make(ObjType::Map), obj: obj(level), ..put("a", 0) })
            .collect()
    }

    /// An ordinary first change of the attacker, with a field of its bytes as one likes.
    fn data(&self, alter: impl FnOnce(&mut Data)) -> Blob {
        let mut data = Data::run_of(1);
        data.deps = self.heads.iter().map(|head| head.0).collect();
        (data.actor, data.start_op) = (self.attacker.0.to_vec(), self.max_op + 1);
        alter(&mut data);
        data.chunk().into()
    }

    /// An ordinary change and more bytes.
    fn followed_by(&self, more: &[u8]) -> Blob {
        [&self.attack(vec![put("x", 1)])[0], more].concat().into()
    }

    /// An ordinary change without its last byte.
    fn cut(&self) -> Blob {
        let bytes = self.attack(vec![put("x", 1)])[0].to_vec();
        bytes[..bytes.len() - 1].to_vec().into()
    }

    fn change(&self, seq: u64, start_op: u64, ops: Vec<Op>) -> Blob {
        Forged::by(self.attacker, seq, start_op, &self.heads, ops).blob()
    }

    fn operation(&self, counter: u64) -> OpId {
        OpId::new(counter, &ActorId::from(self.author.0))
    }

    fn outside(&self) -> OpId {
        self.operation(OUTSIDE)
    }
}

/// Overwrites what `pred` is said to have put at a key.
#[must_use]
pub fn over(key: &str, action: OpType, pred: OpId) -> Op {
    Op { action, pred: vec![pred].into(), ..put(key, 2) }
}

fn repeated_counters(ground: &Ground) -> Vec<Blob> {
    let first = ground.change(1, ground.max_op + 1, vec![put("x", 1)]);
    let deps = [hash(&first)];
    let second = Forged::by(ground.attacker, 2, ground.max_op + 1, &deps, vec![put("y", 2)]);
    vec![first, second.blob()]
}

fn bad_after_good(ground: &Ground) -> Vec<Blob> {
    let good = ground.change(1, ground.max_op + 1, vec![put("x", 1)]);
    let bad = vec![over("k", OpType::Delete, ground.outside())];
    let bad = Forged::by(ground.attacker, 2, ground.max_op + 2, &[hash(&good)], bad).blob();
    vec![good, bad]
}

/// A whole document where a change should be.
fn foreign_document() -> Blob {
    let mut document = automerge::AutoCommit::new().with_actor(ActorId::from([8; 16]));
    let put = automerge::transaction::Transactable::put(&mut document, automerge::ROOT, "x", 1);
    assert!(put.is_ok(), "a value at the root");
    document.save().into()
}

fn flipped(ground: &Ground) -> Vec<Blob> {
    let mut bytes = ground.attack(vec![put("x", 1)])[0].to_vec();
    bytes[4] ^= 0xff;
    vec![bytes.into()]
}

fn orphan(ground: &Ground) -> Vec<Blob> {
    let orphan = Forged::by(ground.attacker, 1, 100, &[ChangeHash([7; 32])], vec![put("x", 1)]).blob();
    vec![orphan]
}

fn with_actor(ground: &Ground, length: usize) -> Blob {
    let mut forged = Forged::by(ground.attacker, 1, 5, &ground.heads, vec![put("x", 1)]);
    forged.actor = vec![1; length];
    forged.blob()
}

fn bomb() -> Blob {
    let mut bomb = Data::run_of(1);
    bomb.extra = vec![0; limits::CHANGE_INFLATED_BYTES_MAX + 1];
    let data = bomb.encode();
    deflated(&chunk(1, &data), &data).into()
}
