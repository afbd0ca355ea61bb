//! The commands of `vault`, as a tree; what each of them takes is in [`arguments`].

mod arguments; // of each command

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};

pub(crate) use self::arguments::*;

/// The version of the vault file that this build writes; a test compares it with a new vault.
const FILE_VERSION: u32 = 1;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let wire = sync_wire::limits::WIRE_VERSION;
    format!("{} (wire {wire}, file {FILE_VERSION})", env!("CARGO_PKG_VERSION"))
});

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong use: an unknown command, option or value
  3  offline: the relay could not be reached; nothing is lost, try again later
  4  needs a person: a token was refused, or edits are parked, quarantined or held

Standard output holds the result, as text or with --json as JSON; errors go to standard error as
`error[code]: sentence`. Without --vault and VAULT_DIR the vault is in the user's data directory.";

const CONTESTED_HELP: &str = "\
Somebody edited a document while it was deleted here. The edits win until a person decides: the
document is there for everybody, and can be edited. Look at it with `vault show`, then decide.";

const CONFLICTS_HELP: &str = "\
Most fields take the last value that was written. Where a document type says that a person decides, every
value that was written at the same time is kept, the first of them is shown, and no edit writes over them
until one is chosen, here or on another device.";

const PUBLICATION_HELP: &str = "\
Judged here and now, by the rules of the document's type, with or without a relay. What is not public
by its type is shown to nobody, whatever it is. A document that is refused stays in the vault and
syncs like any; what was published of it before stays as it was. Some types ask whether a document is
shown: a profile is shown to nobody before its field `shown` is true.";

const FIND_HELP: &str = "\
PATH is a JSON Pointer, or the name of a field at the top; the schema of the type must give the field an
index (x-index). A VALUE is JSON, or a string if it is none: --where 'name=\"42\"' means the string.
Values are compared with those of their own kind only.";

const SEARCH_HELP: &str = "\
Case and accents do not count, and signs only part words. Looks in the texts that the schemas give an
index of words (x-index): the name and the text of notes.";

const PATCH_HELP: &str = "\
PATCH is a JSON merge patch (RFC 7396) of what `vault show NAME --json` shows as value: fields in it are
changed, null removes, and what it does not name stays: vault patch profile '{\"name\": \"Ada\"}'";

const BRAKE_HELP: &str = "\
More than 20 deletions within an hour that are more than a quarter of the documents of a space are
held back from there on: the documents are deleted here, and nobody else hears of it.";

const SQUASH_HELP: &str = "\
The document reads as before, and undo takes the edits back together. Each of them stays in
quarantine as `squashed`, to be shown and exported. Where a relay has no room the vault does
it by itself, if much is gained.";

const PRESENCE_HELP: &str = "\
Whoever wants to see is seen: the others see this device in the document, with JSON or with null, until it
ends. What is shown is stored nowhere.";

const SCHEMA_HELP: &str = "\
A document type says in NAME/VERSION.json what its fields are and how they merge. Each version is also
compared with the one before it, among the files or built in. Ends with 1 if there is anything to mend.";

const TYPE_HELP: &str = "\
They are files NAME/VERSION.json in the directory types of the vault, called ext.PUBLISHER.NAME. What cannot be
used is left out, and each command says so. What is published stays for good: a version is never changed.";

const QUARANTINE_HELP: &str = "\
An edit that the relay refuses for good leaves its document and comes here. Edits that
rest on it are made anew without it, and come here only if that cannot be done. Nothing
leaves by itself. EDIT is the beginning of an id, at least 4 characters.";

