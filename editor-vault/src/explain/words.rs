//! What the states and codes of edits mean, in plain words, and what a person can do.

use sync_wire::FateCode;

use super::Explanation;
use crate::storage::BatchState;

/// What became of a batch, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) meaning: &'static str,
    pub(crate) remedy: &'static str,
}

const NOTHING: &str = "nothing needs to be done";

impl Words {
    pub(crate) fn of(state: BatchState, code: Option<FateCode>) -> Self {
        let (meaning, remedy) = match state {
            BatchState::Pending => ("saved here, not answered by the relay yet", "it is sent with the next sync"),
            BatchState::Stored => ("durable at the relay, which has yet to check it", NOTHING),
            BatchState::Accepted => ("in the log of its space", NOTHING),
            BatchState::Replaced => ("refused, and said again by another batch, or nothing of it was left", NOTHING),
            BatchState::Discarded => ("thrown away by a person", NOTHING),
            BatchState::Parked | BatchState::Quarantined => return Self::of_code(code),
        };
        Self { meaning, remedy }
    }

    fn of_code(code: Option<FateCode>) -> Self {
        let (meaning, remedy) = match code.unwrap_or(FateCode(0)) {
            FateCode::UNDECODABLE => ("the relay cannot read it", COPY),
            FateCode::DANGEROUS => ("it would damage the document for everybody", COPY),
            FateCode::EQUIVOCATION => ("another edit was accepted under the same name and number", COPY),
            FateCode::WITH => ("it rests on an edit that was refused", COPY),
            FateCode::GONE => ("the document was purged", COPY),
            FateCode::AUTHORITY => {
                ("the relay alone writes this document", "ask the relay over HTTP for what is to change")
            }
            FateCode::VOID => ("a repair of the document took it out of the log", COPY),
            FateCode::GRANT => {
                ("the account may not write in this space", "ask an owner of the space for write access")
            }
            FateCode::DEVICE => ("this device may not write for the account", "log in again on this device"),
            FateCode::QUOTA => ("the quota is used up", "free room in the account, or have the quota raised"),
            FateCode::SIZE => {
                ("it is larger than the relay takes", "make the document smaller, or have the limit raised")
            }
            FateCode::SCHEMA => ("its type is newer than the relay knows", "wait until the relay is upgraded"),
            FateCode::CONTESTED => (
                "it deletes edits that its author had not seen",
                "look at them, then `vault contested delete` or `vault contested keep`",
            ),
            FateCode::DELETED => ("the document was deleted elsewhere", "restore the document, or copy what you need"),
            FateCode::MISSING => {
                ("it rests on edits that nobody could supply", "sync the device that made those edits")
            }
            FateCode::HEADS => ("too many devices edited it at once without seeing each other", "sync, then edit once"),
            FateCode::NO_SUCH_SPACE => ("the relay shows no such space to this account", "ask to be let in again"),
            FateCode::BRAKE => (
                "very many documents were deleted within an hour",
                "let the deletions go with `vault brake release`, or take them back with `vault brake undo`",
            ),
            FateCode::SQUASHED => ("it was said in one go with others, so that there is room for it", NOTHING),
            FateCode::HELD => ("the document is held at the relay", "its owner lets it go on with `vault repair`"),
            _ => ("the relay gave a reason that this program does not know", "install a newer release, then sync"),
        };
        Self { meaning, remedy }
    }
}

const COPY: &str = "copy what you need from it into the document; it is kept here until then";

/// The stable word for where a batch stands.
pub(super) const fn state(state: BatchState) -> &'static str {
    match state {
        BatchState::Pending => "pending",
        BatchState::Stored => "stored",
        BatchState::Accepted => "accepted",
        BatchState::Parked => "parked",
        BatchState::Quarantined => "quarantined",
        BatchState::Replaced => "replaced",
        BatchState::Discarded => "discarded",
    }
}

/// The sentences that a person needs most: the first thing that is not as it should be, else that all is well.
pub(super) fn summary(explanation: &Explanation) -> String {
    let mut sentences = vec![most_important(explanation)];
    if let Some(open) = explanation.conflicts.map(|conflicts| conflicts.open).filter(|open| *open > 0) {
        sentences.push(format!("{open} fields wait for a person: `vault conflicts` lists them."));
    }
    if explanation.unsaved {
        sentences.push("Some edits are in memory only; they are saved in a moment.".into());
    }
    if explanation.deleted {
        sentences.push("It is deleted; `vault undelete` brings it back for 30 days.".into());
    }
    sentences.join(" ")
}

fn most_important(explanation: &Explanation) -> String {
    let Explanation { batches, relay, lane, .. } = explanation;
    let first = |state: &str| explanation.open_batches.iter().find(|batch| batch.state == state);
    if let Some(reason) = &explanation.held {
        return format!(
            "It is held and can only be read, because {reason}; its owner lets it go on with `vault repair`."
        );
    }
    if explanation.snapshots.iter().any(|snapshot| snapshot.state == "given_up") {
        return "The relay's snapshot of it does not load, so its entries are fetched again: sync.".into();
    }
    let Some(relay) = relay else {
        return "It is saved on this device only, because no relay knows its space: log in with `vault login`.".into();
    };
    if let Some(batch) = first("parked") {
        let (meaning, remedy) = (batch.meaning, batch.remedy);
        return format!("{} batches wait here, because {meaning}; {remedy}.", lane.waiting);
    }
    if let Some(batch) = first("quarantined") {
        let (meaning, remedy) = (batch.meaning, batch.remedy);
        return format!("{} batches were refused, because {meaning}; {remedy}.", batches.quarantined);
    }
    if relay.role.is_none() {
        return "The account may not read its space any more; what is here stays. Ask an owner of the space.".into();
    }
    if relay.awaits_bootstrap {
        return "It is still being fetched from the relay: sync.".into();
    }
    match (batches.pending, batches.stored) {
        (0, 0) => "Everything is exchanged with the relay.".into(),
        (0, stored) => format!("{stored} batches are safe at the relay, which has yet to check them."),
        (pending, _) => format!("{pending} batches are saved here and wait to be sent: sync."),
    }
}
