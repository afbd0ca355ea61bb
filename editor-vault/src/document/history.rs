//! What a document was, who made it so, and how to name one of its versions.

use std::collections::{HashMap, HashSet};

use document::{Difference, HistoryError, PastChange, Seed};
use serde_json::Value;
use sync_wire::{Actor, ChangeHash, DeviceId};

use super::Document;
use crate::error::ReadError;
use crate::storage::Attribution;

/// Fewest hexadecimal digits that name a version.
const PREFIX_DIGITS_MIN: usize = 4;

/// A state of a document: what the author of a change saw, or everything but the newest changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub(super) heads: Vec<ChangeHash>,
}

impl Version {
    /// The document as the author of this change had it.
    #[must_use]
    pub fn of(change: ChangeHash) -> Self {
        Self { heads: vec![change] }
    }
}

/// One change of a document's history. What a change needs behind the scenes (its seeds) is not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its identity.
    pub hash: ChangeHash,
    /// Who made it, if that is known here: this device, or the one that the log names.
    pub device: Option<DeviceId>,
    /// The name it was written under.
    pub actor: Actor,
    /// When it was made, by its author's clock, in seconds since 1970 (UTC).
    pub unix_seconds: i64,
    /// `undo HASH`, `redo HASH` or `restore HASH…` if it was made by that.
    pub note: Option<String>,
    /// How many operations it holds.
    pub ops: u64,
    /// The changes that its author saw last.
    pub deps: Vec<ChangeHash>,
}

/// Who gave a leaf its present value. For a text, the last who edited it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// JSON Pointer, in the stored form.
    pub path: String,
    /// The change.
    pub revision: Revision,
}

