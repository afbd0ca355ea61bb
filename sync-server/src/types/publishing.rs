//! How a file becomes a published type: looked over by the same rules as everywhere, held against the version before
//! it, and written if its namespace has room. What costs time is done beside the threads that serve, one file at a
//! time.

use std::sync::Arc;

use relay_storage::{NewType, PublishError, Publisher, Storage, StorageError, TypeInfo};
use schemas::{LoadError, Registry};
use tokio::time::Instant;
use tracing::{error, info};

use super::{file_of, reload};
use crate::app::App;
use crate::config;
use crate::relay::rates::Spent;
use crate::relay::runtime::Runtime;

/// Why a version was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedType {
    /// Who, what or how much.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The file is larger than files may be.
    #[error("the file has {bytes} bytes, more than the {most} of types.file_bytes_max; move examples elsewhere")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// What is wrong in it.
    #[error(transparent)]
    Findings(#[from] LoadError),
    /// The look was not finished.
    #[error("the look at the file ended early: {0}")]
    Stopped(String),
}

impl RefusedType {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Publish(error) => error.code(),
            Self::TooLarge { .. } => "body_too_large",
            Self::Findings(_) => "type_invalid",
            Self::Stopped(_) => "internal",
        }
    }
}

impl From<StorageError> for RefusedType {
    fn from(error: StorageError) -> Self {
        Self::Publish(error.into())
    }
}

/// Publishes a version. When this returns it is durable, and this relay goes by it; whether it is new.
///
/// # Errors
/// [`RefusedType`]; nothing was published.
pub async fn publish(app: &App, new: NewType) -> Result<(TypeInfo, bool), RefusedType> {
    let limits = &app.config.types;
    if let Some(there) = judge(&app.storage, limits, &new).await? {
        return Ok((there, false));
    }
    if let Publisher::Account(account) = new.by {
        // To look a file over costs about as much as a change with an operation for each of its bytes.
        let now = Instant::now();
        app.rates.of(account, now).spend(now, Spent { operations: new.text.len() as u64, ..Spent::default() });
    }
    // It is never closed. It goes with the work, which a caller that has gone away does not stop.
    let turn = Arc::clone(&app.types.looks).acquire_owned().await.ok();
    look_over(&app.storage, app.runtime, &new, turn).await?;
    let (name, version) = (new.name.clone(), new.version);
    let published = app.storage.publish_type(new, limits.quota()).await?;
    info!("Published version {version} of type {name}");
    if let Err(error) = reload(app).await {
        error!(error.code = error.code(), "Type {name} is published, and taken in a moment later: {error}");
    }
    Ok(published)
}

/// As [`publish`], beside a relay that may run: it notices.
///
/// # Errors
/// [`RefusedType`]; nothing was published.
pub async fn publish_beside(
    storage: &Storage,
    limits: &config::Types,
    new: NewType,
) -> Result<(TypeInfo, bool), RefusedType> {
    if let Some(there) = judge(storage, limits, &new).await? {
        return Ok((there, false));
    }
    look_over(storage, Runtime::Tokio, &new, ()).await?;
    Ok(storage.publish_type(new, limits.quota()).await?)
}

/// What costs nothing is looked at first.
async fn judge(storage: &Storage, limits: &config::Types, new: &NewType) -> Result<Option<TypeInfo>, RefusedType> {
    let (bytes, most) = (new.text.len(), limits.file_bytes_max);
    if bytes > most {
        return Err(RefusedType::TooLarge { bytes, most });
    }
    Ok(storage.judge_type(new.clone(), limits.quota()).await?)
}

async fn look_over<T: Send + 'static>(
    storage: &Storage,
    runtime: Runtime,
    new: &NewType,
    turn: T,
) -> Result<(), RefusedType> {
    let NewType { name, version, text, .. } = new.clone();
    let before = match version.checked_sub(1) {
        Some(before) => storage.published_type(&name, before).await?,
        None => None,
    };
    let looked = runtime.blocking(move || {
        let mut known = Registry::builtin().clone();
        let before = before.map(|before| known.add(&file_of(&name, before.info.version), &before.text));
        let outcome = before.transpose().and_then(|_| known.add(&file_of(&name, version), &text));
        drop(turn);
        outcome
    });
    looked.await.map_err(RefusedType::Stopped)??;
    Ok(())
}
