//! All document types that are known: the built-in ones and those that a host hands in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::{DocumentType, jsonc};

/// Largest schema file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Most violations named for one file.
const VIOLATIONS_SHOWN: usize = 8;

const META: &str = include_str!("../types/meta.json");
const BUILTIN: [(&str, &str); 3] = [
    ("settings/1.json", include_str!("../types/settings/1.json")),
    ("keymap/1.json", include_str!("../types/keymap/1.json")),
    ("note/1.json", include_str!("../types/note/1.json")),
];

/// Why a schema file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Not JSON.
    #[error("schema {file} is not JSON: {error}")]
    Json {
        /// As handed in.
        file: String,
        /// Where and what.
        error: jsonc::JsoncError,
    },
    /// More than 1 MiB.
    #[error("schema {file} has {bytes} bytes, more than the {FILE_BYTES_MAX} allowed: move examples elsewhere")]
    TooLarge {
        /// As handed in.
        file: String,
        /// Its size.
        bytes: usize,
    },
    /// Not a document type as `types/meta.json` describes it.
    #[error("schema {file} is not a document type: {}", .violations.join("; "))]
    Meta {
        /// As handed in.
        file: String,
        /// Each with its place; at most eight.
        violations: Vec<String>,
    },
    /// The name in the file is not that of its directory, or the version not that of the file.
    #[error(
        "schema {file} says it is {found}: keep version 2 of a type `task` in task/2.json with x-type and x-version"
    )]
    Misplaced {
        /// As handed in.
        file: String,
        /// `NAME/VERSION.json` as its content says.
        found: String,
    },
    /// The validator cannot use it (a pattern that is no regular expression, a `$ref` that leads nowhere).
    #[error("schema {file} cannot be compiled: {detail}: mend it at that place")]
    Compile {
        /// As handed in.
        file: String,
        /// The validator's words.
        detail: String,
    },
    /// There is another schema for the same version of the type.
    #[error("schema {file} redefines {name} version {version}: a version is never changed, give it a new number")]
    Redefined {
        /// As handed in.
        file: String,
        /// The type.
        name: String,
        /// The version.
        version: u32,
    },
}

/// Document types by name and version.
#[derive(Debug)]
pub struct Registry {
    types: BTreeMap<String, BTreeMap<u32, DocumentType>>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    Registry::with_files(std::iter::empty::<(&str, &str)>())
        .unwrap_or_else(|error| unreachable!("the built-in schemas are checked by a test: {error}"))
});

impl Registry {
    /// The built-in types: `settings`, `keymap`, `note`.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &REGISTRY
    }

    /// The built-in types and those in `files`, as pairs of `NAME/VERSION.json` (with any path before it) and text.
    ///
    /// Who calls this reads the files; the crate does not.
    ///
    /// # Errors
    /// [`LoadError`] for the first file that cannot be used.
    pub fn with_files<N: AsRef<str>, T: AsRef<str>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, LoadError> {
        let meta = meta_validator();
        let mut registry = Self { types: BTreeMap::new() };
        for (file, text) in BUILTIN {
            registry.add(&meta, file, text)?;
        }
        for (file, text) in files {
            registry.add(&meta, file.as_ref(), text.as_ref())?;
        }
        Ok(registry)
    }

    /// The newest version of a type.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&DocumentType> {
        self.types.get(name)?.values().next_back()
    }

    /// One version of a type.
    #[must_use]
    pub fn version(&self, name: &str, version: u32) -> Option<&DocumentType> {
        self.types.get(name)?.get(&version)
    }

    /// The names of all types, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    fn add(&mut self, meta: &Validator, file: &str, text: &str) -> Result<(), LoadError> {
        let schema = parse(meta, file, text)?;
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(PatternOptions::regex())
            .build(&schema)
            .map_err(|error| LoadError::Compile { file: file.to_owned(), detail: error.to_string() })?;
        let loaded = DocumentType::new(&schema, validator);
        let found = format!("{}/{}.json", loaded.name, loaded.version);
        if file != found && !file.replace('\\', "/").ends_with(&format!("/{found}")) {
            return Err(LoadError::Misplaced { file: file.to_owned(), found });
        }
        let versions = self.types.entry(loaded.name.clone()).or_default();
        if versions.contains_key(&loaded.version) {
            return Err(LoadError::Redefined { file: file.to_owned(), name: loaded.name, version: loaded.version });
        }
        versions.insert(loaded.version, loaded);
        Ok(())
    }
}

/// Reads a schema file and holds it against the meta-schema.
fn parse(meta: &Validator, file: &str, text: &str) -> Result<Value, LoadError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(LoadError::TooLarge { file: file.to_owned(), bytes: text.len() });
    }
    let schema = jsonc::parse(text).map_err(|error| LoadError::Json { file: file.to_owned(), error })?;
    let mut violations: Vec<String> = meta
        .iter_errors(&schema)
        .take(VIOLATIONS_SHOWN)
        .map(|error| format!("{error} at {}", place(error.instance_path().as_str())))
        .collect();
    for required in ["x-type", "x-version"] {
        if schema.get(required).is_none() {
            violations.push(format!("{required} is missing at the top"));
        }
    }
    if violations.is_empty() { Ok(schema) } else { Err(LoadError::Meta { file: file.to_owned(), violations }) }
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the top" } else { pointer }
}

fn meta_validator() -> Validator {
    let meta = serde_json::from_str(META).unwrap_or_else(|error| unreachable!("meta.json is ours: {error}"));
    jsonschema::draft202012::options()
        .build(&meta)
        .unwrap_or_else(|error| unreachable!("meta.json is checked by a test: {error}"))
}
