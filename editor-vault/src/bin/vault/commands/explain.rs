//! `vault explain`: why a document is in the state it is in.

use std::fmt::Write as _;

use editor_vault::{Document, DocumentId, Explanation, ListFilter, Vault};
use serde_json::json;

use crate::commands::document;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(vault: &Vault, name: &str, output: &mut Output) -> Result<(), Failure> {
    let explanation = vault.explain(&find(vault, name)?)?;
    output.result(as_text(&explanation).trim_end(), &json!(explanation))
}

/// Deleted documents too: whoever asks why one is gone must get an answer.
fn find(vault: &Vault, name: &str) -> Result<Document, Failure> {
    let found = document::find(vault, name);
    if found.is_ok() {
        return found;
    }
    let all = vault.list(&ListFilter { include_deleted: true, ..ListFilter::default() })?;
    let id = name.parse::<DocumentId>().ok();
    let mut called = all.iter().filter(|info| Some(info.id) == id || info.title.as_deref() == Some(name));
    match (called.next(), called.next()) {
        (Some(info), None) => Ok(vault.document(info.space, info.id)?),
        _ => found,
    }
}

fn as_text(explanation: &Explanation) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12}{value}");
    };
    let Explanation { batches, changes, lane, .. } = explanation;
    line("document", format!("{} in space {}", explanation.document, explanation.space));
    line("type", explanation.type_name.clone().unwrap_or_else(|| "none".to_owned()));
    if let Some(title) = &explanation.title {
        line("title", title.clone());
    }
    line("exists", if explanation.deleted { "no, it is deleted" } else { "yes" }.to_owned());
    line("state", explanation.state.to_owned());
    if let Some(reason) = &explanation.held {
        line("held", reason.clone());
    }
    line(
        "batches",
        format!(
            "{} pending, {} stored, {} accepted, {} parked, {} quarantined, {} replaced, {} discarded",
            batches.pending,
            batches.stored,
            batches.accepted,
            batches.parked,
            batches.quarantined,
            batches.replaced,
            batches.discarded
        ),
    );
    for batch in &explanation.open_batches {
        let code = batch.code.map_or_else(String::new, |code| format!(" ({code})"));
        line("batch", format!("{} {}{code}: {}; {}", batch.batch, batch.state, batch.meaning, batch.remedy));
        if let Some(detail) = batch.detail.as_ref().filter(|detail| !detail.is_empty()) {
            line("", format!("the relay says: {detail}"));
        }
    }
    let closed = lane.closed_by.map_or_else(String::new, |batch| format!(" by batch {batch}"));
    line("lane", format!("{}{closed}, {} batches wait", lane.state, lane.waiting));
    if let Some(conflicts) = &explanation.conflicts {
        line(
            "conflicts",
            format!("{} wait for a person, {} were settled by rule", conflicts.open, conflicts.overruled),
        );
    }
    line(
        "changes",
        format!(
            "{} of {} actors, {} bytes; {} in the log, {} excluded",
            changes.rows, changes.actors, changes.bytes, changes.in_log, changes.excluded
        ),
    );
    match &explanation.relay {
        None => line("relay", "knows nothing of this space".to_owned()),
        Some(relay) => {
            let role = relay.role.unwrap_or("no access any more");
            let resume = relay.resume_point.as_deref().unwrap_or("nowhere");
            line("relay", format!("{role}; the log of the space is here up to {resume}"));
            if let Some(at) = &relay.last_accepted {
                line("", format!("last own batch accepted at {at}"));
            }
        }
    }
    for repair in &explanation.repairs {
        let excluded: Vec<String> = repair.excluded.iter().map(ToString::to_string).collect();
        let (dependents, anew) = (repair.dependents, repair.written_anew);
        let rest = format!("{dependents} changes rested on it, {anew} of them written anew");
        line("repaired", format!("at {}, without {}; {rest}", repair.position, excluded.join(", ")));
    }
    for snapshot in &explanation.snapshots {
        let (origin, state) = (snapshot.origin, snapshot.state);
        line("snapshot", format!("of the {origin}, {state}: {} changes, {} bytes", snapshot.changes, snapshot.bytes));
    }
    line("generation", explanation.generation.to_string());
    let _ = writeln!(text, "\n{}", explanation.summary);
    text
}
