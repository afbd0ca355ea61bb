//! What of a document is for everybody (`x-public`), whether its author shows it (`x-public-when`), and what else keeps
//! it from being shown (docs/decisions/0020-publication.md).
//!
//! The same function judges in the vault, before anything is sent, and in the relay.

use serde_json::{Map, Value};

use crate::DocumentType;
use crate::plan::VIOLATIONS_MAX;
use crate::pointer::keys;
use crate::shape::{Merge, Shape};
use crate::violation::{Rule, Violation};

/// Moves when documents are judged otherwise though their types are the same.
const RULES: u32 = 1;

/// What a document shows to everybody.
#[derive(Debug, Clone, PartialEq)]
pub enum Publication {
    /// Its type has no public fields, or is not known.
    Private,
    /// Its author has not said that it is to be shown (`x-public-when`).
    Withheld {
        /// JSON Pointer, in the plain form, to the field that is not true.
        when: String,
    },
    /// None of its public fields has a value.
    Nothing,
    /// Its public form: the plain form without whatever is not public.
    Public(Value),
    /// Nothing new: it breaks these rules, at most 100. What was published before stays.
    Refused(Vec<Violation>),
}

impl Publication {
    /// Why nothing of the document is for everybody, to be said after "not published, because"; `None` if something
    /// is, or if violations say it.
    ///
    /// ```
    /// let profile = schemas::Registry::builtin().get("profile").expect("a built-in type");
    /// let hidden = profile.publication(&serde_json::json!({ "name": "Ada" }), []);
    /// assert_eq!(hidden.reason().as_deref(), Some("/shown is not true; set it to true to show it to everybody"));
    /// let shown = profile.publication(&serde_json::json!({ "name": "Ada", "shown": true }), []);
    /// assert_eq!(shown.reason(), None);
    /// ```
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Private => Some("no public field of its type is known here".to_owned()),
            Self::Withheld { when } => Some(format!("{when} is not true; set it to true to show it to everybody")),
            Self::Nothing => Some("none of its public fields has a value".to_owned()),
            Self::Public(_) | Self::Refused(_) => None,
        }
    }

    /// The same for programs: `private`, `withheld`, `nothing`, `public` or `refused`.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Withheld { .. } => "withheld",
            Self::Nothing => "nothing",
            Self::Public(_) => "public",
            Self::Refused(_) => "refused",
        }
    }
}

impl DocumentType {
    /// Whether documents of the type can be published at all.
    #[must_use]
    pub fn has_public(&self) -> bool {
        self.shape().has_public()
    }

    /// By which rules [`Self::publication`] judges: the version of the type, and that of the rules themselves.
    #[must_use]
    pub fn publication_rules(&self) -> String {
        format!("{}.{RULES}", self.version)
    }

    /// The public part of a plain value; none if there is nothing public in it. Whether it breaks rules, and whether
    /// its author shows it, does not matter here.
    ///
    /// A public field is public with all that is in it, also with what the schema does not name. Of what is not public,
    /// the fields and items are looked through.
    ///
    /// ```
    /// let review = schemas::Registry::builtin().get("review").expect("a built-in type");
    /// let plain = serde_json::json!({ "rating": 5, "draft of": "a newer program" });
    /// assert_eq!(review.public(&plain), Some(serde_json::json!({ "rating": 5 })));
    /// assert_eq!(review.public(&serde_json::json!({})), None);
    /// ```
    #[must_use]
    pub fn public(&self, plain: &Value) -> Option<Value> {
        public(self.shape(), plain)
    }

    /// Judges a document by its stored form and the stored paths of its open conflicts.
    ///
    /// What its author does not show is withheld, and not looked at any further.
    ///
    /// A rule that only private fields break does not count; one about the whole (such as a missing field) does. An
    /// open conflict counts where it is, or has in it, what is public.
    #[must_use]
    pub fn publication<'p>(&self, stored: &Value, open: impl IntoIterator<Item = &'p str>) -> Publication {
        if !self.has_public() {
            return Publication::Private;
        }
        let plain = self.plain(stored);
        if let Some(when) = self.public_when().filter(|when| plain.pointer(when) != Some(&Value::Bool(true))) {
            return Publication::Withheld { when: when.to_owned() };
        }
        let concerns = |path: &str| concerns(self.shape(), path);
        let open = open.into_iter().map(|path| self.plain_path(stored, path)).filter(|path| concerns(path));
        let mut violations: Vec<Violation> = open.take(VIOLATIONS_MAX).map(|path| waits(&plain, path)).collect();
        violations.extend(self.check_where(&plain, &concerns));
        violations.truncate(VIOLATIONS_MAX);
        match self.public(&plain) {
            _ if !violations.is_empty() => Publication::Refused(violations),
            Some(value) => Publication::Public(value),
            None => Publication::Nothing,
        }
    }
}

fn public(shape: &Shape, plain: &Value) -> Option<Value> {
    if shape.is_public {
        return Some(plain.clone());
    }
    match plain {
        Value::Object(fields) => {
            let shown = fields.iter().filter_map(|(key, value)| Some((key.clone(), public(shape.at(key), value)?)));
            let shown: Map<String, Value> = shown.collect();
            (!shown.is_empty()).then_some(Value::Object(shown))
        }
        Value::Array(items) => {
            let shown: Vec<Value> = items.iter().filter_map(|item| public(shape.items(), item)).collect();
            (!shown.is_empty()).then_some(Value::Array(shown))
        }
        _ => None,
    }
}

/// Whether what is at a plain path is shown, is in something that is, or has something in it that would be.
fn concerns(root: &Shape, path: &str) -> bool {
    let mut shape = root;
    for key in keys(path) {
        if shape.is_public {
            return true;
        }
        let is_item = !shape.names(&key) && (shape.merge == Merge::List || key.parse::<usize>().is_ok());
        shape = if is_item && shape.has_items() { shape.items() } else { shape.at(&key) };
    }
    shape.has_public()
}

fn waits(plain: &Value, path: String) -> Violation {
    let shown = plain.pointer(&path).unwrap_or(&Value::Null);
    Violation::new(path, shown, Rule::Conflict, "decide what it holds (`vault conflicts`, `vault resolve`)")
}
