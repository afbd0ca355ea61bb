//! Conflicts of one document: values of a field that were written concurrently and wait for a person, and settling them
//! (PROTOCOL §7). [`crate::Vault::conflicts`] lists those of all documents.

use std::collections::HashMap;

use document::{Concurrent, resolution_note};
use serde_json::Value;
use sync_wire::{ChangeHash, DocumentId, SpaceId};

use super::{Document, Noted, Revision};
use crate::error::{EditError, ReadError};
use crate::explain::ConflictTotals;
use crate::{Intent, Violation};

/// A field with values that were written concurrently.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Conflict {
    /// The space.
    pub space: SpaceId,
    /// The document.
    pub document: DocumentId,
    /// Its type, if it has one.
    pub type_name: Option<String>,
    /// What people call it.
    pub title: Option<String>,
    /// Where the field is in the plain form, for people: an item of a list is named by its place.
    pub path: String,
    /// Where it is stored. Unlike the place of an item, this does not change.
    pub stored_path: String,
    /// At least two, not all the same: the one that is shown first, the others from the newest to the oldest. On every
    /// device that has them in this order.
    pub values: Vec<ConflictValue>,
}

/// One of the values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConflictValue {
    /// The value. Null where the field was removed.
    pub value: Value,
    /// Who wrote it, and when; its hash names the value.
    pub revision: Revision,
}

/// What becomes of a field that waits for a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// The value that this change wrote.
    Keep(ChangeHash),
    /// Another one; null removes the field.
    Value(Value),
}

impl Document {
    /// Fields that wait for a person, by stored path. They can be read, and show the first of their values; an edit
    /// that writes to one is refused (`conflict_open`) until [`Self::resolve`] settled it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn conflicts(&self) -> Result<Vec<Conflict>, ReadError> {
        self.described(self.look_back(::document::Document::conflicts)?)
    }

    /// Fields in which one of several values won by itself, by stored path: last writer wins, and an object wins over a
    /// scalar in its place. The others are in the history, and can be put again like any value.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn overruled(&self) -> Result<Vec<Conflict>, ReadError> {
        self.described(self.look_back(::document::Document::overruled)?)
    }

    /// How many there are of both.
    pub(crate) fn conflict_totals(&self) -> Result<ConflictTotals, ReadError> {
        let (open, overruled) = self.look_back(|document| Ok((document.conflicts()?, document.overruled()?)))?;
        Ok(ConflictTotals { open: open.len() as u64, overruled: overruled.len() as u64 })
    }

    /// Settles a conflict, as it was seen. A new edit, saved when this returns, that goes to the other devices like
    /// any.
    ///
    /// It closes the values of `conflict` and no others: what another device writes or decides meanwhile is a conflict
    /// again when both meet.
    ///
    /// # Errors
    /// [`EditError::Violation`] with the code `conflict_moved` if others stand there by now (its text names them: look
    /// again), `no_conflict` if somebody has settled it, `no_such_value` if none of them is of the change to keep;
    /// [`EditError::Violations`] if another value breaks rules of the type; else as [`Self::edit`].
    ///
    /// # Example: nothing waits in a document that was written at one place only
    /// ```
    /// # let dir = editor_vault::doctest::directory()?;
    /// let vault = editor_vault::Vault::open(dir.path())?;
    /// for conflict in vault.conflicts()? {
    ///     let newest = conflict.values.iter().max_by_key(|value| value.revision.unix_seconds);
    ///     if let Some(newest) = newest.map(|value| value.revision.hash) {
    ///         let document = vault.document(conflict.space, conflict.document)?;
    ///         document.resolve(&conflict, editor_vault::Resolution::Keep(newest))?;
    ///     }
    /// }
    /// assert!(vault.conflicts()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve(&self, conflict: &Conflict, resolution: Resolution) -> Result<(), EditError> {
        let path = conflict.stored_path.clone();
        let value = match resolution {
            Resolution::Keep(hash) => {
                let kept = conflict.values.iter().find(|value| value.revision.hash == hash);
                kept.ok_or_else(|| no_such_value(&path, hash))?.value.clone()
            }
            Resolution::Value(value) => {
                self.check_decision(conflict, &value)?;
                value
            }
        };
        let closes = conflict.values.iter().map(|value| value.revision.hash).collect();
        let note = resolution_note(&path);
        let intents = vec![Intent::Resolve { path, value, closes }];
        self.edit_noted(|_, _| Ok(Noted { intents, note, result: () }))
    }

    fn described(&self, found: Vec<Concurrent>) -> Result<Vec<Conflict>, ReadError> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let revisions: HashMap<_, _> = self.history()?.into_iter().map(|revision| (revision.hash, revision)).collect();
        let (type_name, schema, stored) = (self.type_name()?, self.schema().ok(), self.value()?);
        let title = schema.as_ref().and_then(|schema| schema.title(&stored));
        let described = found.into_iter().map(|Concurrent { path: stored_path, values }| {
            let known = |one: ::document::Alternative| {
                Some(ConflictValue { value: one.value, revision: revisions.get(&one.hash)?.clone() })
            };
            Conflict {
                space: self.space(),
                document: self.id,
                type_name: type_name.clone(),
                title: title.clone(),
                path: match &schema {
                    Some(schema) => schema.plain_path(&stored, &stored_path),
                    None => stored_path.clone(),
                },
                values: values.into_iter().filter_map(known).collect(),
                stored_path,
            }
        });
        Ok(described.collect())
    }

    /// What a person types in has to fit the type; what devices wrote is there already.
    fn check_decision(&self, conflict: &Conflict, value: &Value) -> Result<(), EditError> {
        let Ok(schema) = self.schema() else { return Ok(()) };
        let violations = schema.check_decision(&self.value()?, &conflict.stored_path, value);
        if violations.is_empty() { Ok(()) } else { Err(EditError::Violations(violations)) }
    }
}

fn no_such_value(path: &str, hash: ChangeHash) -> Violation {
    let problem = format!("none of the values that are open here was written by change {hash}; name one that was");
    Violation::new(path, "no_such_value", problem)
}
