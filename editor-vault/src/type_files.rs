//! Document types of third parties, in files beside the vault's: `types/NAME/VERSION.json`.
//!
//! They are read when the vault is opened, beside those of the host. A file that cannot be used is left out and said,
//! and keeps nothing from opening: its documents are shown as they are stored. What is put there later, by whatever
//! process, counts when the vault is opened next.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use file_systems::Access;
use schemas::{LoadError, Registry, namespace_of};

use crate::error::ConnectError;
use crate::sync::Connection;
use crate::vault::Vault;

/// The directory beside the vault's file.
const DIRECTORY: &str = "types";
/// Most files that are read.
const TYPE_FILES_MAX: usize = 1024;
/// Largest file that is read, in bytes; what is larger is no document type.
const TYPE_FILE_BYTES_MAX: u64 = 1 << 20;

/// A file that was left out when the vault was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedType {
    /// Which.
    pub file: PathBuf,
    /// Why, and what to do.
    pub reason: String,
}

/// A version of a third party's type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct TypeVersion {
    /// `ext.PUBLISHER.NAME`.
    pub name: String,
    /// From 1.
    pub version: u32,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// Why a type was not added, fetched or published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// The name is none of a third party's type.
    #[error("{name:?} is no type of a third party: such types are called ext.PUBLISHER.NAME, in lower case")]
    Name {
        /// The name, cut.
        name: String,
    },
    /// What is wrong in the file, or beside the version before it.
    #[error(transparent)]
    Findings(#[from] LoadError),
    /// Another file is there of this version.
    #[error("{} is there with other content, and a version never changes: publish the next one", file.display())]
    Taken {
        /// Which.
        file: PathBuf,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}; check permissions and free space", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The relay cannot even be asked.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No relay was reached.
    #[error("the relay was not reached ({detail}); try again when it is")]
    Offline {
        /// Why.
        detail: String,
    },
    /// The relay says no.
    #[error("the relay refuses: {detail}")]
    Refused {
        /// Its word for the reason.
        code: String,
        /// Its sentence, with whatever it finds wrong.
        detail: String,
    },
}

impl TypeError {
    /// The stable word for this failure.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Name { .. } => "type_name_invalid",
            Self::Findings(_) => "schema",
            Self::Taken { .. } => "type_version_taken",
            Self::File { .. } => "io",
            Self::Connect(error) => error.code(),
            Self::Offline { .. } => "offline",
            Self::Refused { code, .. } => code,
        }
    }
}

/// The types of a vault.
#[derive(Debug)]
pub(crate) struct TypeFiles {
    pub(crate) registry: Registry,
    pub(crate) skipped: Vec<SkippedType>,
}

impl TypeFiles {
    /// Those of `host`, and what is beside the file of the vault in `vault`.
    pub(crate) fn read(vault: &Path, host: &Registry) -> Self {
        let mut files = Self { registry: host.clone(), skipped: Vec::new() };
        let mut found = files.list(&vault.join(DIRECTORY));
        // Earlier versions first: each is held against the one before it.
        found.sort();
        if found.len() > TYPE_FILES_MAX {
            let reason = format!("more than {TYPE_FILES_MAX} files are there: remove types that are not used");
            files.skip(vault.join(DIRECTORY), reason);
            found.truncate(TYPE_FILES_MAX);
        }
        for (name, version, path) in found {
            let text = match read(&path) {
                Ok(text) => text,
                Err(error) => {
                    files.skip(path, format!("cannot be read: {error}"));
                    continue;
                }
            };
            if let Err(error) = files.registry.add(&format!("{name}/{version}.json"), &text) {
                files.skip(path, error.to_string());
            }
        }
        files
    }

