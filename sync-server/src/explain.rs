//! Why a document is in the state it is in, from storage alone: for people as text, for programs as JSON. The command
//! `explain` and the operator's pages say the same.

use std::fmt::Write as _;

use relay_storage::{
    Deletion, Explanation, IntakeState, QuarantinePage, QuarantineQuery, ReadError, Storage, StorageError,
};
use serde_json::{Value, json};
use sync_wire::log::EntryKind;
use sync_wire::{ChangeHash, DocumentId, SpaceId};

/// Heads that people are shown; JSON has all.
const HEADS_SHOWN: usize = 8;
/// Refused changes that are named, the newest first.
const REFUSED_SHOWN: usize = 20;

/// All that is known of a document.
#[derive(Debug)]
pub struct Explained {
    space: SpaceId,
    document: DocumentId,
    /// Nothing of it is in the log if there is none.
    found: Option<Box<Explanation>>,
    refused: QuarantinePage,
    waiting: Option<IntakeState>,
}

/// Why there is nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// Nothing of it was ever kept.
    #[error("space {space} has no entry of a document {document}: nothing of it was ever appended there; {why}")]
    Unknown {
        /// Where it was looked for.
        space: SpaceId,
        /// What was.
        document: DocumentId,
        /// What is known nevertheless, or what to do.
        why: String,
    },
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ExplainError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "document_unknown",
            Self::Read(error) => error.code(),
            Self::Storage(error) => error.code(),
        }
    }
}

impl Explained {
    /// Asks storage for all of it.
    ///
    /// # Errors
    /// [`ExplainError`]
    pub async fn of(storage: &Storage, space: SpaceId, document: DocumentId) -> Result<Self, ExplainError> {
        let found = storage.explain(space, document).await?.map(Box::new);
        let of_it = QuarantineQuery { space: Some(space), document: Some(document), ..Default::default() };
        let refused = storage.quarantine(of_it, REFUSED_SHOWN).await?;
        let waiting = storage.intake_of(space, document).await?;
        if found.is_none() && waiting.is_none() {
            let why = match refused.changes.first() {
                Some(last) => format!("what was pushed of it was refused, last because {}", last.detail),
                None => "look in another space".to_owned(),
            };
            return Err(ExplainError::Unknown { space, document, why });
        }
        Ok(Self { space, document, found, refused, waiting })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        match (&self.found, &self.waiting) {
            (Some(found), waiting) => as_text(found, &self.refused, waiting.as_ref()).trim_end().to_owned(),
            (None, Some(waiting)) => {
                let lines: String = intake_lines(waiting).map(|line| format!("{:<12}{line}\n", "intake")).collect();
                format!("{:<12}{}\n{lines}\n{}", "document", self.document, only_waits(waiting))
            }
            (None, None) => String::new(),
        }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        match (&self.found, &self.waiting) {
            (Some(found), waiting) => as_json(found, &self.refused, waiting.as_ref()),
            (None, waiting) => json!({
                "space": self.space.to_string(), "document": self.document.to_string(), "log": null,
                "intake": waiting.as_ref().map(intake_json), "summary": waiting.as_ref().map(only_waits),
            }),
        }
    }
}

/// Nothing of it is in the log yet.
fn only_waits(waiting: &IntakeState) -> String {
    format!("It has no entry yet: {}", waits(waiting))
}

fn waits(waiting: &IntakeState) -> String {
    match waiting.batches {
        1 => "1 batch waits for its check, which happens while the relay runs.".to_owned(),
        batches => format!("{batches} batches wait for their check, which happens while the relay runs."),
    }
}

/// A line for all, then one for each of the first.
fn intake_lines(waiting: &IntakeState) -> impl Iterator<Item = String> {
    let leased = waiting.leased_until.map_or("nobody checks them".to_owned(), |until| {
        format!("being checked, by a lease until {}", shown_time(until))
    });
    let total = format!("{} batches of {} bytes wait; {leased}", waiting.batches, waiting.bytes);
    std::iter::once(total).chain(waiting.first.iter().map(|batch| {
        let (kind, since) = (kind_name(batch.kind), shown_time(batch.stored_at));
        let whose = format!("device {} ({})", batch.device, batch.account);
        format!(
            "batch {} of {whose}, since {since}: {kind}, {} changes, {} bytes",
            batch.batch, batch.changes, batch.bytes
        )
    }))
}

fn intake_json(waiting: &IntakeState) -> Value {
    json!({ "batches": waiting.batches, "bytes": waiting.bytes, "leased_until": waiting.leased_until.map(shown_time),
        "first": waiting.first.iter().map(|batch| json!({
            "batch": batch.batch.to_string(), "kind": kind_name(batch.kind), "device": batch.device.to_string(),
            "account": batch.account, "since": shown_time(batch.stored_at), "changes": batch.changes,
            "bytes": batch.bytes })).collect::<Vec<_>>() })
}

