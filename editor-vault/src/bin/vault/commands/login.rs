//! `vault login` and `vault logout`: the relay's address and the token, in a file beside the vault.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read};

use editor_vault::Vault;
use serde_json::json;

use crate::cli::LoginArguments;
use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Longest token, in bytes.
const TOKEN_BYTES_MAX: u64 = 8 << 10;

/// Stores the login. Whether the relay agrees is seen at the next `vault sync`, so this works offline.
pub(crate) fn login(vault: &Vault, arguments: &LoginArguments, output: &mut Output) -> Result<(), Failure> {
    let token = token(arguments)?;
    vault.set_login(&arguments.relay, &token)?;
    let json = json!({ "relay": arguments.relay, "device": vault.device().to_string() });
    output.result(format_args!("stored the login for {}; `vault sync` uses it", arguments.relay), &json)
}

pub(crate) fn logout(vault: &Vault, output: &mut Output) -> Result<(), Failure> {
    let was_stored = vault.login_stored()?.is_some();
    vault.clear_login()?;
    let text = if was_stored { "forgot the relay and the token; the documents stay" } else { "there was no login" };
    output.result(text, &json!({ "was_logged_in": was_stored }))
}

fn token(arguments: &LoginArguments) -> Result<String, Failure> {
    let text = match (&arguments.token, &arguments.token_file) {
        (Some(token), _) => token.clone(),
        (None, Some(file)) => {
            let mut text = String::new();
            let read = fs::File::open(file).and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text));
            read.map_err(|error| Failure::file("read the token in", file, &error))?;
            text
        }
        (None, None) => from_standard_input()?,
    };
    let token = text.trim();
    if token.is_empty() {
        let sentence = "the token is empty: give it with --token-file FILE, on standard input, or with --token";
        return Err(Failure::new(Exit::Usage, "token", sentence));
    }
    Ok(token.to_owned())
}

fn from_standard_input() -> Result<String, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        eprint!("Token: ");
    }
    let mut text = String::new();
    let read = stdin.lock().take(TOKEN_BYTES_MAX).read_line(&mut text);
    read.map_err(|error| Failure::failed("io", format!("cannot read the token from standard input: {error}")))?;
    Ok(text)
}
