//! Reads a change without Automerge: who made it, what it rests on, how much it holds.
//!
//! The relay decides from this alone, so it must be fast (no allocation but the result), must bound everything before
//! Automerge sees a byte, and must agree with Automerge about every honest change. Next: `columns`, which counts
//! operations by walking run lengths.

mod columns;
mod reader;
mod snapshot;
mod targets;

use std::borrow::Cow;
use std::io::Read as _;

use sha2::{Digest as _, Sha256};
use sync_wire::planted::{self, Bug};
use sync_wire::{Actor, ChangeHash, FateCode};

use crate::limits;
use crate::seed::Seed;
pub(crate) use columns::{Column, Columns, Shape, walk_column};
pub(crate) use reader::{Reader, put_uleb};
pub(crate) use snapshot::inspect_document_chunk;

/// First bytes of every Automerge chunk.
pub(crate) const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Magic and checksum.
const PREFIX_BYTES: usize = 8;
const TYPE_CHANGE: u8 = 1;
const TYPE_DEFLATED_CHANGE: u8 = 2;

/// What a change says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// SHA-256 of the canonical chunk; the change's identity.
    pub hash: ChangeHash,
    /// Who made it.
    pub actor: Actor,
    /// Its number among the changes of its actor, from 1.
    pub seq: u64,
    /// Counter of its first operation, from 1.
    pub start_op: u64,
    /// How many operations it holds.
    pub ops: u64,
    /// What it rests on, ascending.
    pub deps: Vec<ChangeHash>,
    /// When it was made, as its author says; the unit is the author's business.
    pub time: i64,
    /// A note; `seed TYPE PATH` for seeds.
    pub message: Option<String>,
    /// The other actors that its operations refer to.
    pub other_actors: Vec<Actor>,
}

impl Header {
    /// Reads the header of a canonical (type 1) change and checks every rule that needs nothing but its bytes.
    ///
    /// # Errors
    /// [`HeaderError`] naming the value and the rule; its code is `undecodable`.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        Ok(Self::parse_with_shape(bytes)?.0)
    }

    /// As [`Header::parse`], with what the operations contain.
    pub(crate) fn parse_with_shape(bytes: &[u8]) -> Result<(Self, Shape), HeaderError> {
        parse(bytes).map_err(HeaderError)
    }

    /// Counter of the last operation; `start_op - 1` if there is none.
    #[must_use]
    pub const fn max_op(&self) -> u64 {
        self.start_op + self.ops - 1
    }
}

/// Whether a change deletes something, or an operation of it overwrites several values. Takes a step per run, and knows
/// nothing of what is no change that we accept.
pub(crate) fn may_close_values(bytes: &[u8]) -> bool {
    let read = || -> Result<bool, Fault> {
        let canonical = canonical_inner(bytes)?;
        let (_, columns, _) = fields(&canonical)?;
        let any = |spec, name, is_it: fn(u64) -> bool| {
            let mut found = false;
            let runs = columns.get(spec);
            walk_column(Column::Unsigned, runs, name, limits::OPS_MAX, |_, value| {
                found |= value.is_some_and(is_it);
                Ok(())
            })
            .map(|_| found)
        };
        Ok(any(columns::ACTION, "action", |action| action == columns::ACTION_DELETE)?
            || any(columns::PRED_COUNT, "predecessor count", |count| count > 1)?)
    };
    read().unwrap_or(false)
}

/// Bytes that are not a change we accept. Displays the value and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct HeaderError(pub(crate) Fault);

impl HeaderError {
    /// The fate of a change with this error: always `undecodable`, which is final.
    #[must_use]
    pub const fn code(&self) -> FateCode {
        FateCode::UNDECODABLE
    }
}

