//! What each command of `vault` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use editor_vault::ChangeHash;
use schemas::settings::Layer;

const BRIDGE_HELP: &str = "\
What is saved in the file goes into the vault as the smallest edit; what the vault gets from elsewhere is
written into the file, comments and layout as they were. Edits made while no bridge runs, on either side,
are merged when it starts again. A file that is no JSON is left alone until it is; a deleted file deletes
nothing. If there is a login, the bridge also syncs, as `vault sync --watch` does.";

#[derive(Debug, Args)]
pub(crate) struct ConflictsArguments {
    /// Name or id of a document; every document if there is none.
    pub(crate) name: Option<String>,
    /// Fields in which one value won by itself, and the values that lost.
    #[arg(long, requires = "name")]
    pub(crate) overruled: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("decision").required(true).args(["keep", "value"]))]
pub(crate) struct ResolveArguments {
    /// Name or id of the document.
    pub(crate) name: String,
    /// The field, as `vault conflicts` shows it.
    pub(crate) path: String,
    /// Keep the value with this number.
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
    /// Put another value there: JSON; null removes the field.
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) value: Option<String>,
    /// The changes that were listed, in their order: if others have come since, nothing is decided.
    #[arg(long, value_name = "CHANGES", value_delimiter = ',')]
    pub(crate) seen: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContestedCommand {
    /// List them.
    List,
    /// Delete the document as it is now, with the edits of others.
    Delete(DocumentArgument),
    /// Keep the document; the deletion is thrown away.
    Keep(DocumentArgument),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BrakeCommand {
    /// List the documents.
    List,
    /// Send the deletions: the documents go everywhere.
    Release,
    /// Take the deletions back: the documents are there again.
    Undo,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Say what is wrong with them, as FILE:LINE:COLUMN: CODE: what, and what to do.
    Check {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Declare them in TypeScript; the built-in types if no file is named.
    Typescript {
        /// The files.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TypeCommand {
    /// List the types that the vault knows, each with its newest version.
    List,
    /// Put files into the vault, all or none.
    Add {
        /// The files, NAME/VERSION.json.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Get every published version of types from the relay.
    Fetch {
        /// The types, ext.PUBLISHER.NAME.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Publish files on the relay; its operator has to give you the namespace first.
    Publish {
        /// The files, NAME/VERSION.json; earlier versions first.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DocumentArgument {
    /// Name or id of the document.
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArguments {
    /// Name or id of the document; `settings` and `keymap` are names too.
    pub(crate) name: String,
    /// Exclude this change, whatever the check says of it.
    #[arg(long)]
    pub(crate) hash: Option<ChangeHash>,
    /// Only show what would be excluded, and what would stand in the place of what rests on it.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List them, by document.
    List,
    /// Show one: why it was refused, and the values that it changed, before and after.
    Show(QuarantinedArgument),
    /// Make it again, as a new edit of the document as it is now.
    Resubmit(QuarantinedArgument),
    /// Copy what its author had into a new document. It stays here.
    Copy {
        #[command(flatten)]
        edit: QuarantinedArgument,
        /// Name of the new document.
        #[arg(long)]
        name: Option<String>,
    },
    /// Write it into a new file: the reason, the values, the bytes. It stays here.
    Export {
        #[command(flatten)]
        edit: QuarantinedArgument,
        /// The new file.
        file: PathBuf,
    },
    /// Throw it away, with its bytes.
    Discard(QuarantinedArgument),
}

#[derive(Debug, Args)]
pub(crate) struct QuarantinedArgument {
    /// The beginning of its id, at least 4 characters.
    #[arg(value_name = "EDIT")]
    pub(crate) id: String,
}

/// What has a file format of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileKind {
    Settings,
    Keymap,
}

/// What has keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyedKind {
    Settings,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// What the file holds.
    #[arg(value_enum)]
    pub(crate) kind: FileKind,
    /// The file; - for standard input.
    pub(crate) file: PathBuf,
    /// The editor that wrote it, if not this one: what it says is translated and added to what is there.
    #[arg(long, value_enum, value_name = "EDITOR")]
    pub(crate) from: Option<ForeignEditor>,
    #[command(flatten)]
    pub(crate) layer: LayerArgument,
}

/// Editors whose files are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ForeignEditor {
    /// settings.json and keybindings.json.
    Vscode,
    /// settings.json and keymap.json.
    Zed,
    /// Files of options, codestyles and keymaps (XML).
    Jetbrains,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// What to write.
    #[arg(value_enum)]
    pub(crate) kind: FileKind,
    /// The file; standard output if there is none.
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) layer: LayerArgument,
}

/// What counts where a bridge finds values on both sides and was never between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preference {
    /// The vault becomes equal to the file.
    File,
    /// The file becomes equal to the vault; a copy of it is kept.
    Vault,
    /// What only one side has stays; where both have a value, the file's.
    Both,
}

#[derive(Debug, Args)]
#[command(after_help = BRIDGE_HELP)]
pub(crate) struct BridgeArguments {
    /// The file. It need not be there; a symbolic link is followed.
    pub(crate) file: PathBuf,
    /// What the file holds [default: keymap if its name has keymap or keybinding in it, else settings].
    #[arg(long, value_enum)]
    pub(crate) kind: Option<FileKind>,
    #[command(flatten)]
    pub(crate) layer: LayerArgument,
    /// What counts the first time, if the file and the vault both have values.
    #[arg(long, value_enum)]
    pub(crate) prefer: Option<Preference>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Where.
    #[arg(value_enum)]
    pub(crate) kind: KeyedKind,
    /// The key, such as editor.tabSize; /a/b means key b inside a.
    #[arg(allow_hyphen_values = true)]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) layer: LayerArgument,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// Name or id of the document; `settings` and `keymap` are names too.
    pub(crate) name: String,
    /// As it was at a version: digits from `vault log`, or ~N for N changes before the newest.
    #[arg(long, value_name = "VERSION")]
    pub(crate) at: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// Name or id of the document; `settings` and `keymap` are names too.
    pub(crate) name: String,
    /// The earlier version: digits from `vault log`, or ~N for N changes before the newest [default: ~1].
    #[arg(value_name = "A")]
    pub(crate) before: Option<String>,
    /// The later version [default: ~0, everything that is saved].
    #[arg(value_name = "B")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BlameArguments {
    /// Where.
    #[arg(value_enum)]
    pub(crate) kind: KeyedKind,
    /// The key, such as editor.tabSize; /a/b means key b inside a. Every key if there is none.
    #[arg(allow_hyphen_values = true)]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) layer: LayerArgument,
}

#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    #[command(flatten)]
    pub(crate) address: GetArguments,
    /// The value: JSON, else a string.
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,
    /// Take the value as a string even if it is JSON.
    #[arg(long)]
    pub(crate) string: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LayerArgument {
    /// Layer of the settings: base, platforms/NAME or machines/NAME [default: base].
    #[arg(long, value_name = "LAYER")]
    layer: Option<Layer>,
}

impl LayerArgument {
    /// The layer that was named.
    pub(crate) const fn named(&self) -> Option<&Layer> {
        self.layer.as_ref()
    }

    /// The layer that was named, or base.
    pub(crate) fn or_base(&self) -> Layer {
        self.layer.clone().unwrap_or(Layer::BASE)
    }
}

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Its type: note, review, or one of your own.
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: String,
    /// Its name.
    pub(crate) name: String,
    /// Name or id of the space; the home space if there is none.
    #[arg(long)]
    pub(crate) space: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PatchArguments {
    /// Name or id of the document; names of well-known types, such as profile, are names too.
    pub(crate) name: String,
    /// What is to be different, as JSON; - for standard input.
    pub(crate) patch: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only documents of this space (name or id).
    #[arg(long)]
    pub(crate) space: Option<String>,
    /// Only documents of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) type_name: Option<String>,
    /// Deleted documents too.
    #[arg(long)]
    pub(crate) deleted: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FindArguments {
    /// The type, such as note.
    #[arg(value_name = "TYPE")]
    pub(crate) type_name: String,
    /// Only those whose field compares so: PATH=VALUE, or with > >= < <=, or ^= for a beginning. All must hold.
    #[arg(long = "where", value_name = "PATH=VALUE")]
    pub(crate) conditions: Vec<String>,
    /// Only those with a value at PATH.
    #[arg(long, value_name = "PATH")]
    pub(crate) present: Vec<String>,
    /// Only those without one.
    #[arg(long, value_name = "PATH")]
    pub(crate) absent: Vec<String>,
    /// Only those with these words in their texts.
    #[arg(long, value_name = "WORDS")]
    pub(crate) matching: Option<String>,
    #[command(flatten)]
    pub(crate) page: PageArguments,
    /// Go on with what changes, until interrupted.
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PageArguments {
    /// Only documents of this space (name or id).
    #[arg(long)]
    pub(crate) space: Option<String>,
    /// In the order of this field; with a - before it the other way round.
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    pub(crate) sort: Option<String>,
    /// Most documents to show, up to 1000.
    #[arg(long, value_name = "N", default_value_t = schemas::LIMIT)]
    pub(crate) limit: usize,
    /// Go on where another page of the same query ended.
    #[arg(long, value_name = "PLACE")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    /// Words that must all occur; "in quotation marks" one after the other, begin* as a beginning.
    #[arg(required = true)]
    pub(crate) words: Vec<String>,
    /// Only documents of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) type_name: Option<String>,
    /// Only documents of this space (name or id).
    #[arg(long)]
    pub(crate) space: Option<String>,
    /// Most documents of each type to show, up to 1000.
    #[arg(long, value_name = "N", default_value_t = schemas::LIMIT)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    /// Address of the relay, such as https://relay.example.com.
    #[arg(long, value_name = "URL")]
    pub(crate) relay: String,
    /// File that holds the token. Without --token-file and --token it is read from standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub(crate) token_file: Option<PathBuf>,
    /// The token itself. Others on this machine may see it in the list of processes.
    #[arg(long)]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// First drop what is derived from changes (snapshots, titles) and make it again; never a change.
    #[arg(long)]
    pub(crate) rebuild: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PresenceArguments {
    /// Name or id of the document; `settings` and `keymap` are names too.
    pub(crate) name: String,
    /// What the others are shown meanwhile: JSON of at most 1 KiB, else a string.
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) show: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// Go on until interrupted, and show what changes.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Give up after so many seconds [default: as long as there is progress].
    #[arg(long, value_name = "SECONDS", conflicts_with = "watch")]
    pub(crate) timeout: Option<u64>,
}
