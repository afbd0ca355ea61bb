//! What the client is told, and the answers that a shell gives to its effects.

#[cfg(doc)]
use super::{Client, Effect};
use sync_wire::{BatchId, Checkpoint, Content, Cursor, DocumentId, RelayFrame, Run, ShowPresence, SpaceId};

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Nothing answered: no route, nobody who listens, or silence.
    Unreached,
    /// Something answered, and cannot serve now.
    TurnedAway,
    /// These credentials will not do: a person must act.
    Denied,
}

/// What happened. The answers to the effects of one connection are fed back before the next [`Effect::Connect`] is
/// performed, so that no answer can be taken for that of another connection.
#[derive(Debug, Clone)]
pub enum Input {
    /// Begin (again) to keep a connection.
    Start,
    /// Close and stay closed.
    Stop,
    /// Answers [`Effect::Connect`].
    Connected,
    /// Answers [`Effect::Connect`].
    ConnectFailed {
        /// What decides when to try again, if at all.
        obstacle: Obstacle,
        /// A sentence for people.
        detail: String,
    },
    /// The connection ended.
    Closed {
        /// A sentence for people.
        detail: String,
    },
    /// The relay sent a frame.
    Frame(RelayFrame),
    /// Answers [`Effect::ReadCursors`].
    Cursors {
        /// Where the device stands.
        cursors: Vec<Cursor>,
        /// Milliseconds since 1970 by its clock, which numbers its connections over all of its processes.
        clock: u64,
    },
    /// Something was saved, or a lane was unparked: the outbox may have grown.
    Saved,
    /// Answers [`Effect::ReadOutbox`]: pending batches of open lanes in spaces that the relay knows, in the order in
    /// which they were saved.
    Outbox {
        /// The batches.
        batches: Vec<OutboxBatch>,
        /// Whether there are more after the last of them.
        more: bool,
    },
    /// Answers [`Effect::ApplyGrants`], [`Effect::ApplyGrant`] and [`Effect::ApplyLimits`]: where the device stands now
    /// in every granted space.
    GrantsApplied(Vec<Cursor>),
    /// Answers [`Effect::CommitDelivery`] and [`Effect::CommitBootstrap`]: durable.
    Committed {
        /// Where the device stands now.
        cursor: Cursor,
        /// What it meant for lanes that were closed.
        lanes: Lanes,
    },
    /// Answers [`Effect::CommitDelivery`] and [`Effect::CommitBootstrap`]: what the relay sent is not what it can have
    /// (a broken chain, a wrong hash). Nothing was stored.
    Rejected {
        /// For the log and for people.
        detail: String,
    },
    /// Answers [`Effect::ReadCheckpoints`].
    Checkpoints {
        /// The space.
        space: SpaceId,
        /// Ascending; at most [`sync_wire::limits::CHECKPOINTS_MAX`].
        checkpoints: Vec<Checkpoint>,
    },
    /// Answers [`Effect::ReadRun`].
    Run {
        /// The space.
        space: SpaceId,
        /// The entries; none if the vault has nothing after that place.
        run: Option<Run>,
    },
    /// Answers [`Effect::Supply`]: batches that contain the needed changes, or nothing.
    Supplied {
        /// The space.
        space: SpaceId,
        /// The document.
        document: DocumentId,
        /// To be pushed before the lane goes on; empty if a needed change is not here.
        batches: Vec<OutboxBatch>,
    },
    /// Show others where this person is, if anybody is there to show it to: without an answer, and forgotten otherwise.
    Show(ShowPresence),
    /// The vault could not read or write; nothing that was asked for and not answered has happened for sure.
    Failed {
        /// For the log and for people.
        detail: String,
    },
    /// [`Client::next_timeout`] has passed.
    Timeout,
}

/// What a commit means for lanes that were closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lanes {
    /// Nothing.
    #[default]
    Unchanged,
    /// What was parked is pending again, anywhere in the outbox: a document was restored, say, or what a batch rests on
    /// has come.
    Opened,
}

impl Lanes {
    /// `Opened` if that many batches are pending again.
    #[must_use]
    pub const fn opened(batches: usize) -> Self {
        if batches > 0 { Self::Opened } else { Self::Unchanged }
    }

    /// What two commits mean together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match self {
            Self::Opened => Self::Opened,
            Self::Unchanged => other,
        }
    }
}

/// A sealed batch, as saved.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxBatch {
    /// Its place in the order of saving; strictly ascending within an answer.
    pub order: u64,
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// Its id.
    pub batch: BatchId,
    /// What it does.
    pub content: Content,
}

impl OutboxBatch {
    /// Bytes of its changes, for credit.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        match &self.content {
            Content::Changes(changes) => changes.iter().map(|change| change.len()).sum(),
            Content::Tombstone(heads) => heads.len() * 32,
            Content::Restore => 0,
        }
    }
}
