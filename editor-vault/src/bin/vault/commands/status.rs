//! `vault status` and `vault spaces`: where the vault and its documents stand, from the file alone.

use std::collections::BTreeMap;

use editor_vault::{
    DocumentInfo, DocumentState, DocumentStatus, FateCode, ListFilter, Role, SpaceId, SpaceInfo, SpaceKind, Vault,
};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::table::Table;

/// Shows where the vault stands; edits that need a person are listed and end with exit code 4.
pub(crate) fn status(vault: &Vault, output: &mut Output) -> Result<(), Failure> {
    let documents = vault.list(&ListFilter { include_deleted: true, ..ListFilter::default() })?;
    let relay = vault.login_stored()?.map(|login| login.url);
    let stored: u64 = documents.iter().map(|info| info.status.stored_batches).sum();
    let pending: u64 = documents.iter().map(|info| info.status.pending_batches).sum();
    let present = documents.iter().filter(|info| !info.deleted).count();
    let waiting = waiting_for_a_person(&documents);
    let file_system = vault.remote_file_system();
    let json = json!({
        "vault": vault.path().display().to_string(), "device": vault.device().to_string(),
        "home": vault.home().to_string(), "relay": relay, "documents": present, "pending_batches": pending,
        "stored_batches": stored,
        "network_file_system": file_system.map(|remote| remote.name()),
        "needs_person": waiting.iter().map(|info| needs_json(info)).collect::<Vec<_>>(),
    });
    let mut lines = vec![
        format!("vault      {}", vault.path().display()),
        format!("device     {}", vault.device()),
        format!("relay      {}", relay.as_deref().unwrap_or("none (log in with `vault login`)")),
        format!("documents  {present}"),
        format!("pending    {} batches to send", pending.saturating_sub(stored)),
    ];
    if stored > 0 {
        lines.push(format!("stored     {stored} batches are safe at the relay, which has yet to check them"));
    }
    lines.extend(
        file_system.map(|remote| format!("disk       {remote}: slow, one program at a time; see `vault doctor`")),
    );
    lines.extend(attention(&waiting).into_iter().map(|(_, line)| format!("attention  {line}")));
    output.result(lines.join("\n"), &json)?;
    nobody_is_needed(&waiting)
}

/// Fails with exit code 4 if a document waits for a person.
pub(crate) fn check_nobody_is_needed(vault: &Vault) -> Result<(), Failure> {
    let documents = vault.list(&ListFilter { include_deleted: true, ..ListFilter::default() })?;
    nobody_is_needed(&waiting_for_a_person(&documents))
}

fn nobody_is_needed(waiting: &[&DocumentInfo]) -> Result<(), Failure> {
    if waiting.is_empty() {
        return Ok(());
    }
    Err(Failure::Said { exit: Exit::NeedsPerson, lines: attention(waiting) })
}

/// A word and a sentence for each document that waits; one for all deletions that are held back, which are very many.
fn attention(waiting: &[&DocumentInfo]) -> Vec<(String, String)> {
    let line =
        |info: &&DocumentInfo| (word(&info.status).to_owned(), format!("{}: {}", called(info), needs(&info.status)));
    let mut lines: Vec<_> = waiting.iter().filter(|info| !is_held_back(&info.status)).map(line).collect();
    let held_back = waiting.iter().filter(|info| is_held_back(&info.status)).count();
    if held_back > 0 {
        let sentence = format!(
            "{held_back} deletions are held back, because they are very many: `vault brake release` sends them, `vault \
             brake undo` takes them back"
        );
        lines.push(("brake".to_owned(), sentence));
    }
    lines
}

fn waiting_for_a_person(documents: &[DocumentInfo]) -> Vec<&DocumentInfo> {
    let waits = |info: &&DocumentInfo| matches!(word(&info.status), "held" | "parked" | "quarantined");
    documents.iter().filter(waits).collect()
}

const fn is_held_back(status: &DocumentStatus) -> bool {
    matches!(status.state, DocumentState::Parked { code: FateCode::BRAKE, .. })
}

