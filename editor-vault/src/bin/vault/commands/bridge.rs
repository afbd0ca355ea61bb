//! `vault bridge FILE`: keeps a settings or keymap file and the vault equal, both ways, until interrupted.
//!
//! Whatever wakes it, it takes the same step ([`follow`]): what was typed into the file since it was last written goes
//! into the vault, then the file is written anew if the vault says something else. Saved is saved at any moment, so an
//! interrupt needs no farewell and a crash loses nothing.

mod base; // what the file was last written from, and where that is kept
mod file; // reading the file, and replacing it as a whole
mod follow; // one step of both directions
mod form; // settings of a layer, or a keymap
mod wake; // the file, the vault, the user

use std::path::Path;
use std::time::Duration;

use editor_vault::{Connection, Link, SyncError, Vault};
use serde_json::json;

use crate::cli::BridgeArguments;
use crate::commands::sync::link_word;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use base::Memory;
use file::Place;
use follow::Bridge;
use form::Form;
use wake::{Wake, Wakes};

/// How often the file is looked at although nothing was heard: a watch may fail, and some file systems have none.
const POLL: Duration = Duration::from_secs(2);

pub(crate) fn run(vault: &Vault, arguments: &BridgeArguments, output: &mut Output) -> Result<(), Failure> {
    let form = Form::of(arguments)?;
    let place = Place::of(&arguments.file)?;
    let memory = Memory::open(vault.path(), &place, &form)?;
    let mut bridge = Bridge::new(vault.well_known(form.type_name())?, form, place, memory)?;
    let wakes = Wakes::listen(vault, bridge.place(), bridge.document())?;
    bridge.begin(arguments.prefer, output)?;
    let mut relay = Relay::connect(vault)?;
    let (file, into) = (bridge.place().shown(), bridge.form().to_string());
    let json = json!({ "step": "began", "file": file, "document": bridge.form().type_name() });
    output.step(format_args!("{file} and {into} follow each other; an interrupt ends it"), &json)?;
    let mut wake = Wake::Poll;
    while wake != Wake::Stop {
        relay.show(vault, output)?;
        wake = wakes.next(POLL);
        bridge.step(output)?;
    }
    vault.disconnect();
    let json = json!({ "step": "ended", "file": file });
    output.step(format_args!("ended; start it again whenever you like: {file} is remembered"), &json)
}

/// The connection beside the bridge. The bridge goes on without one.
struct Relay {
    shown: Option<&'static str>,
    is_used: bool,
}

impl Relay {
    /// Connects if there is a login. If another process syncs this vault, that one does it.
    fn connect(vault: &Vault) -> Result<Self, Failure> {
        let login = vault.login_stored()?;
        let is_used = login.is_some();
        if let Some(login) = login {
            let agent = concat!("vault ", env!("CARGO_PKG_VERSION"));
            vault.connect(Connection::new(login.url).token(login.token).agent(agent))?;
        }
        Ok(Self { shown: None, is_used })
    }

    /// Says where the connection stands, if that is news. What needs a person there does not stop the bridge here.
    fn show(&mut self, vault: &Vault, output: &mut Output) -> Result<(), Failure> {
        if !self.is_used {
            return Ok(());
        }
        let status = vault.sync_status();
        let word = link_word(&status);
        if self.shown.replace(word) == Some(word) {
            return Ok(());
        }
        if let Link::Blocked { code, detail } = status.link {
            Failure::from(SyncError::Blocked { code, detail }).say();
        }
        output.step(format_args!("relay: {word}"), &json!({ "step": "relay", "link": word }))
    }
}

/// Two bridges of one file would take each other's writing for typing.
fn bridged_already(file: &Path) -> Failure {
    let sentence = format!("another `vault bridge` follows {} already: end that one first", file.display());
    Failure::new(Exit::Failed, "bridged_already", sentence)
}