impl Document {
    /// Every saved change, causes before effects, so that the newest comes last. Reads the whole document.
    ///
    /// # Errors
    /// As [`Self::read`].
    ///
    /// # Example
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// let settings = vault.well_known("settings")?;
    /// settings.edit(|draft| draft.put("/base/editor.tabSize", 2.into()))?;
    /// settings.edit(|draft| draft.put("/base/editor.tabSize", 4.into()))?;
    /// assert_eq!(settings.history()?.len(), 2);
    /// let before = settings.version("~1")?;
    /// assert_eq!(settings.value_at(&before)?["base"]["editor.tabSize"], 2);
    /// settings.restore(&before)?;
    /// assert_eq!(settings.get("/base/editor.tabSize")?, Some(2.into()));
    /// settings.undo()?; // takes the restoring back
    /// assert_eq!(settings.get("/base/editor.tabSize")?, Some(4.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn history(&self) -> Result<Vec<Revision>, ReadError> {
        let attribution = self.attribution()?;
        let past = self.look_back(::document::Document::history)?;
        Ok(past.into_iter().filter(is_shown).map(|change| attribution.revision(change)).collect())
    }

    /// The version that `named` means: at least 4 hexadecimal digits with which the hash of one of its changes begins,
    /// or `~N` for everything but the newest N changes of [`Self::history`]; `~0` is everything that is saved.
    ///
    /// # Errors
    /// [`ReadError::NoSuchVersion`] if none or several are meant; else as [`Self::read`].
    pub fn version(&self, named: &str) -> Result<Version, ReadError> {
        let past = self.look_back(::document::Document::history)?;
        let changes: Vec<_> = past.into_iter().filter(is_shown).collect();
        let refused = |rule: String| ReadError::NoSuchVersion { wanted: named.to_owned(), rule };
        if let Some(back) = named.strip_prefix('~') {
            let back: usize = back.parse().map_err(|_| refused("a number follows `~`".into()))?;
            let kept = changes.len().checked_sub(back);
            let kept = kept.ok_or_else(|| refused(format!("the document has {} changes", changes.len())))?;
            return Ok(Version { heads: heads(&changes[..kept]) });
        }
        let is_prefix = named.len() >= PREFIX_DIGITS_MIN && named.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_prefix {
            return Err(refused(format!("a version is at least {PREFIX_DIGITS_MIN} hexadecimal digits, or `~N`")));
        }
        let prefix = named.to_ascii_lowercase();
        let found: Vec<_> = changes.iter().filter(|change| change.hash.to_string().starts_with(&prefix)).collect();
        match found[..] {
            [change] => Ok(Version::of(change.hash)),
            [] => Err(refused("no change of the document begins so".into())),
            _ => Err(refused(format!("{} changes of the document begin so: give more digits", found.len()))),
        }
    }

    /// The whole document in its stored form, as it was at a version.
    ///
    /// # Errors
    /// [`ReadError::NoSuchVersion`] if it is of another document; else as [`Self::read`].
    pub fn value_at(&self, version: &Version) -> Result<Value, ReadError> {
        self.look_back(|document| document.value_at(&version.heads))
    }

    /// The whole document in its plain form, as it was at a version.
    ///
    /// # Errors
    /// As [`Self::value_at`].
    pub fn plain_at(&self, version: &Version) -> Result<Value, ReadError> {
        let value = self.value_at(version)?;
        Ok(self.schema().map_or_else(|_| value.clone(), |schema| schema.plain(&value)))
    }

    /// The leaves that differ between two versions, by path of the stored form.
    ///
    /// # Errors
    /// As [`Self::value_at`].
    pub fn diff(&self, before: &Version, after: &Version) -> Result<Vec<Difference>, ReadError> {
        self.look_back(|document| document.difference(&before.heads, &after.heads))
    }

    /// For each leaf, who gave it its present value.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`] for documents of other programs that nest objects freely; else as [`Self::read`].
    pub fn blame(&self) -> Result<Vec<Blame>, ReadError> {
        let revisions: HashMap<_, _> = self.history()?.into_iter().map(|revision| (revision.hash, revision)).collect();
        let blamed = self.look_back(::document::Document::blame)?;
        let known =
            |blame: ::document::Blame| Some(Blame { revision: revisions.get(&blame.hash)?.clone(), path: blame.path });
        Ok(blamed.into_iter().filter_map(known).collect())
    }

    pub(super) fn look_back<T>(
        &self,
        look: impl FnOnce(&::document::Document) -> Result<T, HistoryError>,
    ) -> Result<T, ReadError> {
        self.read(look)?.map_err(|error| self.unreadable(error))
    }

    pub(super) fn unreadable(&self, error: HistoryError) -> ReadError {
        match error {
            HistoryError::Unknown { hash } => {
                let rule = "no change of the document has this hash".to_owned();
                ReadError::NoSuchVersion { wanted: hash.to_string(), rule }
            }
            error => ReadError::Unreadable { document: self.id, detail: error.to_string() },
        }
    }

    fn attribution(&self) -> Result<Devices, ReadError> {
        let inner = self.vault.live()?;
        let rows = inner.storage.read_at_once(|tx| match tx.document(self.space, self.id)? {
            Some(found) => tx.attributions(found.row),
            None => Ok(Vec::new()),
        })?;
        Ok(Devices::of(rows, inner.device()))
    }
}

/// Seeds are what changes are made of; nobody made them.
fn is_shown(change: &PastChange) -> bool {
    !Seed::is_seed_actor(&change.actor)
}

/// The changes that no other of them rests on.
fn heads(changes: &[PastChange]) -> Vec<ChangeHash> {
    let below: HashSet<_> = changes.iter().flat_map(|change| &change.deps).collect();
    changes.iter().map(|change| change.hash).filter(|hash| !below.contains(hash)).collect()
}

/// Whose changes are. An actor belongs to one device, so one change that is known tells of its others.
struct Devices {
    by_change: HashMap<ChangeHash, DeviceId>,
    by_actor: HashMap<Actor, DeviceId>,
}

impl Devices {
    fn of(rows: Vec<Attribution>, here: DeviceId) -> Self {
        let mut devices = Self { by_change: HashMap::new(), by_actor: HashMap::new() };
        for row in rows {
            if let Some(device) = row.device.or_else(|| row.is_own.then_some(here)) {
                devices.by_change.insert(row.hash, device);
                devices.by_actor.insert(row.actor, device);
            }
        }
        devices
    }

    fn revision(&self, change: PastChange) -> Revision {
        let device = self.by_change.get(&change.hash).or_else(|| self.by_actor.get(&change.actor)).copied();
        Revision {
            hash: change.hash,
            device,
            actor: change.actor,
            unix_seconds: change.time,
            note: change.message,
            ops: change.ops,
            deps: change.deps,
        }
    }
}