fn called(info: &DocumentInfo) -> String {
    let name = info.title.as_deref().or(info.type_name.as_deref()).unwrap_or("untitled");
    format!("{name} ({})", info.id)
}

fn needs(status: &DocumentStatus) -> String {
    match (&status.held, &status.state) {
        (Some(reason), _) => format!("can only be read, {reason}: copy what you need into a new document"),
        (None, DocumentState::Parked { code: FateCode::CONTESTED, .. }) => {
            "others edited it while it was deleted here: `vault contested delete` deletes it, `vault contested keep` keeps \
             it"
            .to_owned()
        }
        (None, DocumentState::Parked { code, detail }) => {
            format!("edits are parked ({}): {detail}; they are kept here and sent again when that changes", code.name())
        }
        (None, DocumentState::Quarantined { code, detail }) => {
            format!("edits were refused ({}): {detail}; they are kept here", code.name())
        }
        _ => String::new(),
    }
}

fn needs_json(info: &DocumentInfo) -> Value {
    json!({ "space": info.space.to_string(), "id": info.id.to_string(), "title": info.title,
        "status": of_document(&info.status), "detail": needs(&info.status) })
}

/// One word for where a document stands: the one that a person should see first.
pub(crate) fn word(status: &DocumentStatus) -> &'static str {
    match status {
        DocumentStatus { held: Some(_), .. } => "held",
        DocumentStatus { state: DocumentState::Parked { .. }, .. } => "parked",
        DocumentStatus { state: DocumentState::Quarantined { .. }, .. } => "quarantined",
        DocumentStatus { purged: true, .. } => "purged",
        DocumentStatus { deleted: true, .. } => "deleted",
        DocumentStatus { unsaved: true, .. } => "unsaved",
        DocumentStatus { state, .. } => state.name(),
    }
}

/// Everything about where a document stands.
pub(crate) fn of_document(status: &DocumentStatus) -> Value {
    let (code, detail) = match &status.state {
        DocumentState::Parked { code, detail } | DocumentState::Quarantined { code, detail } => {
            (Some(code.name()), Some(detail))
        }
        _ => (None, None),
    };
    json!({ "state": status.state.name(), "code": code, "detail": detail, "unsaved": status.unsaved,
        "pending_batches": status.pending_batches, "stored_batches": status.stored_batches, "held": status.held, "deleted": status.deleted,
        "purged": status.purged })
}

pub(crate) fn spaces(vault: &Vault, output: &mut Output) -> Result<(), Failure> {
    let spaces = vault.spaces()?;
    let mut table = Table::new(["ID", "NAME", "KIND", "ROLE", "HOME", "POSITION"]);
    for space in &spaces {
        let home = if space.is_home { "home" } else { "-" };
        let resume = space.resume.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let role = space.role.map_or("-", role_name);
        table.row([
            space.id.to_string(),
            space.name.clone(),
            kind_name(space).to_owned(),
            role.to_owned(),
            home.to_owned(),
            resume,
        ]);
    }
    let json: Value = spaces
        .iter()
        .map(|space| {
            json!({ "id": space.id.to_string(), "name": space.name, "kind": kind_name(space),
                "role": space.role.map(role_name), "is_home": space.is_home,
                "position": space.resume.map(|at| at.to_string()) })
        })
        .collect();
    output.result(table, &json)
}

/// The names of all spaces, for people.
pub(crate) fn space_names(vault: &Vault) -> Result<BTreeMap<SpaceId, String>, Failure> {
    let named = |space: SpaceInfo| (space.id, if space.name.is_empty() { space.id.to_string() } else { space.name });
    Ok(vault.spaces()?.into_iter().map(named).collect())
}

fn kind_name(space: &SpaceInfo) -> &'static str {
    match space.kind {
        None => "local",
        Some(SpaceKind::Personal) => "personal",
        Some(SpaceKind::Team) => "team",
        Some(SpaceKind::Catalog) => "catalog",
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Editor => "editor",
        Role::Owner => "owner",
    }
}
