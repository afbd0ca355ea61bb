//! One version of one document type: its id, what it allows, and how plain JSON becomes an edit of it.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use document::{Intent, MAJOR_PATH};
use jsonschema::Validator;
use serde_json::{Map, Value};
use sync_wire::DocumentId;

use crate::index::{self, IndexKind, IndexedField, StoredIndex};
use crate::lint::Sound;
use crate::plan::VIOLATIONS_MAX;
use crate::pointer::{join, unescape};
use crate::shape::Shape;
use crate::violation::{Rule, Violation, cut};
use crate::{lint, list, plan};

/// Longest sentence of the validator that is repeated, in characters: it may name every key of an object.
const SAYS_CHARS_MAX: usize = 300;

/// One version of a document type.
#[derive(Debug)]
pub struct DocumentType {
    /// Its name, such as `settings`.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// Its major version, from 1: programs that know a lower one only read what this one has written.
    pub major: u32,
    /// Whether there is one document of it in each space, with a derived id.
    pub well_known: bool,
    /// Whether the relay alone writes its documents, at the word of commands.
    pub authority: bool,
    title: Option<String>,
    public_when: Option<String>,
    indexes: Vec<IndexedField>,
    shape: Arc<Shape>,
    schema: Value,
    /// Made when it is first needed: a command that reads one setting checks nothing.
    validator: OnceLock<Validator>,
}

/// The id of the well-known document `name` of a type: BLAKE3, the same in every space and on every device.
///
/// The built-in types have one document each, named like its type.
#[must_use]
pub fn well_known_id(type_name: &str, name: &str) -> DocumentId {
    let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 well-known document");
    hasher.update(&(type_name.len() as u64).to_be_bytes());
    hasher.update(type_name.as_bytes());
    hasher.update(name.as_bytes());
    let mut id = [0; DocumentId::LEN];
    hasher.finalize_xof().fill(&mut id);
    DocumentId(id)
}

impl DocumentType {
    /// From a schema in which nothing was found.
    pub(crate) fn new(schema: Value) -> Self {
        let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
        let (title, shape) = (text("x-title"), Shape::compile(&schema));
        Self {
            name: text("x-type").unwrap_or_default(),
            version: schema.get("x-version").and_then(Value::as_u64).and_then(|v| v.try_into().ok()).unwrap_or(0),
            major: schema.get("x-major").and_then(Value::as_u64).and_then(|v| v.try_into().ok()).unwrap_or(1),
            well_known: schema.get("x-well-known").and_then(Value::as_bool).unwrap_or(false),
            authority: schema.get("x-authority").is_some(),
            indexes: index::of(&shape, title.as_deref()),
            title,
            public_when: text("x-public-when"),
            shape: Arc::new(shape),
            schema,
            validator: OnceLock::new(),
        }
    }

    /// From a schema that was looked over just now.
    pub(crate) fn checked(sound: Sound) -> Self {
        Self { validator: OnceLock::from(sound.validator), ..Self::new(sound.schema) }
    }

    /// The schema as it stands in its file.
    #[must_use]
    pub const fn schema(&self) -> &Value {
        &self.schema
    }

    fn validator(&self) -> &Validator {
        let build = || lint::validation().build(&self.schema);
        self.validator.get_or_init(|| build().unwrap_or_else(|error| unreachable!("it was looked over: {error}")))
    }

    /// How its fields merge.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The same, for those who outlive the type.
    pub(crate) fn shared_shape(&self) -> Arc<Shape> {
        Arc::clone(&self.shape)
    }

    /// The derived id, for a well-known type.
    #[must_use]
    pub fn id(&self) -> Option<DocumentId> {
        self.well_known.then(|| well_known_id(&self.name, &self.name))
    }

    /// The fields by which its documents are found: those with `x-index`, and the title.
    #[must_use]
    pub fn indexes(&self) -> &[IndexedField] {
        &self.indexes
    }

    /// JSON Pointer to the field that names a document for people.
    #[must_use]
    pub fn title_path(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// JSON Pointer to the field without which, unless it is true, nothing of a document is shown to everybody.
    pub(crate) fn public_when(&self) -> Option<&str> {
        self.public_when.as_deref()
    }

    /// The index of the field that names a document for people.
    #[must_use]
    pub fn title_index(&self) -> Option<&StoredIndex> {
        let path = self.title.as_deref()?;
        let is_it = |field: &&IndexedField| field.path == path && field.index.kind == IndexKind::Value;
        self.indexes.iter().find(is_it).map(|field| &field.index)
    }

    /// Everything that is wrong with the plain JSON `value`, at most 100 violations.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<Violation> {
        self.check_where(value, &|_| true)
    }

