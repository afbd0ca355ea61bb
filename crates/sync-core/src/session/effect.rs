//! What a session wants done.

use sync_wire::{
    BatchId, Checkpoint, Cursor, DeviceId, DocumentId, Goodbye, LogPosition, RelayFrame, Run, ShowPresence, SpaceId,
};

use super::{BootstrapCursor, Pushed};

/// What the shell must do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Write a frame. Waiting until the socket takes it is the back-pressure.
    Send(RelayFrame),
    /// Bind the device to the account of the connection, list grants, compare cursors with logs.
    Authorize {
        /// The device.
        device: DeviceId,
        /// Its program.
        agent: String,
        /// Which of its connections this is.
        attempt: Option<u64>,
        /// Where it stands.
        cursors: Vec<Cursor>,
    },
    /// List the grants again.
    Regrant {
        /// The device.
        device: DeviceId,
    },
    /// Judge and append batches of one document in order, all that precede the first failure.
    Append {
        /// The space.
        space: SpaceId,
        /// The document.
        document: DocumentId,
        /// The device whose credentials carried them.
        device: DeviceId,
        /// The batches.
        batches: Vec<Pushed>,
    },
    /// Read what became of batches that this device has in the intake of a space.
    ReadOutcomes {
        /// The space.
        space: SpaceId,
        /// The device.
        device: DeviceId,
        /// The batches.
        batches: Vec<(DocumentId, BatchId)>,
    },
    /// Find the highest of these places that is one of the log.
    FindAncestor {
        /// The space.
        space: SpaceId,
        /// Ascending.
        checkpoints: Vec<Checkpoint>,
    },
    /// Judge offered entries, and append what the log lacks of them.
    TakeRun {
        /// The space.
        space: SpaceId,
        /// The entries.
        run: Run,
    },
    /// Find where the log goes on for a device that knows these places.
    EndOffer {
        /// The space.
        space: SpaceId,
        /// Ascending.
        checkpoints: Vec<Checkpoint>,
    },
    /// Read the entries after a place, about `bytes_target` of them, ending at a batch end.
    ReadLog {
        /// The space.
        space: SpaceId,
        /// Where to begin.
        after: LogPosition,
        /// Roughly how much.
        bytes_target: usize,
    },
    /// Read whole documents.
    ReadBootstrap {
        /// The space.
        space: SpaceId,
        /// Where to begin.
        from: BootstrapCursor,
        /// Roughly how much.
        bytes_target: usize,
    },
    /// Send hints of this space from now on, the first one at once.
    Follow {
        /// The space.
        space: SpaceId,
    },
    /// Send none any more.
    Unfollow {
        /// The space.
        space: SpaceId,
    },
    /// Show the others in a document where this device's person is, or that it has left.
    Show {
        /// The device.
        device: DeviceId,
        /// What it showed. Its space is granted.
        presence: ShowPresence,
    },
    /// Hint the end of every followed space, from storage: heals a lost hint.
    Poll,
    /// Write this frame if the socket takes it soon, then close. Always the last effect.
    Close(Goodbye),
}
