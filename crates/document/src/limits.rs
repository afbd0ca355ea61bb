//! What a change, a seed, an intent and a document may hold at most: the one table of numbers of this crate.
//!
//! Each is tested at the limit and one past it. Numbers that travel on the wire are in `sync_wire::limits`.

/// Largest change in its canonical form, in bytes; also the cap while a compressed change is inflated.
pub const CHANGE_INFLATED_BYTES_MAX: usize = 16 << 20;
/// Most hashes that a change may depend on.
pub const DEPS_MAX: usize = 4096;
/// Most actors, besides its own, that a change may refer to.
pub const OTHER_ACTORS_MAX: usize = 4096;
/// Longest note in a change, in bytes. A seed's note may be longer by [`SEED_MESSAGE_PREFIX_BYTES_MAX`].
pub const MESSAGE_BYTES_MAX: usize = 1024;
/// Room for `seed counter ` before the path in the note of a seed.
pub const SEED_MESSAGE_PREFIX_BYTES_MAX: usize = 16;
/// Farthest time from 0, both ways. Automerge stores differences of times and panics when one exceeds 64 bits.
pub const TIME_MAX: u64 = 1 << 53;
/// Longest tail of a change that no rule describes, in bytes.
pub const EXTRA_BYTES_MAX: usize = 1024;
/// Most operations in one change.
pub const OPS_MAX: u64 = 100_000;
/// Most predecessors that the operations of one change may name together.
pub const PREDS_MAX: u64 = 400_000;
/// Largest operation counter. Automerge stores 32 bits and panics near their end.
pub const OP_COUNTER_MAX: u64 = (1 << 31) - 1;
/// How far a change may start beyond the newest operation of its document.
pub const START_OP_SLACK: u64 = 65_536;

/// Deepest nesting of objects created by a change.
pub const OBJECT_DEPTH_MAX: usize = 64;
/// Most heads of a document.
pub const HEADS_MAX: usize = 1024;
/// Most ancestors that are searched for an actor's previous change.
pub const ANCESTORS_WALK_MAX: usize = 10_000;
/// Largest snapshot after inflating its columns, in bytes.
pub const SNAPSHOT_INFLATED_BYTES_MAX: usize = 256 << 20;
/// Most operations in a document.
pub const DOCUMENT_OPS_MAX: u64 = 5_000_000;

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 1024;
/// Longest name of a document type, in bytes.
pub const TYPE_NAME_BYTES_MAX: usize = 64;
/// Deepest nesting of a JSON value that is stored or of a path.
pub const VALUE_DEPTH_MAX: usize = 64;
/// Largest leaf that is stored as one register (a string, an array), in bytes.
pub const REGISTER_BYTES_MAX: usize = 256 << 10;
/// Largest text in one intent, in bytes.
pub const INSERT_BYTES_MAX: usize = 16 << 20;
/// Largest step of a counter, up or down: integers beyond it are not exact in JavaScript.
pub const COUNTER_STEP_MAX: u64 = 1 << 53;
/// Most seeds between two changes, so that a change never depends on more than these at once.
pub const SEED_GROUP_MAX: usize = 128;