/// Which rule was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("not an Automerge chunk: it begins with {0:02x?} instead of 85 6f 4a 83")]
    Magic(Vec<u8>),
    #[error("the change ends inside its {0}")]
    Truncated(&'static str),
    #[error("the number in {0} is not in the shortest LEB128 form or too large")]
    Number(&'static str),
    #[error("chunk type {0} is not a change (types 1 and 2 are)")]
    ChunkType(u8),
    #[error("{0} bytes follow the change; a change stands alone")]
    Trailing(usize),
    #[error("the deflated change does not inflate")]
    Deflate,
    #[error("checksum {found} does not match the content, which has {expected}")]
    Checksum { found: String, expected: String },
    #[error("an actor has {0} bytes; actors have 16")]
    ActorLength(u64),
    #[error("{what} is {found}; at most {limit} is accepted")]
    TooMuch { what: &'static str, found: u64, limit: u64 },
    #[error("{0} is 0; it counts from 1")]
    Zero(&'static str),
    #[error("dependencies must ascend without repetition")]
    DepsOrder,
    #[error("the note is not UTF-8")]
    Message,
    #[error("column {0:#x} is not one of a change, is out of order, compressed or empty")]
    UnknownColumn(u64),
    #[error("the {column} column has {found} values for {expected}")]
    ColumnLength { column: &'static str, found: u64, expected: u64 },
    #[error("operation kind {0} is unknown (0 to 7 are known)")]
    Action(u64),
    #[error("the {0} column has a gap")]
    Run(&'static str),
    #[error("actor {0} is reserved for seeds, and this is not the seed that its note names")]
    FalseSeed(Actor),
}

pub(crate) fn at_most(what: &'static str, found: u64, limit: u64) -> Result<(), Fault> {
    if found > limit { Err(Fault::TooMuch { what, found, limit }) } else { Ok(()) }
}

/// The canonical form of a change: type 1 as it is, type 2 inflated (with a cap) to type 1.
///
/// Both forms have the same hash, so only one of them may be stored or served.
///
/// # Errors
/// If the bytes are neither type, do not inflate, or inflate beyond [`limits::CHANGE_INFLATED_BYTES_MAX`]. The content
/// is not examined otherwise: that is [`Header::parse`].
pub fn canonical(bytes: &[u8]) -> Result<Cow<'_, [u8]>, HeaderError> {
    canonical_inner(bytes).map_err(HeaderError)
}

fn canonical_inner(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    expand(bytes, limits::CHANGE_INFLATED_BYTES_MAX)?.map_err(too_large)
}

/// As [`canonical`], for whoever has no use for a larger one; `None` if it is, which costs no more than to find out.
pub(crate) fn canonical_within(bytes: &[u8], bytes_max: usize) -> Result<Option<Cow<'_, [u8]>>, HeaderError> {
    match expand(bytes, bytes_max).map_err(HeaderError)? {
        Ok(canonical) => Ok(Some(canonical).filter(|canonical| canonical.len() <= bytes_max)),
        Err(size) if size > limits::CHANGE_INFLATED_BYTES_MAX as u64 => Err(HeaderError(too_large(size))),
        Err(_) => Ok(None),
    }
}

/// How many bytes the content has, where that is more than were asked for; one more than any change may have stands
/// for whatever is larger.
type TooLarge = u64;

const fn too_large(size: TooLarge) -> Fault {
    Fault::TooMuch { what: "inflated size in bytes", found: size, limit: limits::CHANGE_INFLATED_BYTES_MAX as u64 }
}

/// The canonical form, if its content has at most `limit` bytes where it was deflated.
fn expand(bytes: &[u8], limit: usize) -> Result<Result<Cow<'_, [u8]>, TooLarge>, Fault> {
    match chunk_type(bytes)? {
        TYPE_CHANGE => Ok(Ok(Cow::Borrowed(bytes))),
        TYPE_DEFLATED_CHANGE => Ok(inflate(bytes, limit)?.map(Cow::Owned)),
        other => Err(Fault::ChunkType(other)),
    }
}

/// Checks magic and room for the fixed prefix; gives the chunk's type.
pub(crate) fn chunk_type(bytes: &[u8]) -> Result<u8, Fault> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Fault::Magic(bytes[..bytes.len().min(4)].to_vec()));
    }
    bytes.get(PREFIX_BYTES).copied().ok_or(Fault::Truncated("prefix"))
}

/// What goes beyond `limit` is counted and not kept.
fn inflate(bytes: &[u8], limit: usize) -> Result<Result<Vec<u8>, TooLarge>, Fault> {
    let mut reader = Reader::new(&bytes[PREFIX_BYTES + 1..]);
    let length = reader.uleb("length")?;
    if length != reader.rest().len() as u64 {
        return Err(length_fault(length, reader.rest().len()));
    }
    let mut data = Vec::with_capacity((reader.rest().len() * 4).min(limit));
    let mut decoder = flate2::bufread::DeflateDecoder::new(reader.rest());
    decoder.by_ref().take(limit as u64 + 1).read_to_end(&mut data).map_err(|_| Fault::Deflate)?;
    if data.len() > limit {
        let most = limits::CHANGE_INFLATED_BYTES_MAX as u64;
        let more = (most + 1).saturating_sub(data.len() as u64);
        let rest = std::io::copy(&mut decoder.take(more), &mut std::io::sink()).map_err(|_| Fault::Deflate)?;
        return Ok(Err(data.len() as u64 + rest));
    }
    let mut canonical = Vec::with_capacity(data.len() + 16);
    canonical.extend_from_slice(&bytes[..PREFIX_BYTES]);
    canonical.push(TYPE_CHANGE);
    put_uleb(&mut canonical, data.len() as u64);
    canonical.extend_from_slice(&data);
    Ok(Ok(canonical))
}

fn length_fault(declared: u64, present: usize) -> Fault {
    match (present as u64).checked_sub(declared) {
        None => Fault::Truncated("content"),
        Some(extra) => Fault::Trailing(extra as usize),
    }
}

