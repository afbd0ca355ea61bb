//! One file per command, or per small family of commands.

pub(crate) mod bridge;
pub(crate) mod brake;
pub(crate) mod care; // init, backup, doctor, verify
pub(crate) mod completions;
pub(crate) mod conflicts; // conflicts, resolve
pub(crate) mod contested;
pub(crate) mod document; // new, edit, show, list, delete, undelete
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod find; // find, search
pub(crate) mod history; // log, diff, blame, restore, undo, redo
pub(crate) mod import;
pub(crate) mod login; // login, logout
pub(crate) mod patch;
pub(crate) mod presence;
pub(crate) mod publication;
pub(crate) mod quarantine;
pub(crate) mod repair;
pub(crate) mod schema;
pub(crate) mod settings; // get, set, unset
pub(crate) mod status; // status, spaces
pub(crate) mod sync;
pub(crate) mod types; // document types of third parties

mod editor; // the user's text editor
mod space; // which space is meant