    /// Names, versions and paths of what may be types.
    fn list(&mut self, directory: &Path) -> Vec<(String, u32, PathBuf)> {
        let mut found = Vec::new();
        for folder in self.entries(directory) {
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if namespace_of(&name).is_none() {
                let reason = "no type of a third party is called so: only ext.PUBLISHER.NAME/VERSION.json is read here";
                self.skip(folder, reason.to_owned());
                continue;
            }
            for path in self.entries(&folder) {
                let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                match file.strip_suffix(".json").and_then(|version| version.parse().ok()) {
                    Some(version) => found.push((name.clone(), version, path)),
                    None => self.skip(path, "is not called VERSION.json: name it after its x-version".to_owned()),
                }
            }
        }
        found
    }

    /// What is in a directory, drafts and other hidden files left out.
    fn entries(&mut self, directory: &Path) -> Vec<PathBuf> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.skip(directory.to_owned(), format!("cannot be listed: {error}"));
                return Vec::new();
            }
        };
        let is_hidden = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
        entries.filter_map(Result::ok).filter(|entry| !is_hidden(entry)).map(|entry| entry.path()).collect()
    }

    fn skip(&mut self, file: PathBuf, reason: String) {
        tracing::warn!("Document type {} is left out: {reason}", file.display());
        self.skipped.push(SkippedType { file, reason });
    }
}

