//! Changes as the bytes say: first sound ones, on top of each other, then one thing or another that is wrong.

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, ObjType, ScalarValue};
use document::forge::poison::Ground;
use document::forge::{Forged, chunk, hash, put};
use document::limits::{OP_COUNTER_MAX, START_OP_SLACK};
use sync_wire::{Actor, Blob, ChangeHash};

/// Bytes, one choice each; zeros when there are no more.
pub(super) struct Choices<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl<'a> Choices<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter() }
    }

    fn next(&mut self) -> u8 {
        self.bytes.next().copied().unwrap_or(0)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u8) -> u8 {
        self.next() % end
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let number = usize::from(self.next());
        (!all.is_empty()).then(|| all[number % all.len()].clone())
    }

    /// Seldom true, and never when there are no more bytes.
    fn seldom(&mut self) -> bool {
        self.next() % 16 == 15
    }
}

/// What changes may refer to.
#[derive(Clone)]
pub(super) struct Past {
    author: Actor,
    attacker: Actor,
    /// Of the author and of the attacker.
    seqs: [u64; 2],
    heads: Vec<ChangeHash>,
    known: Vec<ChangeHash>,
    max_op: u64,
    objects: Vec<OpId>,
    elements: Vec<OpId>,
    /// Operations, and at which key of the root each has put something.
    puts: Vec<(&'static str, OpId)>,
}

const KEYS: [&str; 5] = ["k", "t", "x", "_", "a/b"];

impl Past {
    pub(super) fn of(ground: &Ground) -> Self {
        let operation = |counter| OpId::new(counter, &ActorId::from(ground.author.0));
        Self {
            author: ground.author,
            attacker: ground.attacker,
            seqs: [1, 0],
            heads: ground.heads.clone(),
            known: ground.heads.clone(),
            max_op: ground.max_op,
            objects: vec![ground.text()],
            elements: vec![operation(2), operation(3)],
            puts: vec![("t", ground.text()), ("k", ground.key())],
        }
    }

    /// The next change; none if not even a forger can make it.
    pub(super) fn change(&mut self, choices: &mut Choices<'_>) -> Option<Blob> {
        let who = usize::from(choices.below(3) == 0);
        let (seq, start_op) = (self.seqs[1 - who] + 1, self.max_op + 1);
        let actor = [self.author, self.attacker][1 - who];
        let before = (self.objects.len(), self.elements.len(), self.puts.len());
        let mut ops = Vec::new();
        for counter in start_op..=start_op + u64::from(choices.below(5)) {
            ops.push(self.operation(choices, OpId::new(counter, &ActorId::from(actor.0))));
        }
        let count = ops.len() as u64;
        let mut forged = Forged::by(actor, seq, start_op, &self.heads, ops);
        let is_sound = !self.spoil(choices, &mut forged);
        let bytes = quietly(|| forged.bytes())?;
        let bytes = if choices.seldom() { spoiled(choices, bytes) } else { bytes };
        if is_sound {
            let hash = quietly(|| hash(&bytes));
            self.seqs[1 - who] = seq;
            self.max_op += count;
            self.heads = hash.into_iter().collect();
            self.known.extend(hash);
        } else {
            self.objects.truncate(before.0);
            self.elements.truncate(before.1);
            self.puts.truncate(before.2);
        }
        Some(bytes.into())
    }

