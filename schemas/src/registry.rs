//! All document types that are known: the built-in ones and those that a host hands in.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::DocumentType;
use crate::lint::{self, Finding};

/// Most findings in the sentence of one error.
const FINDINGS_SHOWN: usize = 8;

/// The built-in schemas, by the names of their files.
pub(crate) const BUILTIN: [(&str, &str); 12] = [
    ("settings/1.json", include_str!("../types/settings/1.json")),
    ("keymap/1.json", include_str!("../types/keymap/1.json")),
    ("snippets/1.json", include_str!("../types/snippets/1.json")),
    ("profile/1.json", include_str!("../types/profile/1.json")),
    ("profile/2.json", include_str!("../types/profile/2.json")),
    ("profile/3.json", include_str!("../types/profile/3.json")),
    ("identity/1.json", include_str!("../types/identity/1.json")),
    ("extensions/1.json", include_str!("../types/extensions/1.json")),
    ("note/1.json", include_str!("../types/note/1.json")),
    ("trust/1.json", include_str!("../types/trust/1.json")),
    ("publisher/1.json", include_str!("../types/publisher/1.json")),
    ("review/1.json", include_str!("../types/review/1.json")),
];

/// Why a schema file cannot be used: what [`crate::lint_files`] finds in it. Displays the first eight findings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schema {file} is no document type: {}", said(.findings))]
pub struct LoadError {
    /// As handed in.
    pub file: String,
    /// In the order of the text; at least one.
    pub findings: Vec<Finding>,
}

fn said(findings: &[Finding]) -> String {
    let mut sentences: Vec<String> = findings.iter().take(FINDINGS_SHOWN).map(ToString::to_string).collect();
    if findings.len() > FINDINGS_SHOWN {
        sentences.push(format!("and {} more", findings.len() - FINDINGS_SHOWN));
    }
    sentences.join("; ")
}

/// Document types by name and version. A clone shares them.
#[derive(Debug, Clone)]
pub struct Registry {
    types: BTreeMap<String, BTreeMap<u32, Arc<DocumentType>>>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    Registry::with_files(std::iter::empty::<(&str, &str)>())
        .unwrap_or_else(|error| unreachable!("the built-in schemas are checked by a test: {error}"))
});

impl Registry {
    /// The built-in types.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &REGISTRY
    }

    /// The built-in types and those in `files`, as pairs of `NAME/VERSION.json` (with any path before it) and text.
    ///
    /// Who calls this reads the files; the crate does not.
    ///
    /// # Errors
    /// [`LoadError`] for the first file in which [`crate::lint_files`] finds something.
    ///
    /// ```
    /// use schemas::Registry;
    /// let text = r#"{ "x-type": "task", "x-version": 1, "type": "object" }"#;
    /// assert!(Registry::with_files([("task/1.json", text)])?.get("task").is_some());
    /// let error = Registry::with_files([("job/1.json", text)]).unwrap_err();
    /// assert_eq!(error.findings[0].code, "misplaced");
    /// # Ok::<(), schemas::LoadError>(())
    /// ```
    pub fn with_files<N: AsRef<str>, T: AsRef<str>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, LoadError> {
        let files: Vec<(N, T)> = files.into_iter().collect();
        let mut registry = Self { types: BTreeMap::new() };
        for schema in lint::builtin() {
            registry.insert(Arc::new(DocumentType::new(schema)));
        }
        for ((file, _), outcome) in files.iter().zip(lint::examine_files(&files)) {
            let sound = outcome.map_err(|findings| LoadError { file: file.as_ref().to_owned(), findings })?;
            registry.insert(Arc::new(DocumentType::checked(sound)));
        }
        Ok(registry)
    }

    /// Adds the type in `text`, called `NAME/VERSION.json` with any path before it. It is held against what is here:
    /// the version before it, and the same one, which may be there with the same content.
    ///
    /// # Errors
    /// [`LoadError`]; the registry stays as it was.
    ///
    /// ```
    /// use schemas::Registry;
    /// let mut known = Registry::builtin().clone();
    /// let text = r#"{ "x-type": "ext.acme.task", "x-version": 1, "type": "object" }"#;
    /// assert_eq!(known.add("ext.acme.task/1.json", text)?.version, 1);
    /// let other = r#"{ "x-type": "ext.acme.task", "x-version": 1, "type": "object", "title": "Task" }"#;
    /// assert_eq!(known.add("ext.acme.task/1.json", other).unwrap_err().findings[0].code, "redefined");
    /// # Ok::<(), schemas::LoadError>(())
    /// ```
    pub fn add(&mut self, file: &str, text: &str) -> Result<Arc<DocumentType>, LoadError> {
        let failed = |findings| LoadError { file: file.to_owned(), findings };
        let sound = lint::examine(file, text).map_err(failed)?;
        let loaded = DocumentType::checked(sound);
        let versions = self.types.get(&loaded.name);
        let schema = |found: &Arc<DocumentType>| found.schema().clone();
        let same = versions.and_then(|versions| versions.get(&loaded.version)).map(schema);
        let before = versions.and_then(|versions| versions.range(..loaded.version).next_back());
        let before = before.map(|(_, found)| schema(found));
        let findings = lint::held_against(loaded.schema(), text, same.as_ref(), before.as_ref());
        if !findings.is_empty() {
            return Err(failed(findings));
        }
        let loaded = Arc::new(loaded);
        self.insert(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Puts in a type of another registry, whatever is here.
    pub fn insert(&mut self, loaded: Arc<DocumentType>) {
        self.types.entry(loaded.name.clone()).or_default().insert(loaded.version, loaded);
    }

    /// The newest version of a type.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&DocumentType> {
        self.types.get(name)?.values().next_back().map(Arc::as_ref)
    }

    /// The newest version of a type, for as long as anybody holds it.
    #[must_use]
    pub fn shared(&self, name: &str) -> Option<Arc<DocumentType>> {
        self.types.get(name)?.values().next_back().cloned()
    }

    /// One version of a type.
    #[must_use]
    pub fn version(&self, name: &str, version: u32) -> Option<&DocumentType> {
        self.types.get(name)?.get(&version).map(Arc::as_ref)
    }

    /// The names of all types, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// All versions of all types, ascending.
    pub fn all(&self) -> impl Iterator<Item = &DocumentType> {
        self.types.values().flat_map(BTreeMap::values).map(Arc::as_ref)
    }
}
