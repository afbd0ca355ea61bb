//! `vault presence NAME`: who else is in a document at the moment, until interrupted. Whoever wants to see is seen.

use std::collections::BTreeMap;
use std::time::Duration;

use editor_vault::{AccountId, ConnectError, Connection, DeviceId, Document, Link, Present, SyncError, Vault};
use serde_json::{Value, json};

use crate::cli::PresenceArguments;
use crate::commands::document;
use crate::commands::sync::link_word;
use crate::failure::Failure;
use crate::output::Output;

/// How often it is looked although nothing was hinted at: where the connection stands is no hint.
const GLANCE: Duration = Duration::from_millis(100);

/// What they show, as it was printed last.
type Others = BTreeMap<(AccountId, DeviceId), Value>;

/// Presence is gone with its connection, so an interrupt needs no farewell.
pub(crate) fn run(vault: &Vault, arguments: &PresenceArguments, output: &mut Output) -> Result<(), Failure> {
    let document = document::find(vault, &arguments.name)?;
    let login = vault.login_stored()?.ok_or_else(|| ConnectError::NotLoggedIn { path: vault.path().to_owned() })?;
    document.show_presence(&content(arguments))?;
    let agent = concat!("vault ", env!("CARGO_PKG_VERSION"));
    vault.connect(Connection::new(login.url).token(login.token).agent(agent))?;
    let hints = vault.watch();
    let (mut link, mut known) = (None, Others::new());
    loop {
        print_link(vault, &mut link, output)?;
        known = print_others(&document, known, output)?;
        hints.next(GLANCE);
    }
}

/// JSON, else a string; null from whoever only looks.
fn content(arguments: &PresenceArguments) -> Value {
    let Some(text) = &arguments.show else { return Value::Null };
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str()))
}

fn print_link(vault: &Vault, shown: &mut Option<&'static str>, output: &mut Output) -> Result<(), Failure> {
    let status = vault.sync_status();
    let word = match &status.link {
        Link::Blocked { code, detail } => return Err(SyncError::Blocked { code: *code, detail: detail.clone() }.into()),
        Link::Online => "online", // what is sent and received meanwhile is not the question here
        _ => link_word(&status),
    };
    if shown.replace(word) == Some(word) {
        return Ok(());
    }
    output.step(format_args!("relay: {word}"), &json!({ "link": word }))
}

/// Prints what differs from what was printed, and gives what is.
fn print_others(document: &Document, before: Others, output: &mut Output) -> Result<Others, Failure> {
    let mut now = Others::new();
    for Present { account, device, content, .. } in document.presence()? {
        if before.get(&(account, device)) != Some(&content) {
            let json = json!({ "account": account.to_string(), "device": device.to_string(), "content": content });
            output.step(format_args!("{device} of {account} shows {content}"), &json)?;
        }
        now.insert((account, device), content);
    }
    for (account, device) in before.into_keys().filter(|who| !now.contains_key(who)) {
        let json = json!({ "account": account.to_string(), "device": device.to_string(), "gone": true });
        output.step(format_args!("{device} of {account} is gone"), &json)?;
    }
    Ok(now)
}
