//! The owner of a space asks the relay to repair a document that is held: what fails its check is taken out of the log,
//! and what rests on that is written anew. A vault never does that by itself; what it does when a repair comes with the
//! log is told in `recovery/void.rs`.

use serde::{Deserialize, Serialize};
use sync_wire::ChangeHash;

use crate::document::Document;
use crate::error::ConnectError;
use crate::sync::Connection;
use crate::vault::Vault;

/// Whether a repair is only looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairMode {
    /// Nothing is done, and what would be done is answered.
    DryRun,
    /// It is done.
    Repair,
}

/// What a repair does. Positions are `epoch:position`, hashes and devices their texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Repair {
    /// `sound`: nothing was to be repaired; `held`: it was only looked at; `repaired`: it was done.
    pub state: String,
    /// Why the document was held.
    pub held: Option<String>,
    /// The last entry of the repair, once it is done.
    pub position: Option<String>,
    /// What goes, in the order of the log.
    pub excluded: Vec<RepairExcluded>,
    /// What rested on that, in the order of the log.
    pub dependents: Vec<RepairDependent>,
}

/// A change that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RepairExcluded {
    /// The change.
    pub hash: String,
    /// Where it is.
    pub position: String,
    /// Who wrote it.
    pub device: String,
    /// What the check has against it.
    pub reason: String,
}

/// A change that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RepairDependent {
    /// The change.
    pub hash: String,
    /// Where it is.
    pub position: String,
    /// Who wrote it.
    pub device: String,
    /// What says in its place what could be kept; none if nothing could.
    pub replaced_by: Option<String>,
    /// How many of its operations are lost.
    pub lost: u64,
}

/// Why nothing was repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// It cannot even be asked for.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No relay was reached. A repair changes the log, so nothing can be done without one.
    #[error("a repair needs the relay, and it was not reached ({detail}); try again when it is")]
    Offline {
        /// Why.
        detail: String,
    },
    /// The relay says no.
    #[error("the relay does not repair it: {detail}")]
    Refused {
        /// Its word for the reason.
        code: String,
        /// Its sentence.
        detail: String,
    },
}

impl RepairError {
    /// The stable word for this failure.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Connect(error) => error.code(),
            Self::Offline { .. } => "offline",
            Self::Refused { code, .. } => code,
        }
    }
}

impl Vault {
    /// Asks the relay to repair a held document, for the account of these credentials, which must own its space. What
    /// comes of it arrives with the next sync.
    ///
    /// `named`: this change goes, whatever the check says of it.
    ///
    /// # Errors
    /// [`RepairError::Offline`]; [`RepairError::Refused`], for example with `owner_required`.
    ///
    /// # Example: without a relay nothing is repaired
    /// ```
    /// use editor_vault::{Connection, RepairMode, Vault};
    ///
    /// let dir = editor_vault::doctest::directory()?;
    /// let vault = Vault::open(dir.path())?;
    /// let nobody = Connection::new("http://127.0.0.1:9").token("t0ken");
    /// let error = vault.repair(&nobody, &vault.well_known("settings")?, RepairMode::DryRun, None).unwrap_err();
    /// assert_eq!(error.code(), "offline");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repair(
        &self,
        connection: &Connection,
        document: &Document,
        mode: RepairMode,
        named: Option<ChangeHash>,
    ) -> Result<Repair, RepairError> {
        let space = self.inner().resolve(document.space());
        let mut path = format!("/api/v1/spaces/{space}/documents/{}/repair", document.id());
        path += if mode == RepairMode::DryRun { "?dry_run=true" } else { "?dry_run=false" };
        if let Some(hash) = named {
            path += &format!("&hash={hash}");
        }
        let answer = connection.ask("POST", &path, "")?.map_err(|detail| RepairError::Offline { detail })?;
        let text = |field: &str| answer.body[field].as_str().unwrap_or_default().to_owned();
        if answer.status != 200 {
            return Err(RepairError::Refused { code: text("code"), detail: text("detail") });
        }
        let unexpected = |error: serde_json::Error| RepairError::Refused {
            code: "unexpected".to_owned(),
            detail: format!("its answer is not understood ({error}); install a newer release"),
        };
        serde_json::from_value(answer.body.clone()).map_err(unexpected)
    }
}
