//! Document types: what the fields of a document are, how they merge, and how plain JSON becomes the smallest edit.
//!
//! The truth is in `types/NAME/VERSION.json`, JSON Schema 2020-12 with a few `x-` keywords, described by
//! `types/meta.json`. A schema describes the *plain* form of a document (what people and programs read and write);
//! the *stored* form (PROTOCOL §1) differs where lists and sets are kept as keyed items, and is derived from it.
//! This crate reads no files and knows no clock: texts come in as arguments.

mod document_type;
mod registry; // start here
mod name; // whose a type is
mod lint; // what keeps a schema from being loaded, line by line
mod shape; // a schema, compiled to how each field merges

mod index; // what documents are found by
mod query; // which documents are wanted

mod plan; // stored JSON + wanted JSON -> intents
mod violation;
mod manual; // fields that a person decides about
mod publication; // what everybody may see

mod list; // ordered collections as keyed items
mod order; // strings between strings
mod pointer;

pub mod typed; // documents as Rust types
pub mod typescript; // and as TypeScript

pub mod jsonc;
pub mod keymap;
pub mod settings;

pub mod layout; // files as people wrote them
pub mod foreign; // files of other editors

pub use document::Intent;

pub use document_type::{DocumentType, well_known_id};
pub use index::{INDEXES_MAX, IndexKind, IndexedField, MEMBERS_MAX, StoredIndex};
pub use lint::{FINDINGS_MAX, Finding, lint, lint_files};
pub use name::{NAMESPACE_BYTES_MAX, is_namespace, is_type_name, namespace_of};
pub use pointer::{escape, join, unescape};
pub use publication::Publication;
pub use query::{
    Checked, Compare, Condition, Cursor, Direction, FILTERS_MAX, KEY_STRING_BYTES_MAX, Key, KeyRange, LIMIT, LIMIT_MAX,
    Order, Query, QueryError, Seek, TERMS_MAX, Term, WORDS_BYTES_MAX, Words,
};
pub use registry::{LoadError, Registry};
pub use typed::Typed;
pub use violation::{Rule, Violation};
