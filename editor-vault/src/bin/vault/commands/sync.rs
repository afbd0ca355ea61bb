//! `vault sync`: exchange edits with the relay, once or for as long as somebody watches.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use editor_vault::{ConnectError, Connection, DocumentState, Hint, Link, ListFilter, SyncError, SyncStatus, Vault};
use serde_json::json;

use crate::cli::SyncArguments;
use crate::commands::status;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// How often the connection is looked at.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a connection that once stood may be away.
const AWAY_MAX: Duration = Duration::from_secs(10);
/// How long one waits for its turn before the sync is left to whoever has it: on a busy machine it takes a moment to
/// get a lock that nobody has.
const IN_LINE_MAX: Duration = Duration::from_secs(1);
/// How long another process that syncs this vault may take to send what is pending.
const OTHER_MAX: Duration = Duration::from_secs(30);

pub(crate) fn run(vault: &Vault, arguments: &SyncArguments, output: &mut Output) -> Result<(), Failure> {
    let login = vault.login_stored()?.ok_or_else(|| ConnectError::NotLoggedIn { path: vault.path().to_owned() })?;
    if !arguments.watch && is_synced_by_another(vault) {
        return leave_it_to_the_other(vault, arguments, output);
    }
    let agent = concat!("vault ", env!("CARGO_PKG_VERSION"));
    vault.connect(Connection::new(login.url).token(login.token).agent(agent))?;
    let outcome = if arguments.watch { watch(vault, output).map(|()| Done::Settled) } else { once(vault, arguments) };
    vault.disconnect();
    if outcome? == Done::ByAnother {
        return leave_it_to_the_other(vault, arguments, output);
    }
    let documents = vault.list(&ListFilter::default())?.len();
    let json = json!({ "settled": true, "documents": documents });
    output.result(format_args!("everything is sent and received ({documents} documents)"), &json)?;
    status::check_nobody_is_needed(vault)
}

/// Whether another process, such as an editor, holds the lock of the one that syncs this vault.
fn is_synced_by_another(vault: &Vault) -> bool {
    let lock = File::open(vault.path().join("sync.lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

/// The other process receives by itself, and sends what this one saved: wait for that much.
fn leave_it_to_the_other(vault: &Vault, arguments: &SyncArguments, output: &mut Output) -> Result<(), Failure> {
    let end = Instant::now() + arguments.timeout.map_or(OTHER_MAX, Duration::from_secs);
    while has_unsent(vault)? {
        if !is_synced_by_another(vault) {
            return run(vault, arguments, output);
        }
        if Instant::now() >= end {
            let sentence = "another process syncs this vault and has not sent everything yet; nothing is lost: sync \
                            again later";
            return Err(Failure::new(Exit::Offline, "offline", sentence));
        }
        std::thread::sleep(GLANCE);
    }
    let json = json!({ "settled": true, "by_another_process": true });
    output.result("everything is sent, by another process that syncs this vault", &json)?;
    status::check_nobody_is_needed(vault)
}

fn has_unsent(vault: &Vault) -> Result<bool, Failure> {
    let documents = vault.list(&ListFilter { include_deleted: true, ..ListFilter::default() })?;
    Ok(documents.iter().any(|info| matches!(info.status.state, DocumentState::Saved)))
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// Everything is sent and received.
    Settled,
    /// Another process was quicker, and syncs.
    ByAnother,
}

/// Until the outbox is empty and everything is delivered.
fn once(vault: &Vault, arguments: &SyncArguments) -> Result<Done, Failure> {
    let end = arguments.timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let (mut last_online, mut in_line_since) = (None, None);
    loop {
        match vault.wait_until_settled(GLANCE) {
            Ok(()) => return Ok(Done::Settled),
            Err(SyncError::Timeout { status }) => {
                check_link(&status, &mut last_online)?;
                let in_line = (status.link == Link::InLine).then(Instant::now);
                in_line_since = in_line_since.filter(|_| in_line.is_some()).or(in_line);
                if in_line_since.is_some_and(|since| since.elapsed() > IN_LINE_MAX) {
                    return Ok(Done::ByAnother);
                }
                if end.is_some_and(|end| Instant::now() >= end) {
                    return Err(Failure::from(SyncError::Timeout { status }));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Gives up on a relay that does not answer: at once if it never did, after a while if it did.
fn check_link(status: &SyncStatus, last_online: &mut Option<Instant>) -> Result<(), Failure> {
    match &status.link {
        Link::Online => *last_online = Some(Instant::now()),
        Link::Waiting { detail, .. } if last_online.is_none_or(|at| at.elapsed() > AWAY_MAX) => {
            let sentence = format!("not connected to the relay ({detail}); nothing is lost: sync again later");
            return Err(Failure::new(Exit::Offline, "offline", sentence));
        }
        Link::Blocked { code, detail } => {
            return Err(SyncError::Blocked { code: *code, detail: detail.clone() }.into());
        }
        Link::Waiting { .. } | Link::Connecting | Link::Off | Link::InLine => {}
    }
    Ok(())
}

/// Until interrupted, or until a person is needed. What is saved is durable at any moment, so an interrupt needs no
/// farewell.
fn watch(vault: &Vault, output: &mut Output) -> Result<(), Failure> {
    let hints = vault.watch();
    let mut shown = None;
    loop {
        let status = vault.sync_status();
        if let Link::Blocked { code, detail } = &status.link {
            return Err(SyncError::Blocked { code: *code, detail: detail.clone() }.into());
        }
        let word = link_word(&status);
        if shown.as_ref() != Some(&(word, status.no_room.clone())) {
            let waits = status.no_room.iter().map(|detail| format!("; edits wait: {detail}")).collect::<String>();
            let json = json!({ "link": word, "settled": status.is_settled(), "no_room": status.no_room });
            output.step(format_args!("relay: {word}{waits}"), &json)?;
            shown = Some((word, status.no_room.clone()));
        }
        if let Some(hint) = hints.next(GLANCE) {
            show_hint(vault, hint, output)?;
        }
    }
}

fn show_hint(vault: &Vault, hint: Hint, output: &mut Output) -> Result<(), Failure> {
    let document = vault.document(hint.space, hint.document)?;
    let type_name = document.type_name()?.unwrap_or_else(|| "document".to_owned());
    let state = document.status()?;
    let word = status::word(&state);
    let json = json!({ "space": hint.space.to_string(), "id": hint.document.to_string(), "type": type_name,
        "status": status::of_document(&state) });
    output.step(format_args!("{type_name} {}: {word}", hint.document), &json)
}

/// Where the connection stands, in a few words.
pub(crate) fn link_word(status: &SyncStatus) -> &'static str {
    match &status.link {
        Link::Off => "off",
        Link::Connecting => "connecting",
        Link::Online if status.is_settled() => "online, everything is sent and received",
        Link::Online => "online",
        Link::Waiting { .. } => "offline, trying again",
        Link::InLine => "synced by another process",
        Link::Blocked { .. } => "blocked",
    }
}
