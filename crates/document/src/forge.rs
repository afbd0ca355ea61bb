//! Makes changes by hand: honest ones, and those that no Automerge would write. For tests of this crate and of others:
//! nothing that ships enables the feature `forge`. What cannot be made panics.

pub mod poison; // changes that once broke documents

use std::num::NonZeroU64;

use crate::Header;
use automerge::legacy::{Key, ObjectId, Op, OpType};
use automerge::{ActorId, ExpandedChange, ScalarValue};
use sha2::{Digest as _, Sha256};
use sync_wire::{Actor, Blob, ChangeHash};

/// The actor of which every byte is `number`.
pub fn actor(number: u8) -> Actor {
    Actor([number; 16])
}

/// As [`actor`], for Automerge.
pub fn actor_id(number: u8) -> ActorId {
    ActorId::from(actor(number).0)
}

/// A change written out field by field.
#[derive(Debug)]
pub struct Forged {
    pub actor: Vec<u8>,
    pub seq: u64,
    pub start_op: u64,
    pub deps: Vec<ChangeHash>,
    pub ops: Vec<Op>,
    pub message: Option<String>,
    pub extra: Vec<u8>,
}

impl Forged {
    /// A change of the actor of which every byte is `actor`.
    pub fn new(actor: u8, seq: u64, start_op: u64, deps: &[ChangeHash], ops: Vec<Op>) -> Self {
        Self::by(self::actor(actor), seq, start_op, deps, ops)
    }

    /// A change of this actor.
    pub fn by(actor: Actor, seq: u64, start_op: u64, deps: &[ChangeHash], ops: Vec<Op>) -> Self {
        let actor = actor.0.to_vec();
        Self { actor, seq, start_op, deps: deps.to_vec(), ops, message: None, extra: Vec::new() }
    }

    /// Its chunk.
    pub fn bytes(self) -> Vec<u8> {
        let change: automerge::Change = ExpandedChange {
            operations: self.ops,
            actor_id: ActorId::from(self.actor),
            hash: None,
            seq: self.seq,
            start_op: NonZeroU64::new(self.start_op).expect("a forged change starts at 1 or later"),
            time: 0,
            message: self.message,
            deps: self.deps.iter().map(|hash| automerge::ChangeHash(hash.0)).collect(),
            extra_bytes: self.extra,
            author: None,
        }
        .into();
        change.raw_bytes().to_vec()
    }

    /// Its chunk.
    pub fn blob(self) -> Blob {
        self.bytes().into()
    }
}

/// Puts a value at a key of the root that was not there.
pub fn put(key: &str, value: impl Into<ScalarValue>) -> Op {
    Op {
        action: OpType::Put(value.into()),
        obj: ObjectId::Root,
        key: Key::Map(key.into()),
        pred: Vec::new().into(),
        insert: false,
    }
}

/// The hash of a change.
pub fn hash(bytes: &[u8]) -> ChangeHash {
    Header::parse(bytes).expect("the forged change has a sound header").hash
}

/// Appends a number as unsigned LEB128.
pub fn uleb(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number as signed LEB128.
pub fn sleb(out: &mut Vec<u8>, mut number: i64) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if (number == 0 && byte & 0x40 == 0) || (number == -1 && byte & 0x40 != 0) {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// A chunk with the right checksum.
pub fn chunk(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut body = vec![kind];
    uleb(&mut body, data.len() as u64);
    body.extend(data);
    let hash = Sha256::digest(&body);
    [&[0x85, 0x6f, 0x4a, 0x83], &hash[..4], &body].concat()
}

/// The data of a type 1 chunk, with every field free.
#[derive(Debug)]
pub struct Data {
    pub deps: Vec<[u8; 32]>,
    pub actor: Vec<u8>,
    pub seq: u64,
    pub start_op: u64,
    pub time: i64,
    pub message: Vec<u8>,
    pub other_actors: Vec<Vec<u8>>,
    pub columns: Vec<(u64, Vec<u8>)>,
    pub extra: Vec<u8>,
}

impl Data {
    /// One `put` of null on the key `a`, repeated `ops` times in one run.
    pub fn run_of(ops: u64) -> Self {
        let run = |value: &[u8]| {
            let mut column = Vec::new();
            if ops == 1 {
                column.push(0x7f)
            } else {
                sleb(&mut column, ops as i64)
            }
            column.extend(value);
            column
        };
        let mut insert = Vec::new();
        uleb(&mut insert, ops);
        let columns =
            vec![(0x15, run(b"\x01a")), (0x34, insert), (0x42, run(&[1])), (0x56, run(&[0])), (0x70, run(&[0]))];
        let (deps, actor, message, other_actors, extra) = (Vec::new(), vec![9; 16], Vec::new(), Vec::new(), Vec::new());
        Self { deps, actor, seq: 1, start_op: 1, time: 0, message, other_actors, columns, extra }
    }

    /// The data.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        uleb(&mut out, self.deps.len() as u64);
        self.deps.iter().for_each(|dep| out.extend(dep));
        uleb(&mut out, self.actor.len() as u64);
        out.extend(&self.actor);
        uleb(&mut out, self.seq);
        uleb(&mut out, self.start_op);
        sleb(&mut out, self.time);
        uleb(&mut out, self.message.len() as u64);
        out.extend(&self.message);
        uleb(&mut out, self.other_actors.len() as u64);
        for actor in &self.other_actors {
            uleb(&mut out, actor.len() as u64);
            out.extend(actor);
        }
        uleb(&mut out, self.columns.len() as u64);
        for (spec, bytes) in &self.columns {
            uleb(&mut out, *spec);
            uleb(&mut out, bytes.len() as u64);
        }
        self.columns.iter().for_each(|(_, bytes)| out.extend(bytes));
        out.extend(&self.extra);
        out
    }

    /// The chunk.
    pub fn chunk(&self) -> Vec<u8> {
        chunk(1, &self.encode())
    }
}

/// The type 2 form of a type 1 chunk, with the same checksum.
pub fn deflated(type_1: &[u8], data: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).expect("writing to memory");
    let packed = encoder.finish().expect("writing to memory");
    let mut out = type_1[..8].to_vec();
    out.push(2);
    uleb(&mut out, packed.len() as u64);
    out.extend(packed);
    out
}