    /// One operation, and mostly a sound one.
    fn operation(&mut self, choices: &mut Choices<'_>, id: OpId) -> Op {
        let outside = OpId::new(9_999, &ActorId::from(self.author.0));
        let is_in_text = choices.below(2) == 0;
        let key = choices.one_of(&KEYS).unwrap_or("k");
        let mut op = put(key, value(choices));
        if is_in_text {
            let object = if choices.seldom() { choices.one_of(&self.objects) } else { self.objects.first().cloned() };
            op.obj = ObjectId::Id(object.unwrap_or_else(|| outside.clone()));
            let element = choices.one_of(&self.elements);
            op.key = element.map_or_else(Key::head, |element| Key::Seq(ElementId::Id(element)));
            op.insert = !choices.seldom();
            if op.insert {
                op.action = OpType::Put(["a", "ü", "\u{1f600}", ""][usize::from(choices.below(4))].into());
                self.elements.push(id.clone());
            }
        } else {
            let pred = self.puts.iter().rev().find(|(at, _)| *at == key).map(|(_, pred)| pred.clone());
            op.pred = pred.into_iter().collect::<Vec<_>>().into();
            self.puts.push((key, id.clone()));
        }
        match choices.below(24) {
            0 => op.action = OpType::Delete,
            1 => {
                op.action = OpType::Make(
                    [ObjType::Map, ObjType::List, ObjType::Text, ObjType::Table][usize::from(choices.below(4))],
                );
                self.objects.push(id);
            }
            2 => op.action = OpType::Increment(i64::from(choices.next()) << choices.below(57)),
            3 => {
                let (name, value, expand) = ("bold".into(), true.into(), choices.below(2) == 0);
                op.action = OpType::MarkBegin(MarkData { name, value, expand });
            }
            4 => op.action = OpType::MarkEnd(choices.below(2) == 0),
            5 => op.insert = !op.insert,
            6 => op.obj = ObjectId::Root,
            7 => op.obj = ObjectId::Id(choices.one_of(&self.objects).unwrap_or(outside)),
            8 => op.key = Key::Map(key.into()),
            9 => op.key = Key::Seq(ElementId::Id(outside)),
            10 => op.pred = Vec::new().into(),
            11 => op.pred = vec![outside].into(),
            12 => op.pred = choices.one_of(&self.elements).into_iter().collect::<Vec<_>>().into(),
            13 => op.pred = self.puts.iter().map(|(_, pred)| pred.clone()).collect::<Vec<_>>().into(),
            _ => {}
        }
        op
    }

    /// One thing that is wrong with the change as a whole, if any; whether there is one.
    fn spoil(&self, choices: &mut Choices<'_>, forged: &mut Forged) -> bool {
        if !choices.seldom() {
            return false;
        }
        match choices.below(12) {
            0 => forged.seq += u64::from(choices.next()),
            1 => forged.seq = forged.seq.saturating_sub(1),
            2 => forged.start_op = forged.start_op.saturating_sub(u64::from(choices.next())),
            3 => forged.start_op += u64::from(choices.next()),
            4 => forged.start_op += START_OP_SLACK,
            5 => forged.start_op = OP_COUNTER_MAX - u64::from(choices.next()),
            6 => forged.deps = Vec::new(),
            7 => forged.deps = choices.one_of(&self.known).into_iter().collect(),
            8 => forged.deps.push(ChangeHash([choices.next(); 32])),
            9 => forged.actor.truncate(usize::from(choices.next())),
            10 => forged.message = Some("seed note /".repeat(usize::from(choices.next()))),
            _ => forged.extra = vec![choices.next(); 8],
        }
        true
    }
}

fn value(choices: &mut Choices<'_>) -> ScalarValue {
    match choices.below(8) {
        0 => ScalarValue::counter(i64::MAX - i64::from(choices.next())),
        1 => ScalarValue::counter(i64::from(choices.next())),
        2 => ScalarValue::F64(f64::from_bits(u64::from(choices.next()) << 56 | 1)),
        3 => ScalarValue::Timestamp(i64::MIN),
        4 => ScalarValue::Bytes(vec![choices.next(); 3]),
        5 => ScalarValue::Null,
        6 => ScalarValue::Str(String::from_utf8_lossy(&[choices.next()]).as_ref().into()),
        _ => ScalarValue::Int(choices.next().into()),
    }
}

/// The change with some bytes of its content changed, and a checksum that is right.
fn spoiled(choices: &mut Choices<'_>, mut bytes: Vec<u8>) -> Vec<u8> {
    /// Magic, checksum, type, and a length of one byte.
    const BEFORE: usize = 10;
    if bytes.len() <= BEFORE {
        return bytes;
    }
    let mut content = bytes.split_off(BEFORE);
    for _ in 0..=choices.below(4) {
        let at = usize::from(choices.next()) * content.len() / 256;
        match choices.below(3) {
            0 => content[at] ^= 1 << choices.below(8),
            1 => content[at] = choices.next(),
            _ => content.insert(at, choices.next()),
        }
    }
    chunk(1, &content)
}

/// What the forger makes; nothing where he panics, which is no fault of a document.
fn quietly<T>(make: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(make)).ok()
}