/// Documents that are always at hand: settings, keymaps and notes that work offline and sync by themselves.
#[derive(Debug, Parser)]
#[command(name = "vault", version = VERSION.as_str(), after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// Directory of the vault.
    #[arg(long, global = true, value_name = "DIR", env = "VAULT_DIR")]
    pub(crate) vault: Option<PathBuf>,
    /// Directory with document types of third parties, as NAME/VERSION.json.
    #[arg(long, global = true, value_name = "DIR", env = "VAULT_TYPES")]
    pub(crate) types: Option<PathBuf>,
    /// Write the result as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a vault.
    Init,
    /// Make the settings or the keymap equal to a file (JSON with comments), or add what another editor's file says.
    Import(ImportArguments),
    /// Show one setting.
    Get(GetArguments),
    /// Change one setting.
    Set(SetArguments),
    /// Remove one setting.
    Unset(GetArguments),
    /// Make a new document.
    New(NewArguments),
    /// Change fields of a document of any type.
    #[command(after_help = PATCH_HELP)]
    Patch(PatchArguments),
    /// Edit a note in $VISUAL or $EDITOR.
    Edit {
        /// Name or id of the note.
        name: String,
    },
    /// Show a document: the text of a note, JSON otherwise.
    Show(ShowArguments),
    /// List the changes of a document, the newest first.
    Log {
        /// Name or id of the document; `settings` and `keymap` are names too.
        name: String,
    },
    /// Show what differs between two versions of a document.
    Diff(DiffArguments),
    /// Show which change gave each setting its value.
    Blame(BlameArguments),
    /// Make a document equal to what it was, as a new edit.
    Restore {
        /// Name or id of the document; `settings` and `keymap` are names too.
        name: String,
        /// The version: digits from `vault log`, or ~N for N changes before the newest.
        version: String,
    },
    /// Take back the newest edit made here that is not taken back yet. What others changed since stays.
    Undo {
        /// Name or id of the document; the one edited last if there is none.
        name: Option<String>,
    },
    /// Take back the newest undo.
    Redo {
        /// Name or id of the document; the one edited last if there is none.
        name: Option<String>,
    },
    /// List documents.
    List(ListArguments),
    /// Find documents of a type by their fields.
    #[command(after_help = FIND_HELP)]
    Find(FindArguments),
    /// Find documents by words in their texts, the best first.
    #[command(after_help = SEARCH_HELP)]
    Search(SearchArguments),
    /// Delete a document. It can be brought back for 30 days with `vault undelete`.
    Delete {
        /// Name or id of the document.
        name: String,
    },
    /// Bring a deleted document back. `vault list --deleted` shows them.
    Undelete {
        /// Name or id of the deleted document.
        name: String,
    },
    /// List fields that were written on several devices at once and wait for you to decide.
    #[command(after_help = CONFLICTS_HELP)]
    Conflicts(ConflictsArguments),
    /// Decide what a field holds that waits for you.
    Resolve(ResolveArguments),
    /// Show what everybody may see of a document, or why that is nothing.
    #[command(after_help = PUBLICATION_HELP)]
    Publication {
        /// Name or id of the document.
        name: String,
    },
    /// Decide on deletions that did not know the newest edits of others.
    #[command(after_help = CONTESTED_HELP)]
    Contested {
        #[command(subcommand)]
        command: ContestedCommand,
    },
    /// Look at very many deletions that are held back, and let them go or take them back.
    #[command(after_help = BRAKE_HELP)]
    Brake {
        #[command(subcommand)]
        command: BrakeCommand,
    },
    /// List spaces.
    Spaces,
    /// Write the settings or the keymap to a file or to standard output.
    Export(ExportArguments),
    /// Keep a settings or keymap file and the vault equal, both ways, until interrupted.
    Bridge(BridgeArguments),
    /// Store where the relay is and who you are there.
    Login(LoginArguments),
    /// Forget the relay and the token. Documents stay.
    Logout,
    /// Exchange edits with the relay until nothing is left to send or to receive.
    Sync(SyncArguments),
    /// Show who else is in a document at the moment, until interrupted.
    #[command(after_help = PRESENCE_HELP)]
    Presence(PresenceArguments),
    /// Show where the vault stands.
    Status,
    /// Say the parked edits of a document in one go, so that there is room for what they come to.
    #[command(after_help = SQUASH_HELP)]
    Squash {
        /// Name or id of the document; `settings` and `keymap` are names too.
        name: String,
    },
    /// Look at edits that the relay refused, and say what becomes of them.
    #[command(after_help = QUARANTINE_HELP)]
    Quarantine {
        #[command(subcommand)]
        command: QuarantineCommand,
    },
    /// Let a held document go on without the changes that fail its check: the relay does it for the owner of its space.
    Repair(RepairArguments),
    /// Copy the vault into a new file, and check the copy.
    Backup {
        /// The new file.
        file: PathBuf,
    },
    /// Look for what is wrong and for what waits for a person, without reading what documents say.
    Doctor,
    /// Read and check everything: every change, document and snapshot.
    Verify(VerifyArguments),
    /// Make a new vault out of what is sound in this one, which is damaged and stays as it is.
    Salvage {
        /// The directory of the new vault.
        into: PathBuf,
    },
    /// Say why a document is in the state it is in.
    Explain {
        /// Name or id of the document; `settings` and `keymap` are names too.
        name: String,
    },
    /// Work on files of document types.
    #[command(after_help = SCHEMA_HELP)]
    Schema {
        #[command(subcommand)]
        command: SchemaCommand,
    },
    /// Have document types of third parties, and publish your own.
    #[command(after_help = TYPE_HELP)]
    Type {
        #[command(subcommand)]
        command: TypeCommand,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }
}