/// The sentence that a person needs most.
fn summary(explanation: &Explanation, waiting: Option<&IntakeState>) -> String {
    let state = &explanation.state;
    if let Err(detail) = &explanation.tips {
        return format!(
            "What is kept of its heads is damaged ({detail}), so nothing can be appended; stop the relay and run \
             `sync-server verify --rebuild`."
        );
    }
    if let Some(reason) = &state.held {
        let since = explanation.first_unchecked.map_or_else(
            || "now".to_owned(),
            |entry| format!("entry {} of {}", entry.position, shown_time(entry.appended_at)),
        );
        return format!(
            "Held since {since}, because {reason}; it can be read as it was at {} and not be written. `sync-server repair {} \
             {} --dry-run` shows what would have to go.",
            state.checked, state.space, state.document
        );
    }
    let deleted = match &explanation.deletion {
        Some(deletion) => format!(" It was deleted at {}; a restore takes that back.", shown_deletion(deletion)),
        None => String::new(),
    };
    match explanation.unchecked {
        0 if waiting.is_some() => format!("{}{deleted}", waiting.map(waits).unwrap_or_default()),
        0 => format!("Everything is checked.{deleted}"),
        1 => format!("1 entry waits for its check, which happens while the relay runs.{deleted}"),
        waiting => format!("{waiting} entries wait for their check, which happens while the relay runs.{deleted}"),
    }
}

fn as_text(explanation: &Explanation, refused: &QuarantinePage, waiting: Option<&IntakeState>) -> String {
    let Explanation { state, limits, .. } = explanation;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12}{value}");
    };
    line("document", format!("{} in space {}", state.document, state.space));
    line("type", state.type_name.clone().unwrap_or_else(|| "none".to_owned()));
    line("exists", if state.deleted { "no, it is deleted" } else { "yes" }.to_owned());
    let (first, last) = explanation.appended_at;
    line("log", format!("entries {} ({}) to {} ({})", state.first, shown_time(first), state.end, shown_time(last)));
    line("checked", format!("up to {}, {} entries behind", state.checked, explanation.unchecked));
    waiting.into_iter().flat_map(intake_lines).for_each(|waits| line("intake", waits));
    if let Some(reason) = &state.held {
        line("held", reason.clone());
    }
    match &explanation.tips {
        Ok(tips) => {
            line("heads", shown_heads(&tips.heads));
            line("actors", format!("{}, largest operation {}", tips.actors, tips.max_op));
        }
        Err(detail) => line("heads", format!("damaged: {detail}")),
    }
    line(
        "snapshot",
        state.snapshot.map_or_else(
            || "none".to_owned(),
            |snapshot| {
                let tail = state.tail_entries;
                format!("covers entries up to {}, {} bytes; {tail} entries after it", snapshot.covers, snapshot.bytes)
            },
        ),
    );
    line(
        "projection",
        explanation.projection.map_or_else(
            || "none".to_owned(),
            |projection| format!("of {}, {} bytes", projection.position, projection.bytes),
        ),
    );
    if let Some(conflicts) = explanation.conflicts {
        line("conflicts", format!("{conflicts} fields wait for a person"));
    }
    for (kind, count) in &explanation.kinds {
        line("kind", format!("{count} {}", kind_name(*kind)));
    }
    for writer in &explanation.contributors {
        let account = writer.account.as_deref().unwrap_or("unknown account");
        let wrote = format!("{} entries, {} bytes, last at {}", writer.entries, writer.bytes, writer.last);
        line("device", format!("{} ({account}): {wrote}", writer.device));
    }
    if explanation.contributors_left_out > 0 {
        line("", format!("and {} more devices", explanation.contributors_left_out));
    }
    for repair in explanation.voids.iter().flatten() {
        let (void, time) = (&repair.void, shown_time(repair.appended_at));
        let kept = void.replacements().count();
        let rest = format!("{} that rested on it, {kept} of them written anew", void.dependents.len());
        let names: Vec<String> = void.excluded.iter().map(ToString::to_string).collect();
        line("repaired", format!("at {} ({time}), without {}, and {rest}", repair.position, names.join(", ")));
    }
    if let Err(detail) = &explanation.voids {
        line("repaired", format!("damaged: {detail}"));
    }
    for change in &refused.changes {
        let (time, code) = (shown_time(change.decided_at), change.code.name());
        line("refused", format!("{} of device {} ({time}), {code}: {}", change.hash, change.device, change.detail));
    }
    if refused.next.is_some() {
        line("", "and more; `sync-server quarantine list` has all".to_owned());
    }
    line("entries", format!("{} of {}", state.entries, limits.document_entries_max));
    line("operations", format!("{} of {}", state.ops, limits.document_ops_max));
    line("bytes", format!("{} of {}", state.bytes, limits.document_bytes_max));
    let _ = writeln!(text, "\n{}", summary(explanation, waiting));
    text
}

