//! A document as a Rust type of the host.

use std::marker::PhantomData;

use schemas::Typed;
use schemas::typed::carry;
use serde_json::Value;

use super::Document;
use crate::error::{EditError, ReadError};
use crate::vault::Vault;

/// A document that is read and written as a `T`. Cheap to clone.
///
/// Writing is the smallest edit from what was read to what is wanted, and merges with what others write meanwhile;
/// fields that `T` does not have stay as they are.
///
/// What does not name its document type, or names none that could be one, does not compile:
///
/// ```compile_fail
/// #[derive(serde::Serialize, serde::Deserialize, editor_vault::Typed)]
/// struct Task;
/// ```
///
/// ```compile_fail
/// #[derive(serde::Serialize, serde::Deserialize, editor_vault::Typed)]
/// #[typed("Ext.Acme.Task")]
/// struct Task;
/// ```
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize, editor_vault::Typed)]
/// #[typed("ext.acme.task")]
/// struct Task;
/// ```
#[derive(Debug)]
pub struct TypedDocument<T> {
    document: Document,
    of: PhantomData<fn() -> T>,
}

/// Why a document could not be read or written as a Rust type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError {
    /// It is a document of another type.
    #[error("the document is {}, not of type {wanted}: read it as that", found.as_deref().unwrap_or("of no type"))]
    OtherType {
        /// The type that was asked for.
        wanted: &'static str,
        /// The type that it has.
        found: Option<String>,
    },
    /// The Rust type does not hold what is there: another program wrote it, or it is stricter than the schema.
    #[error("a document of type {type_name} does not fit its Rust type: {detail}; read it as JSON, or mend that value")]
    Unfit {
        /// The document type.
        type_name: &'static str,
        /// What does not fit.
        detail: String,
    },
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be written.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl TypedError {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherType { .. } => "other_type",
            Self::Unfit { .. } => "unfit",
            Self::Read(error) => error.code(),
            Self::Edit(error) => error.code(),
        }
    }
}

impl<T> Clone for TypedDocument<T> {
    fn clone(&self) -> Self {
        Self { document: self.document.clone(), of: PhantomData }
    }
}

impl Vault {
    /// The well-known document of a type.
    ///
    /// # Errors
    /// As [`Self::well_known`].
    ///
    /// # Example
    /// ```
    /// use editor_vault::types::Settings;
    ///
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// let settings = vault.typed::<Settings>()?;
    /// settings.update(|settings| drop(settings.base.insert("editor.tabSize".to_owned(), 2.into())))?;
    /// assert_eq!(settings.get()?.base["editor.tabSize"], 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn typed<T: Typed>(&self) -> Result<TypedDocument<T>, ReadError> {
        Ok(TypedDocument { document: self.well_known(T::TYPE)?, of: PhantomData })
    }
}

impl Document {
    /// This document as a `T`.
    ///
    /// # Errors
    /// [`TypedError::OtherType`] if it is a document of another type; [`TypedError::Read`].
    pub fn typed<T: Typed>(&self) -> Result<TypedDocument<T>, TypedError> {
        let found = self.type_name()?;
        if found.as_deref() != Some(T::TYPE) {
            return Err(TypedError::OtherType { wanted: T::TYPE, found });
        }
        Ok(TypedDocument { document: self.clone(), of: PhantomData })
    }
}

impl<T: Typed> TypedDocument<T> {
    /// The document itself.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The document as it is now.
    ///
    /// # Errors
    /// [`TypedError::Unfit`] if another program has written what no `T` holds; [`TypedError::Read`].
    pub fn get(&self) -> Result<T, TypedError> {
        read(self.document.plain()?)
    }

    /// Makes the document equal to `value`, and returns once that is on disk.
    ///
    /// # Errors
    /// [`TypedError::Edit`] if it breaks rules of the type or is not saved; [`TypedError::Unfit`] if it is no JSON.
    pub fn set(&self, value: T) -> Result<(), TypedError> {
        self.update(|current| *current = value)
    }

    /// Reads, changes and writes, and returns once that is on disk. What others write between reading and writing
    /// merges: only what `change` makes different is written.
    ///
    /// # Errors
    /// As [`Self::get`] and [`Self::set`].
    ///
    /// # Example: what breaks a rule of the type is refused
    /// ```
    /// use editor_vault::types::Note;
    ///
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// let note = vault.create("note", Some("Ideas"), None)?.typed::<Note>()?;
    /// assert!(note.update(|note| note.name = "x".repeat(2000)).is_err());
    /// assert_eq!(note.get()?.name, "Ideas");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> Result<R, TypedError> {
        let looked = self.document.read(|document| document.check_editable().map(|()| document.value()))?;
        let (stored, schema) = (looked.map_err(EditError::from)?, self.document.schema()?);
        let full = schema.plain(&stored);
        let mut value: T = read(full.clone())?;
        let before = written(&value)?;
        let result = change(&mut value);
        let wanted = carry(&full, &before, &written(&value)?);
        let intents = schema.plan(&stored, &wanted).map_err(EditError::Violations)?;
        if !intents.is_empty() {
            self.document.apply(intents)?;
        }
        Ok(result)
    }
}

fn written<T: Typed>(value: &T) -> Result<Value, TypedError> {
    serde_json::to_value(value).map_err(|error| unfit::<T>(&error))
}

fn read<T: Typed>(plain: Value) -> Result<T, TypedError> {
    serde_json::from_value(plain).map_err(|error| unfit::<T>(&error))
}

fn unfit<T: Typed>(error: &serde_json::Error) -> TypedError {
    TypedError::Unfit { type_name: T::TYPE, detail: error.to_string() }
}