/// What is no ordinary file is not even opened: a pipe would be waited for.
fn read(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    // One byte more than is allowed, for the checks to say so.
    File::open(path)?.take(TYPE_FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Copies the files of one vault to another, those that can be used.
pub(crate) fn copy(from: &Path, to: &Path) {
    let TypeFiles { registry, .. } = TypeFiles::read(from, Registry::builtin());
    for found in registry.all().filter(|found| namespace_of(&found.name).is_some()) {
        let file = file_in(from, &found.name, found.version);
        let copied = read(&file).and_then(|text| write(&file_in(to, &found.name, found.version), &text));
        if let Err(error) = copied {
            tracing::warn!("Document type {} stays behind: {error}", file.display());
        }
    }
}

fn file_in(vault: &Path, name: &str, version: u32) -> PathBuf {
    vault.join(DIRECTORY).join(name).join(format!("{version}.json"))
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    file.parent().map_or(Ok(()), file_systems::make_directory)?;
    // Of another process at the same moment: whoever is first has written the same, or is told apart afterwards.
    file_systems::create(file, text.as_bytes(), &std::process::id().to_string(), Access::Owner)
}

impl Vault {
    /// The document types that this vault goes by: those of the host ([`crate::VaultOptions::schemas`]), and those of
    /// third parties in its directory `types` as it was when the vault was opened. Where both have a version of a type,
    /// it is that of the host.
    #[must_use]
    pub fn schemas(&self) -> &Registry {
        &self.inner().schemas
    }

    /// The files in its directory `types` that were left out when the vault was opened.
    #[must_use]
    pub fn skipped_types(&self) -> &[SkippedType] {
        &self.inner().skipped_types
    }

    /// Puts files of third parties' types into the directory `types`, all or none: pairs of `NAME/VERSION.json` (with
    /// any path before it) and text. They count from the next [`Vault::open`] on.
    ///
    /// # Errors
    /// [`TypeError::Findings`], [`TypeError::Name`], [`TypeError::Taken`], [`TypeError::File`].
    ///
    /// # Example
    /// ```
    /// use editor_vault::Vault;
    ///
    /// let dir = editor_vault::doctest::directory()?;
    /// let task = r#"{ "x-type": "ext.acme.task", "x-version": 1, "x-title": "/title", "type": "object",
    ///     "properties": { "title": { "type": "string" } } }"#;
    /// Vault::open(dir.path())?.add_types(&[("ext.acme.task/1.json", task)])?;
    /// let vault = Vault::open(dir.path())?;
    /// vault.create("ext.acme.task", Some("Buy tea"), None)?;
    /// let other = task.replace("string", "integer");
    /// assert!(vault.add_types(&[("ext.acme.task/1.json", &other)]).is_err(), "a version never changes");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_types<N: AsRef<str>, T: AsRef<str>>(&self, files: &[(N, T)]) -> Result<Vec<TypeVersion>, TypeError> {
        // Others may have put something there since the vault was opened.
        let mut known = TypeFiles::read(self.path(), self.schemas()).registry;
        let mut added = Vec::new();
        for (file, text) in files {
            let (file, text) = (file.as_ref(), text.as_ref());
            let loaded = known.add(file, text)?;
            check_name(&loaded.name)?;
            let path = file_in(self.path(), &loaded.name, loaded.version);
            let is_new = match read(&path) {
                Ok(there) if there == text => false,
                Err(error) if error.kind() == ErrorKind::NotFound => true,
                _ => return Err(TypeError::Taken { file: path }),
            };
            added.push((TypeVersion { name: loaded.name.clone(), version: loaded.version, is_new }, path, text));
        }
        for (_, path, text) in added.iter().filter(|(of, ..)| of.is_new) {
            match write(path, text) {
                Err(error)
                    if error.kind() == ErrorKind::AlreadyExists && read(path).is_ok_and(|there| there == *text) => {}
                Err(source) => return Err(TypeError::File { file: path.clone(), source }),
                Ok(()) => {}
            }
        }
        Ok(added.into_iter().map(|(of, ..)| of).collect())
    }

    /// Gets every published version of a type from a relay and puts it into the directory `types`, as
    /// [`Vault::add_types`] does.
    ///
    /// # Errors
    /// [`TypeError::Offline`]; [`TypeError::Refused`], for example with `type_not_found`; as [`Vault::add_types`].
    pub fn fetch_type(&self, connection: &Connection, name: &str) -> Result<Vec<TypeVersion>, TypeError> {
        check_name(name)?;
        let listed = ask(connection, "GET", &format!("/api/v1/types/{name}"), "")?;
        let mut files = Vec::new();
        for version in listed["versions"].as_array().into_iter().flatten() {
            let number = version["version"].as_u64().ok_or_else(|| garbled("a version without a number"))?;
            let one = ask(connection, "GET", &format!("/api/v1/types/{name}/{number}"), "")?;
            let text = one["text"].as_str().ok_or_else(|| garbled("a version without its file"))?;
            if one["digest"].as_str() != Some(blake3::hash(text.as_bytes()).to_hex().as_str()) {
                return Err(garbled("a file that is not the one that was published"));
            }
            files.push((format!("{name}/{number}.json"), text.to_owned()));
        }
        self.add_types(&files)
    }

    /// Publishes a file of a type on a relay, for good: `NAME/VERSION.json` with any path before it, and its text. The
    /// account needs the namespace that is in the name.
    ///
    /// # Errors
    /// [`TypeError::Findings`] before anything is sent; [`TypeError::Offline`]; [`TypeError::Refused`], for example
    /// with `namespace_required` or `type_version_order`.
    pub fn publish_type(&self, connection: &Connection, file: &str, text: &str) -> Result<TypeVersion, TypeError> {
        let loaded = TypeFiles::read(self.path(), self.schemas()).registry.add(file, text)?;
        check_name(&loaded.name)?;
        let path = format!("/api/v1/types/{}/{}", loaded.name, loaded.version);
        let answer = connection.ask("PUT", &path, text)?.map_err(|detail| TypeError::Offline { detail })?;
        let is_new = answer.status == 201;
        accepted(answer)?;
        Ok(TypeVersion { name: loaded.name.clone(), version: loaded.version, is_new })
    }
}

fn check_name(name: &str) -> Result<(), TypeError> {
    match namespace_of(name) {
        Some(_) => Ok(()),
        None => Err(TypeError::Name { name: name.chars().take(64).collect() }),
    }
}

fn ask(connection: &Connection, method: &'static str, path: &str, body: &str) -> Result<serde_json::Value, TypeError> {
    let answer = connection.ask(method, path, body)?.map_err(|detail| TypeError::Offline { detail })?;
    accepted(answer)
}

fn accepted(answer: crate::sync::Answer) -> Result<serde_json::Value, TypeError> {
    if matches!(answer.status, 200 | 201) {
        return Ok(answer.body);
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut detail = text(&answer.body["detail"]);
    for violation in answer.body["violations"].as_array().into_iter().flatten() {
        let [code, message, remedy] = ["code", "message", "remedy"].map(|field| text(&violation[field]));
        detail += &format!("; line {}, column {}: {code}: {message}; {remedy}", violation["line"], violation["column"]);
    }
    Err(TypeError::Refused { code: text(&answer.body["code"]), detail })
}

fn garbled(what: &str) -> TypeError {
    let detail = format!("it answered with {what}; install a newer release, or ask its operator");
    TypeError::Refused { code: "unexpected".to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = r#"{ "x-type": "ext.acme.task", "x-version": 1, "type": "object", "properties": { "a": {} } }"#;

    fn put(vault: &Path, file: &str, text: &str) {
        let path = vault.join(DIRECTORY).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_said_and_the_rest_is_there() {
        let vault = tempfile::tempdir().unwrap();
        put(vault.path(), "ext.acme.task/1.json", TASK);
        put(vault.path(), "ext.acme.task/2.json", &TASK.replace("1,", "2,").replace("\"a\"", "\"b\""));
        put(vault.path(), "ext.acme.bad/1.json", "{");
        put(vault.path(), "ext.acme.large/1.json", &" ".repeat(2 << 20));
        put(vault.path(), "ext.acme.task/first.json", TASK);
        put(vault.path(), "ext.acme.task/.1.json.77", "a draft that somebody left behind");
        put(vault.path(), "note/2.json", "{}");
        fs::create_dir_all(vault.path().join("types/ext.acme.folder/1.json")).unwrap();
        let TypeFiles { registry, skipped } = TypeFiles::read(vault.path(), Registry::builtin());
        assert_eq!(registry.get("ext.acme.task").map(|found| found.version), Some(1));
        assert_eq!(registry.names().filter(|name| name.starts_with("ext.")).count(), 1);
        let said = |part: &str, why: &str| {
            let about = |one: &&SkippedType| one.file.ends_with(part);
            let found = skipped.iter().find(about).unwrap_or_else(|| panic!("{part}: {skipped:?}"));
            assert!(found.reason.contains(why), "{found:?}");
        };
        said("ext.acme.task/2.json", "\"a\" of version 1 is gone");
        said("ext.acme.bad/1.json", "line 1");
        said("ext.acme.large/1.json", "more than the 1048576 allowed");
        said("ext.acme.task/first.json", "VERSION.json");
        said("note", "ext.PUBLISHER.NAME");
        said("ext.acme.folder/1.json", "no file");
        assert_eq!(skipped.len(), 6, "{skipped:?}");
    }

    #[test]
    fn what_the_host_hands_in_counts_before_what_is_in_the_folder() {
        let vault = tempfile::tempdir().unwrap();
        put(vault.path(), "ext.acme.task/1.json", TASK);
        let host = Registry::with_files([("ext.acme.task/1.json", TASK.replace("\"a\"", "\"b\""))]).unwrap();
        let TypeFiles { skipped, .. } = TypeFiles::read(vault.path(), &host);
        assert!(skipped[0].reason.contains("there is another ext.acme.task version 1"), "{skipped:?}");
        let TypeFiles { skipped, .. } = TypeFiles::read(vault.path(), Registry::builtin());
        assert_eq!(skipped, []);
    }

    #[test]
    fn so_many_files_are_read_and_not_more() {
        let vault = tempfile::tempdir().unwrap();
        for number in 0..=TYPE_FILES_MAX {
            let text = TASK.replace("task", &format!("t{number:04}"));
            put(vault.path(), &format!("ext.acme.t{number:04}/1.json"), &text);
        }
        let TypeFiles { registry, skipped } = TypeFiles::read(vault.path(), Registry::builtin());
        assert_eq!(registry.names().filter(|name| name.starts_with("ext.")).count(), TYPE_FILES_MAX);
        assert!(skipped.len() == 1 && skipped[0].reason.contains("more than 1024 files"), "{skipped:?}");
    }
}
