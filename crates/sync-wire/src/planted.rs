//! Bugs that tests plant, one at a time, to see that the simulated world or the crash images would find them.
//!
//! Each is one line at the place where such a mistake would be made. Without the feature `planted`, which nothing that
//! ships enables, [`is`] is `false` at compile time and the lines vanish.

/// A mistake somebody could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The relay answers before the transaction that stores the batch has committed.
    AckBeforeCommit,
    /// A device takes the position of an ack as its resume point.
    CursorMovedByAck,
    /// The relay's session relies on hints and never looks by itself.
    HintLostWithoutPoll,
    /// A batch reaches the log in more than one transaction.
    BatchHalfAppended,
    /// Two devices make the same seed with different bytes.
    SeedNotDeterministic,
    /// The relay reads from its tail in memory where that does not reach back far enough.
    TailUsedWithGap,
    /// What was saved before the first login is never pushed.
    OutboxForgottenAfterLogin,
    /// A change that the log has already is appended again.
    DuplicateAppliedTwice,
    /// A device confirms what was delivered, and does not give its credit back.
    CreditLeaked,
    /// The resume point is committed apart from the entries that it covers.
    ResumePointOutsideTransaction,
    /// An ack is written with a position that is not its batch's.
    BrokenCodec,
    /// Another change under a name and number that the log has is acknowledged as if it were that one.
    EquivocationAcked,
    /// A change that rests on what the log lacks is stored.
    OrphanStored,
    /// A change gets its position in a space with other people before it was checked.
    UncheckedInTeam,
    /// A device gets its own entries without bytes, also those that it pushed on another connection.
    OwnEntriesWithoutBytes,
    /// The checksum of a stored change is not looked at.
    DamageBelieved,
    /// A repair loses what rested on the excluded change, instead of writing it anew.
    VoidWithoutReplacements,
    /// What is written anew gets an actor that is another one wherever that is done.
    ReplacementActorRandom,
    /// What rests on a change that had to go is left as it is.
    DependantsLeft,
    /// The relay deletes a document that has edits which the deletion did not know.
    ContestedDeletionApplied,
    /// A relay that lost its end begins anew with a device that knows more, and asks for nothing.
    NothingAskedBack,
    /// A relay believes any receipt.
    ReceiptBelieved,
    /// What was accepted at places that the log has lost stays accepted.
    LostStaysAccepted,
    /// The relay says that a batch is in the intake before the transaction that stores it has committed.
    StoredBeforeCommit,
    /// What rests on a refused batch of the intake waits on.
    DependantsStay,
    /// A batch that another one took the place of is pushed all the same.
    ReplacedPushedAgain,
    /// What is pending on changes that a repair excludes is left as it is.
    PendingOnVoidLeft,
    /// What a device pushed counts as its own, and comes back without bytes, also if it was skipped.
    SkippedCountsAsOwn,
    /// What a revoked device had yet to push is nobody's.
    NamesEndWithDevice,
    /// What is acknowledged is written and not flushed.
    FsyncSkipped,
    /// Where commits end with the deletion of a journal, that is not flushed.
    DeletionNotFlushed,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::AckBeforeCommit,
        Self::CursorMovedByAck,
        Self::HintLostWithoutPoll,
        Self::BatchHalfAppended,
        Self::SeedNotDeterministic,
        Self::TailUsedWithGap,
        Self::OutboxForgottenAfterLogin,
        Self::DuplicateAppliedTwice,
        Self::CreditLeaked,
        Self::ResumePointOutsideTransaction,
        Self::BrokenCodec,
        Self::EquivocationAcked,
        Self::OrphanStored,
        Self::UncheckedInTeam,
        Self::OwnEntriesWithoutBytes,
        Self::DamageBelieved,
        Self::VoidWithoutReplacements,
        Self::ReplacementActorRandom,
        Self::DependantsLeft,
        Self::ContestedDeletionApplied,
        Self::NothingAskedBack,
        Self::ReceiptBelieved,
        Self::LostStaysAccepted,
        Self::StoredBeforeCommit,
        Self::DependantsStay,
        Self::ReplacedPushedAgain,
        Self::PendingOnVoidLeft,
        Self::SkippedCountsAsOwn,
        Self::NamesEndWithDevice,
        Self::FsyncSkipped,
        Self::DeletionNotFlushed,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants `bug` on this thread, or with `None` none.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether `bug` is planted on this thread.
#[cfg(feature = "planted")]
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether `bug` is planted: never, in a build without the feature.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}
