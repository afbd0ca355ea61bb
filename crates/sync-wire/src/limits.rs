//! The limits of protocol version 1. Both sides know them; `Welcome` can only announce smaller ones.

use std::time::Duration;

/// The version this crate speaks. `symphony-vault.1` is also the WebSocket subprotocol.
pub const WIRE_VERSION: u16 = 1;
/// The WebSocket subprotocol offered and required at the upgrade.
pub const SUBPROTOCOL: &str = "symphony-vault.1";

/// Largest frame, and largest WebSocket message, in bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of CBOR arrays and maps in a frame.
pub const CBOR_DEPTH_MAX: usize = 8;

/// Largest change that a vault authors, in bytes; a larger edit becomes several changes.
pub const AUTHORED_CHANGE_BYTES_MAX: usize = 512 << 10;
/// Largest change that travels in one frame: the frame less room for its envelope.
pub const CHANGE_BYTES_MAX: usize = FRAME_BYTES_MAX - 4096;
/// Largest number of changes in one batch. All of a batch become entries at once, in the relay as in each vault, and
/// whoever else writes there waits so long. A vault's batch has one.
pub const BATCH_CHANGES_MAX: usize = 512;
/// Largest number of changes that rest on those that one void excludes.
pub const VOID_DEPENDENTS_MAX: usize = 4096;
/// Largest number of spaces in one `Hello` or `Welcome`.
pub const SPACES_MAX: usize = 4096;
/// Largest number of hashes in one `Need` and in the heads of a tombstone.
pub const HASHES_MAX: usize = 4096;
/// Largest number of checkpoints in one offer; a device with more names its newest.
pub const CHECKPOINTS_MAX: usize = 4096;
/// Largest text in a frame (agent names, details of a refusal), in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Pushes that a device may have unanswered on one connection: the initial credit. So many that a relay which commits
/// what has queued pays one flush for hundreds of small changes, and few enough that the answers to all of them fit the
/// room that is reserved for answers.
pub const PUSH_CREDIT: u32 = 256;
/// Bytes of pushed changes that a device may have unanswered on one connection.
pub const PUSH_CREDIT_BYTES: usize = 4 << 20;
/// Deliveries that a relay may have unconfirmed on one connection.
pub const DELIVER_CREDIT: u32 = 8;

/// Target size of one delivery, in bytes: large enough to amortise a commit, small enough to interleave.
pub const DELIVER_BYTES_TARGET: usize = 256 << 10;
/// Largest part of a snapshot in one frame, in bytes.
pub const SNAPSHOT_PART_BYTES_MAX: usize = 768 << 10;

/// Largest content of a presence, in bytes.
pub const PRESENCE_BYTES_MAX: usize = 1024;
/// Documents that a device may be shown in at once; in a further one it is shown to nobody.
pub const PRESENCE_DOCUMENTS_MAX: usize = 16;
/// Devices that are shown in one document at once; a further one is shown to nobody, and shown nobody.
pub const PRESENCE_PARTICIPANTS_MAX: usize = 64;
/// Presences that a device may show in a second, over some time; what is more is lost.
pub const PRESENCE_PER_SECOND: u32 = 10;
/// How long a presence lasts that is not shown again.
pub const PRESENCE_LASTS: Duration = Duration::from_secs(30);

/// How long a relay waits for the first `Hello`.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// A side that has sent nothing for this long sends a ping.
pub const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A side that has heard nothing for this long gives the connection up.
pub const DEAD_AFTER: Duration = Duration::from_secs(45);