/// Length and checksum of a chunk; gives its hash and a reader over its data.
pub(crate) fn open_chunk(bytes: &[u8]) -> Result<(ChangeHash, Reader<'_>), Fault> {
    let mut reader = Reader::new(&bytes[PREFIX_BYTES + 1..]);
    let length = reader.uleb("length")?;
    if length != reader.rest().len() as u64 {
        return Err(length_fault(length, reader.rest().len()));
    }
    let hash: [u8; 32] = Sha256::digest(&bytes[PREFIX_BYTES..]).into();
    // Planted: what was read is believed.
    if bytes[4..PREFIX_BYTES] != hash[..4] && !planted::is(Bug::DamageBelieved) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        return Err(Fault::Checksum { found: hex(&bytes[4..PREFIX_BYTES]), expected: hex(&hash[..4]) });
    }
    Ok((ChangeHash(hash), reader))
}

/// Seals `data` as a chunk of type 1.
pub(crate) fn write_change_chunk(data: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(data.len() + 8);
    body.push(TYPE_CHANGE);
    put_uleb(&mut body, data.len() as u64);
    body.extend_from_slice(data);
    let hash = Sha256::digest(&body);
    [&MAGIC[..], &hash[..4], &body].concat()
}

fn parse(bytes: &[u8]) -> Result<(Header, Shape), Fault> {
    let kind = chunk_type(bytes)?;
    if kind != TYPE_CHANGE {
        return Err(Fault::ChunkType(kind));
    }
    at_most("size in bytes", bytes.len() as u64, limits::CHANGE_INFLATED_BYTES_MAX as u64 + 16)?;
    let (header, _, shape) = fields(bytes)?;
    Ok((header, shape))
}

/// All that a chunk of type 1 says.
fn fields(bytes: &[u8]) -> Result<(Header, Columns<'_>, Shape), Fault> {
    let (hash, mut reader) = open_chunk(bytes)?;
    let deps = read_deps(&mut reader)?;
    let actor = read_actor(&mut reader)?;
    let seq = nonzero("sequence number", reader.uleb("sequence number")?)?;
    let start_op = nonzero("start of operations", reader.uleb("start of operations")?)?;
    let time = reader.sleb("time")?;
    at_most("the distance of the time from 0", time.unsigned_abs(), limits::TIME_MAX)?;
    let message = read_message(&mut reader, &actor)?;
    let other_actors = read_other_actors(&mut reader)?;
    let columns = Columns::read(&mut reader)?;
    let shape = columns.shape()?;
    at_most("the tail in bytes", reader.rest().len() as u64, limits::EXTRA_BYTES_MAX as u64)?;
    at_most("the last operation counter", (start_op - 1).saturating_add(shape.ops), limits::OP_COUNTER_MAX)?;
    let header = Header { hash, actor, seq, start_op, ops: shape.ops, deps, time, message, other_actors };
    Ok((header, columns, shape))
}

fn nonzero(what: &'static str, number: u64) -> Result<u64, Fault> {
    if number == 0 { Err(Fault::Zero(what)) } else { Ok(number) }
}

fn read_deps(reader: &mut Reader<'_>) -> Result<Vec<ChangeHash>, Fault> {
    let count = reader.uleb("dependencies")?;
    at_most("the number of dependencies", count, limits::DEPS_MAX as u64)?;
    let bytes = reader.take(count as usize * ChangeHash::LEN, "dependencies")?;
    let (hashes, _) = bytes.as_chunks::<{ ChangeHash::LEN }>();
    if !hashes.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(Fault::DepsOrder);
    }
    Ok(hashes.iter().map(|hash| ChangeHash(*hash)).collect())
}

fn read_actor(reader: &mut Reader<'_>) -> Result<Actor, Fault> {
    let length = reader.uleb("actor")?;
    if length != Actor::LEN as u64 {
        return Err(Fault::ActorLength(length));
    }
    let bytes = reader.take(Actor::LEN, "actor")?;
    Actor::from_slice(bytes).ok_or(Fault::Truncated("actor"))
}

fn read_message(reader: &mut Reader<'_>, actor: &Actor) -> Result<Option<String>, Fault> {
    let length = reader.uleb("note")?;
    let room = if Seed::is_seed_actor(actor) { limits::SEED_MESSAGE_PREFIX_BYTES_MAX } else { 0 };
    at_most("the note in bytes", length, (limits::MESSAGE_BYTES_MAX + room) as u64)?;
    let bytes = reader.take(length as usize, "note")?;
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::Message)?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn read_other_actors(reader: &mut Reader<'_>) -> Result<Vec<Actor>, Fault> {
    let count = reader.uleb("other actors")?;
    at_most("the number of other actors", count, limits::OTHER_ACTORS_MAX as u64)?;
    // Each takes 17 bytes, so a false count cannot reserve more than a few times the input.
    let mut actors = Vec::with_capacity((count as usize).min(reader.rest().len() / (Actor::LEN + 1)));
    for _ in 0..count {
        actors.push(read_actor(reader)?);
    }
    Ok(actors)
}