fn as_json(explanation: &Explanation, refused: &QuarantinePage, waiting: Option<&IntakeState>) -> Value {
    let Explanation { state, limits, .. } = explanation;
    let tips = explanation.tips.as_ref();
    let heads = tips.map(|tips| tips.heads.iter().map(ToString::to_string).collect::<Vec<_>>()).ok();
    let kinds: serde_json::Map<String, Value> =
        explanation.kinds.iter().map(|(kind, count)| (kind_name(*kind).to_owned(), json!(count))).collect();
    let devices: Vec<Value> = explanation
        .contributors
        .iter()
        .map(|writer| {
            json!({ "device": writer.device.to_string(), "account": writer.account, "entries": writer.entries,
                "bytes": writer.bytes, "last": writer.last.0 })
        })
        .collect();
    let deletion = explanation.deletion.as_ref().map(|deletion| {
        json!({ "position": deletion.place.position.0, "at": shown_time(deletion.place.appended_at),
            "device": deletion.device.to_string(),
            "heads": deletion.heads.iter().map(ToString::to_string).collect::<Vec<_>>() })
    });
    json!({
        "space": state.space.to_string(), "document": state.document.to_string(), "type": state.type_name,
        "deleted": state.deleted, "deletion": deletion,
        "log": { "epoch": state.end.epoch.to_string(), "first": state.first.0, "last": state.end.position.0,
            "checked": state.checked.0, "unchecked": explanation.unchecked,
            "first_appended_at": shown_time(explanation.appended_at.0),
            "last_appended_at": shown_time(explanation.appended_at.1) },
        "held": state.held, "heads": heads, "damage": tips.err(),
        "actors": tips.map(|tips| tips.actors).ok(), "operation_max": tips.map(|tips| tips.max_op).ok(),
        "snapshot": state.snapshot.map(|snapshot| json!({ "covers": snapshot.covers.0, "bytes": snapshot.bytes })),
        "projection": explanation.projection
            .map(|projection| json!({ "position": projection.position.0, "bytes": projection.bytes })),
        "conflicts": explanation.conflicts,
        "repairs": explanation.voids.as_ref().ok().map(|voids| voids.iter().map(|repair| json!({
            "position": repair.position.0, "at": shown_time(repair.appended_at), "hash": repair.hash.to_string(),
            "excluded": repair.void.excluded.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "dependents": repair.void.dependents.iter().map(|one| json!({ "hash": one.change.to_string(),
                "replaced_by": one.by.map(|by| by.to_string()) })).collect::<Vec<_>>() })).collect::<Vec<_>>()),
        "refused": refused.changes.iter().map(|change| json!({
            "hash": change.hash.to_string(), "device": change.device.to_string(), "code": change.code.name(),
            "culprit": change.culprit.map(|culprit| culprit.to_string()), "detail": change.detail,
            "at": shown_time(change.decided_at) })).collect::<Vec<_>>(),
        "kinds": kinds, "devices": devices, "devices_left_out": explanation.contributors_left_out,
        "used": { "entries": state.entries, "operations": state.ops, "bytes": state.bytes },
        "limits": { "entries": limits.document_entries_max, "operations": limits.document_ops_max,
            "bytes": limits.document_bytes_max },
        "intake": waiting.map(intake_json), "summary": summary(explanation, waiting),
    })
}

fn shown_deletion(deletion: &Deletion) -> String {
    let Deletion { place, device, .. } = deletion;
    format!("entry {} of {} by device {device}", place.position, shown_time(place.appended_at))
}

fn shown_heads(heads: &[ChangeHash]) -> String {
    let mut shown: Vec<String> = heads.iter().take(HEADS_SHOWN).map(ToString::to_string).collect();
    if heads.len() > HEADS_SHOWN {
        shown.push(format!("and {} more", heads.len() - HEADS_SHOWN));
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join(" ") }
}

const fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Change => "change",
        EntryKind::Void => "void",
        EntryKind::Tombstone => "tombstone",
        EntryKind::Restore => "restore",
        EntryKind::Erased => "erased",
    }
}

/// A time as people and machines read it, to the second.
pub(crate) fn shown_time(unix_milliseconds: i64) -> String {
    let seconds = unix_milliseconds.div_euclid(1000);
    let time = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_else(|_| seconds.to_string())
}