    /// As [`Self::check`], of what is wrong at those paths of which `concerns` says so; and everything about the form,
    /// because without it nothing else is looked at.
    pub(crate) fn check_where(&self, value: &Value, concerns: &dyn Fn(&str) -> bool) -> Vec<Violation> {
        let mut violations = plan::check_form(value);
        if violations.is_empty() {
            let found = self.validator().iter_errors(value).filter(|error| concerns(error.instance_path().as_str()));
            violations.extend(found.take(VIOLATIONS_MAX).map(|error| from_schema(&error)));
            plan::check_limits(&self.shape, value, concerns, &mut violations);
        }
        violations.truncate(VIOLATIONS_MAX);
        violations
    }

    /// The smallest list of intents that turns `current` (stored form, as `document::Document::value` gives it) into
    /// `wanted` (plain form).
    ///
    /// What is equal is left alone. A key that the schema does not name is kept when `wanted` lacks it, unless the
    /// object is a map; so a program that knows only older fields cannot remove newer ones.
    ///
    /// # Errors
    /// The rules that `wanted` breaks and `current` does not: what is wrong already does not block other edits.
    pub fn plan(&self, current: &Value, wanted: &Value) -> Result<Vec<Intent>, Vec<Violation>> {
        let is_nothing_to_plan = |violation: &Violation| violation.is_of_measure() || violation.path == MAJOR_PATH;
        let refused: Vec<Violation> = plan::check_form(wanted).into_iter().filter(is_nothing_to_plan).collect();
        if !refused.is_empty() {
            return Err(refused);
        }
        let wanted = if self.is_stored_plain() && !self.has_manual() {
            Cow::Borrowed(wanted)
        } else {
            Cow::Owned(self.plain(wanted))
        };
        let mut violations = self.check(&wanted);
        if !violations.is_empty() {
            let before = self.check(&self.plain(current));
            violations.retain(|violation| !before.iter().any(|old| old.is_same_rule_as(violation)));
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        plan::plan(&self.shape, current, &wanted)
    }

    /// Whether the stored form of every value is its plain form.
    #[must_use]
    pub fn is_stored_plain(&self) -> bool {
        self.shape.is_stored_plain()
    }

    /// The plain form of a stored value: lists and sets as arrays, renamed fields under their present names. A plain
    /// value stays as it is.
    #[must_use]
    pub fn plain(&self, stored: &Value) -> Value {
        list::plain(&self.shape, stored)
    }

    /// What people call a document with this stored value, such as the name of a note.
    #[must_use]
    pub fn title(&self, value: &Value) -> Option<String> {
        self.title_from(|path| value.pointer(path).cloned())
    }

    /// As [`Self::title`], of a document of which `get` reads one stored value: the rest need not be put together.
    #[must_use]
    pub fn title_from(&self, get: impl FnOnce(&str) -> Option<Value>) -> Option<String> {
        match get(&join("", self.shape.stored_key(&self.title_field()?)))? {
            Value::String(title) => Some(title),
            _ => None,
        }
    }

    /// The name of the field that holds the title.
    fn title_field(&self) -> Option<String> {
        Some(unescape(self.title.as_deref()?.trim_start_matches('/')))
    }

    /// The edit that makes a new document: the defaults of the schema, and its title if the type has one.
    ///
    /// Nothing is checked here; [`Self::check`] says whether a title is too long.
    #[must_use]
    pub fn initial(&self, title: Option<&str>) -> Vec<Intent> {
        let mut fields = defaults(&self.schema);
        if let (Some(field), Some(title)) = (self.title_field(), title) {
            fields.insert(field, Value::from(title));
        }
        plan::plan(&self.shape, &Value::Null, &Value::Object(fields)).unwrap_or_default()
    }
}

fn defaults(schema: &Value) -> Map<String, Value> {
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone()))).collect()
}

fn from_schema(error: &jsonschema::ValidationError<'_>) -> Violation {
    let keyword = error.kind().keyword().to_owned();
    let remedy = match keyword.as_str() {
        "type" => "give a value of that type",
        "required" => "add what is missing",
        "enum" | "const" => "use one of the allowed values",
        "additionalProperties" | "unevaluatedProperties" => "remove what is not allowed",
        _ => "change the value so that it holds",
    };
    let rule = Rule::Schema { keyword, says: cut(&error.masked().to_string(), SAYS_CHARS_MAX) };
    Violation::new(error.instance_path().as_str(), error.instance(), rule, remedy)
}
