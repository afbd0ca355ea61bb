//! Two vaults on one machine that meet through a relay: edits made apart come together.
//!
//! Usage: `two_devices URL TOKEN [TOKEN-OF-THE-SECOND]`, for instance
//!
//! ```text
//! sync-server serve --data /tmp/relay --listen 127.0.0.1:8080 &
//! sync-server account create alice --data /tmp/relay
//! TOKEN=$(sync-server token create --account alice --data /tmp/relay)
//! cargo run --example two_devices -- http://127.0.0.1:8080 $TOKEN
//! ```
//!
//! Both tokens must belong to one account. The vaults live in a new directory under the system's temporary one.

use std::time::Duration;

use anyhow::{Context, bail};
use editor_vault::{Connection, Vault};

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (url, first, second) = match &arguments[..] {
        [url, token] => (url, token, token),
        [url, first, second] => (url, first, second),
        _ => bail!("usage: two_devices URL TOKEN [TOKEN-OF-THE-SECOND]"),
    };
    let home = std::env::temp_dir().join(format!("two-devices-{}", std::process::id()));
    let laptop = Vault::open(home.join("laptop"))?;
    let desktop = Vault::open(home.join("desktop"))?;

    // Both work before they have ever seen a network.
    laptop.well_known("settings")?.edit(|draft| draft.put("/base/editor.tabSize", 4.into()))?;
    desktop.well_known("settings")?.edit(|draft| draft.put("/base/editor.wordWrap", "on".into()))?;
    let note = laptop.create("note", Some("shopping"), None)?;
    note.edit(|draft| draft.replace_text("/body", "tea, bread"))?;

    // Then they meet. The second look of the laptop brings what the desktop pushed after the first.
    for (vault, token) in [(&laptop, first), (&desktop, second), (&laptop, first)] {
        vault.connect(Connection::new(url).token(token))?;
        vault.wait_until_settled(PATIENCE)?;
    }

    let (here, there) = (laptop.well_known("settings")?.value()?, desktop.well_known("settings")?.value()?);
    println!("settings on the laptop:  {here}");
    println!("settings on the desktop: {there}");
    if here != there {
        bail!("the two devices differ");
    }
    let found = desktop.find("shopping").context("the note has not arrived")?;
    println!("the note on the desktop: {}", found.text("/body")?.unwrap_or_default());

    drop((note, found, laptop, desktop));
    std::fs::remove_dir_all(&home).with_context(|| format!("cannot remove {}", home.display()))
}
