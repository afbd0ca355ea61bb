//! What happens to a vault, at random. Documents and keys are named by small numbers, so that stories meet themselves.

use proptest::collection::vec;
use proptest::prelude::*;

/// The settings, of which there is always one, and two notes.
pub(super) const DOCUMENTS: usize = 3;
/// The settings.
pub(super) const SETTINGS: usize = 0;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Saved when it returns.
    Edit {
        document: usize,
        key: u8,
    },
    /// Saved some time later, or with the next edit that is.
    Defer {
        document: usize,
        key: u8,
    },
    Undo {
        document: usize,
    },
    Redo {
        document: usize,
    },
    /// Back to what an earlier edit of this vault had made of it.
    RestoreVersion {
        document: usize,
        version: usize,
    },
    ReadVersion {
        document: usize,
        version: usize,
    },
    Delete {
        document: usize,
    },
    Restore {
        document: usize,
    },
    /// Time passes, and what is due is done.
    Wait,
    Flush,
    /// Talks with the relay until nothing is left to say, logging in first if it never did.
    Sync,
    /// The connection is lost; the next sync begins with a new one.
    Disconnect,
    /// The relay judges pushes of this document so from now on.
    Judge {
        document: usize,
        judgement: Judgement,
    },
    /// The relay's limits are others: what it parked is worth pushing again.
    NewLimits,
    /// What is in the relay's intake gets its place.
    Settle,
    /// Another device writes into this document, in the log.
    Remote {
        document: usize,
        key: u8,
        changes: u8,
    },
    /// Another device deletes the document, in the log, and knows all that is there.
    DeleteElsewhere {
        document: usize,
    },
    /// Another device takes the deletion back, in the log.
    RestoreElsewhere {
        document: usize,
    },
    /// The relay purges the document, if it is deleted there.
    Purge {
        document: usize,
    },
    /// What is parked is said in one go, if anything is.
    Squash {
        document: usize,
    },
    /// Closes the vault and opens it again.
    Reopen,
    /// The process ends without warning.
    Crash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Take,
    Store,
    Park,
    /// The first edit that comes is refused, and every other one taken.
    RefuseNext,
}

fn step() -> impl Strategy<Value = Step> {
    let document = || 0..DOCUMENTS;
    let key = || 0..3_u8;
    let judgement = prop_oneof![
        2 => Just(Judgement::Take), 2 => Just(Judgement::Store),
        2 => Just(Judgement::Park), 2 => Just(Judgement::RefuseNext)
    ];
    prop_oneof![
        10 => (document(), key()).prop_map(|(document, key)| Step::Edit { document, key }),
        8 => (document(), key()).prop_map(|(document, key)| Step::Defer { document, key }),
        9 => document().prop_map(|document| Step::Undo { document }),
        5 => document().prop_map(|document| Step::Redo { document }),
        2 => (document(), any::<usize>())
            .prop_map(|(document, version)| Step::RestoreVersion { document, version }),
        3 => (document(), any::<usize>()).prop_map(|(document, version)| Step::ReadVersion { document, version }),
        2 => document().prop_map(|document| Step::Delete { document }),
        2 => document().prop_map(|document| Step::Restore { document }),
        2 => Just(Step::Wait),
        1 => Just(Step::Flush),
        10 => Just(Step::Sync),
        2 => Just(Step::Disconnect),
        6 => (document(), judgement).prop_map(|(document, judgement)| Step::Judge { document, judgement }),
        3 => Just(Step::NewLimits),
        2 => Just(Step::Settle),
        6 => (document(), key(), 1..4_u8)
            .prop_map(|(document, key, changes)| Step::Remote { document, key, changes }),
        3 => document().prop_map(|document| Step::DeleteElsewhere { document }),
        4 => document().prop_map(|document| Step::RestoreElsewhere { document }),
        1 => document().prop_map(|document| Step::Purge { document }),
        6 => document().prop_map(|document| Step::Squash { document }),
        2 => Just(Step::Reopen),
        2 => Just(Step::Crash),
    ]
}

/// What happens to a vault, from its beginning.
pub(super) fn story() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..60)
}
