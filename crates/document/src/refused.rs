//! A refused edit for people and for programs: why, what it said, and the ways on. A vault and a relay say it in the
//! same words and export the same file.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sync_wire::{BatchId, ChangeHash, DocumentId, FateCode, SpaceId};

use crate::{Difference, Past};

/// One edit in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its batch, by which it is named.
    pub id: BatchId,
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// The document's type, if it has one.
    pub type_name: Option<String>,
    /// What people call the document, as it was last found out.
    pub title: Option<String>,
    /// The change; a deletion or restoration has none.
    pub change: Option<ChangeHash>,
    /// Why.
    pub code: FateCode,
    /// A sentence about that, for people.
    pub detail: String,
    /// What can be done, for people: [`Self::remedy_of`] the code.
    pub remedy: &'static str,
    /// The change that was to blame, itself or one before it.
    pub culprit: Option<ChangeHash>,
    /// When that came, in seconds since 1970 (UTC), if it was written down.
    pub unix_seconds: Option<i64>,
    /// The change that goes on with what could be kept of it.
    pub continued_by: Option<ChangeHash>,
}

/// What an edit in quarantine says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// The leaves that it changed, from what its author saw to what its author made of it, by path.
    Values(Vec<Difference>),
    /// The document is deleted.
    Deletion,
    /// The document is restored.
    Restoration,
    /// It cannot be put together here; its bytes can be exported.
    Unreadable {
        /// Why.
        detail: String,
    },
}

impl Quarantined {
    /// What can be done about a refusal with this code, for people.
    #[must_use]
    pub const fn remedy_of(code: FateCode) -> &'static str {
        match code {
            FateCode::UNDECODABLE | FateCode::DANGEROUS => {
                "make the edit again by hand, in smaller steps; export this one for a report, or discard it"
            }
            FateCode::VOID => "a repair took it out of the log: make the edit again by hand, export it, or discard it",
            FateCode::WITH => "look at what it says; resubmit it as a new edit, or discard it",
            FateCode::SQUASHED => "its document says what it comes to, together with others: nothing needs to be done",
            FateCode::GONE => "the document was purged: copy what you need into a new document",
            _ => "look at what it says; resubmit it, copy it into a new document, or discard it",
        }
    }

    /// As programs read it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "id": self.id.to_string(), "space": self.space.to_string(), "document": self.document.to_string(),
            "type": self.type_name, "title": self.title, "change": self.change.map(|hash| hash.to_string()),
            "code": self.code.name(), "detail": self.detail, "remedy": self.remedy,
            "culprit": self.culprit.map(|hash| hash.to_string()), "unix_seconds": self.unix_seconds,
            "continued_by": self.continued_by.map(|hash| hash.to_string()) })
    }

    /// All of it, for a file: the same, what it says, and the bytes of its change as hexadecimal digits.
    #[must_use]
    pub fn exported(&self, refused: &Refused, bytes: Option<&[u8]>) -> Value {
        let mut json = self.json();
        if let Value::Object(members) = &mut json {
            members.insert("refused".into(), refused.json());
            members.insert("bytes_hexadecimal".into(), json!(bytes.map(hexadecimal)));
        }
        json
    }
}

impl Refused {
    /// As programs read it.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Self::Values(differences) => {
                let difference =
                    |one: &Difference| json!({ "path": one.path, "before": one.before, "after": one.after });
                json!({ "values": differences.iter().map(difference).collect::<Vec<_>>() })
            }
            Self::Deletion => json!({ "deletion": true }),
            Self::Restoration => json!({ "restoration": true }),
            Self::Unreadable { detail } => json!({ "unreadable": detail }),
        }
    }
}

impl From<&Past> for Refused {
    fn from(past: &Past) -> Self {
        match past.difference() {
            Ok(differences) => Self::Values(differences),
            Err(error) => Self::Unreadable { detail: error.to_string() },
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
