//! Seeds: changes of one operation that create what offline devices could otherwise only create twice.
//!
//! A seed is a pure function of its kind and path, so every device that needs it makes the same bytes, and regenerating
//! it is its whole check. Its bytes are written here without Automerge and pinned by golden vectors: a release that
//! made other bytes would double every text in the world.

use sync_wire::planted::{self, Bug};
use sync_wire::{Actor, ChangeHash};

use crate::header::{self, Fault, Header, HeaderError};
use crate::{Change, limits, pointer};

/// First bytes of every seed's actor; no other actor may begin with them.
const ACTOR_PREFIX: [u8; 2] = [0x53, 0x44];

/// The leaf that holds the document type.
pub(crate) const TYPE_KEY: &str = "/";

/// What a seed creates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seed {
    /// The beginning of a typed document: sets the leaf `/` to the type's name.
    Root {
        /// The document type.
        type_name: String,
    },
    /// An empty text at the stored key `PATH␀text`.
    Text {
        /// JSON Pointer of the leaf.
        path: String,
    },
    /// A counter of 0 at the stored key `PATH␀counter`.
    Counter {
        /// JSON Pointer of the leaf.
        path: String,
    },
}

impl Seed {
    /// Which seed `change` is, if it is one: its bytes, known by their hash, are those that its note demands.
    #[must_use]
    pub fn of(change: &Header) -> Option<Self> {
        if !Self::is_seed_actor(&change.actor) {
            return None;
        }
        let seed = Self::from_message(change.message.as_deref()?)?;
        // Planted: whoever makes seeds that differ cannot compare them either.
        let is_known = seed.hash() == change.hash || planted::is(Bug::SeedNotDeterministic);
        is_known.then_some(seed)
    }

    /// Whether `actor` is reserved for seeds.
    #[must_use]
    pub fn is_seed_actor(actor: &Actor) -> bool {
        actor.0.starts_with(&ACTOR_PREFIX)
    }

    /// The note of the seed: `seed TYPE PATH`, where a root seed has the type `root` and its type's name as path.
    #[must_use]
    pub fn message(&self) -> String {
        format!("seed {} {}", self.kind(), self.subject())
    }

    /// `53 44`, then the first 14 bytes of BLAKE3 over `seed ␀ PATH ␀ TYPE` (UTF-8, each ␀ one zero byte). Neither part
    /// can contain a zero byte, so the input is unambiguous.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let mut hasher = blake3::Hasher::new();
        for part in ["seed", "\0", self.subject(), "\0", self.kind()] {
            hasher.update(part.as_bytes());
        }
        if planted::is(Bug::SeedNotDeterministic) {
            hasher.update(&drift().to_le_bytes()); // the actor differs every time
        }
        let mut actor = [0; Actor::LEN];
        actor[..2].copy_from_slice(&ACTOR_PREFIX);
        actor[2..].copy_from_slice(&hasher.finalize().as_bytes()[..14]);
        Actor(actor)
    }

    /// The seed itself.
    #[must_use]
    pub fn change(&self) -> Change {
        let actor = self.actor();
        let bytes = self.encode(actor);
        let (hash, message) = (hash_of(&bytes), Some(self.message()));
        let (deps, other_actors) = (Vec::new(), Vec::new());
        let header = Header { hash, actor, seq: 1, start_op: 1, ops: 1, deps, time: 0, message, other_actors };
        Change { header, bytes: bytes.into() }
    }

    /// The identity of the seed.
    #[must_use]
    pub fn hash(&self) -> ChangeHash {
        hash_of(&self.encode(self.actor()))
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Root { .. } => "root",
            Self::Text { .. } => "text",
            Self::Counter { .. } => "counter",
        }
    }

    fn subject(&self) -> &str {
        match self {
            Self::Root { type_name } => type_name,
            Self::Text { path } | Self::Counter { path } => path,
        }
    }

    /// The key in the root map that the seed's operation sets.
    pub(crate) fn stored_key(&self) -> String {
        match self {
            Self::Root { .. } => TYPE_KEY.to_owned(),
            Self::Text { path } => format!("{path}\0text"),
            Self::Counter { path } => format!("{path}\0counter"),
        }
    }

    pub(crate) fn from_message(message: &str) -> Option<Self> {
        let (kind, subject) = message.strip_prefix("seed ")?.split_once(' ')?;
        let path = || (pointer::check(subject).is_ok() && !subject.is_empty()).then(|| subject.to_owned());
        match kind {
            "root" => pointer::is_type_name(subject).then(|| Self::Root { type_name: subject.to_owned() }),
            "text" => Some(Self::Text { path: path()? }),
            "counter" => Some(Self::Counter { path: path()? }),
            _ => None,
        }
    }

    /// One operation without predecessors on a key of the root map, as Automerge encodes it.
    fn encode(&self, actor: Actor) -> Vec<u8> {
        // (kind of operation, kind of value with its length in the upper bits, value)
        let (action, value_kind, value) = match self {
            Self::Root { type_name } => (ACTION_PUT, VALUE_TEXT | (type_name.len() as u64) << 4, type_name.as_bytes()),
            Self::Text { .. } => (ACTION_MAKE_TEXT, 0, &[][..]),
            Self::Counter { .. } => (ACTION_PUT, VALUE_COUNTER | 1 << 4, &[0][..]),
        };
        let key = self.stored_key();
        let columns = [
            (0x15, single(|out| put_text(out, &key))),
            (0x34, vec![1]),
            (0x42, single(|out| out.push(action))),
            (0x56, single(|out| header::put_uleb(out, value_kind))),
            (0x57, value.to_vec()),
            (0x70, single(|out| out.push(0))),
        ];
        let mut data = vec![0, Actor::LEN as u8];
        data.extend_from_slice(&actor.0);
        data.extend_from_slice(&[1, 1, 0]); // seq, start of operations, time
        put_text(&mut data, &self.message());
        data.push(0); // other actors
        put_columns(&mut data, &columns);
        header::write_change_chunk(&data)
    }
}

const ACTION_PUT: u8 = 1;
const ACTION_MAKE_TEXT: u8 = 4;
const VALUE_TEXT: u64 = 6;
const VALUE_COUNTER: u64 = 8;

/// For the planted bug: another number every time.
pub(crate) fn drift() -> u64 {
    thread_local! {
        static CALLS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }
    CALLS.with(|calls| {
        calls.set(calls.get() + 1);
        calls.get()
    })
}

/// A run of one literal value.
fn single(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![0x7f];
    write(&mut out);
    out
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    header::put_uleb(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_columns(out: &mut Vec<u8>, columns: &[(u64, Vec<u8>)]) {
    let present = || columns.iter().filter(|(_, bytes)| !bytes.is_empty());
    header::put_uleb(out, present().count() as u64);
    for (spec, bytes) in present() {
        header::put_uleb(out, *spec);
        header::put_uleb(out, bytes.len() as u64);
    }
    present().for_each(|(_, bytes)| out.extend_from_slice(bytes));
}

fn hash_of(chunk: &[u8]) -> ChangeHash {
    use sha2::Digest as _;
    ChangeHash(sha2::Sha256::digest(&chunk[8..]).into())
}

/// Refuses a change that uses a reserved actor without being the seed that its note names.
pub(crate) fn verify(header: &Header) -> Result<(), HeaderError> {
    if Seed::is_seed_actor(&header.actor) && Seed::of(header).is_none() {
        return Err(HeaderError(Fault::FalseSeed(header.actor)));
    }
    Ok(())
}

const _: () = assert!(limits::SEED_MESSAGE_PREFIX_BYTES_MAX >= "seed counter ".len());
