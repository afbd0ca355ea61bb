//! `sync-server explain`: why a document is in the state it is in, from storage alone.

use std::fmt::Write as _;
use std::process::ExitCode;

use relay_storage::{Deletion, Explanation, IntakeState, QuarantinePage, QuarantineQuery};
use serde_json::{Value, json};
use sync_wire::log::EntryKind;
use sync_wire::{ChangeHash, DocumentId};

use super::{Admin, CommandError, Outcome, say, shown_time, space};

/// Heads that people are shown; JSON has all.
const HEADS_SHOWN: usize = 8;
/// Refused changes that are named, the newest first.
const REFUSED_SHOWN: usize = 20;

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of the space, or its name if only one space has it
    space: String,
    /// Id of the document
    document: DocumentId,
    /// Write the explanation as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(admin: Admin, args: Args) -> Outcome {
    let space = space::find(&admin, &args.space).await?;
    let found = admin.storage.explain(space.id, args.document).await;
    let found = found.map_err(|error| CommandError::new(error.code(), error.to_string()))?;
    let of_it = QuarantineQuery { space: Some(space.id), document: Some(args.document), ..Default::default() };
    let refused = admin.storage.quarantine(of_it, REFUSED_SHOWN).await?;
    let waiting = admin.storage.intake_of(space.id, args.document).await?;
    let Some(explanation) = found else {
        if let Some(waiting) = waiting {
            return only_waiting(&args, &waiting);
        }
        let why = match refused.changes.first() {
            Some(last) => format!("what was pushed of it was refused, last because {}", last.detail),
            None => "look in another space".to_owned(),
        };
        let detail = format!(
            "space {} has no entry of a document {}: nothing of it was ever appended there; {why}",
            space.id, args.document
        );
        return Err(CommandError::new("document_unknown", detail));
    };
    if args.json {
        say(format_args!("{:#}", as_json(&explanation, &refused, waiting.as_ref())))?;
    } else {
        say(as_text(&explanation, &refused, waiting.as_ref()).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A document of which nothing is in the log yet.
fn only_waiting(args: &Args, waiting: &IntakeState) -> Outcome {
    let summary = format!("It has no entry yet: {}", waits(waiting));
    if args.json {
        let explained = json!({ "document": args.document.to_string(), "log": null,
            "intake": intake_json(waiting), "summary": summary });
        say(format_args!("{explained:#}"))?;
    } else {
        let lines: String = intake_lines(waiting).map(|line| format!("{:<12}{line}\n", "intake")).collect();
        say(format_args!("{:<12}{}\n{lines}\n{summary}", "document", args.document))?;
    }
    Ok(ExitCode::SUCCESS)
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
