//! Document types of third parties: who may publish under which name, and what was published.
//!
//! Storage keeps the texts and who may add to them; what stands in them it does not know (docs/decisions/0024). What is
//! published stays for good, byte for byte.

mod namespaces; // who may publish
mod publishing; // one version more
mod retyping; // documents that were there before the version

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::change_log::unsigned;
use crate::error::StorageError;
use crate::storage::Storage;

pub use namespaces::{NamespaceError, NamespaceGrant, Sharing};
pub use publishing::{NewType, PublishError, Publisher, TypeQuota};
pub use retyping::{RetypePage, RetypePlace};

/// A published version, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeInfo {
    /// `ext.NAMESPACE.NAME`.
    pub name: String,
    /// From 1, without gaps.
    pub version: u32,
    /// Who published it; `None` for an operator.
    pub account: Option<String>,
    /// Unix milliseconds.
    pub published_at: i64,
    /// BLAKE3 of the text.
    pub digest: [u8; 32],
    /// Bytes of the text.
    pub bytes: u64,
}

/// A published version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedType {
    /// What is known of it.
    pub info: TypeInfo,
    /// As it was published.
    pub text: String,
}

const INFO: &str = "SELECT t.name, t.version, a.name, t.published_at, t.digest, octet_length(t.text)";
const FROM: &str = "FROM types t LEFT JOIN accounts a USING (account_key)";
const IS_NEWEST: &str = "NOT EXISTS (SELECT 1 FROM types n WHERE n.name = t.name AND n.version > t.version)";

impl Storage {
    /// Moves with every version that is published, by whatever process: a relay that polls it knows when to ask again.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn types_version(&self) -> Result<u64, StorageError> {
        self.read(|reader| {
            let sql = "SELECT value FROM meta WHERE name = 'types_version'";
            Ok(reader.connection.prepare_cached(sql)?.query_row([], |row| unsigned(row, 0))?)
        })
        .await
    }

    /// The newest versions of at most `limit` types, by name, behind `after`.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn newest_types(&self, after: Option<String>, limit: usize) -> Result<Vec<TypeInfo>, StorageError> {
        let (after, limit) = (after.unwrap_or_default(), i64::try_from(limit).unwrap_or(i64::MAX));
        self.read(move |reader| {
            let sql = format!("{INFO} {FROM} WHERE t.name > ?1 AND {IS_NEWEST} ORDER BY t.name LIMIT ?2");
            let mut statement = reader.connection.prepare_cached(&sql)?;
            let types = statement.query_map(params![after, limit], info_of)?.collect::<rusqlite::Result<_>>()?;
            Ok(types)
        })
        .await
    }

    /// Every version of a type, ascending; nothing if there is no such type.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn type_versions(&self, name: &str) -> Result<Vec<TypeInfo>, StorageError> {
        let name = name.to_owned();
        self.read(move |reader| {
            let sql = format!("{INFO} {FROM} WHERE t.name = ?1 ORDER BY t.version");
            let mut statement = reader.connection.prepare_cached(&sql)?;
            let versions = statement.query_map([name], info_of)?.collect::<rusqlite::Result<_>>()?;
            Ok(versions)
        })
        .await
    }

    /// One version of a type.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn published_type(&self, name: &str, version: u32) -> Result<Option<PublishedType>, StorageError> {
        let name = name.to_owned();
        self.read(move |reader| published(&reader.connection, &name, version)).await
    }
}

fn published(connection: &Connection, name: &str, version: u32) -> Result<Option<PublishedType>, StorageError> {
    let sql = format!("{INFO}, t.text {FROM} WHERE t.name = ?1 AND t.version = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let found =
        statement.query_row(params![name, version], |row| Ok(PublishedType { info: info_of(row)?, text: row.get(6)? }));
    Ok(found.optional()?)
}

/// Calls `finding` for every version whose text is not what was published.
pub(crate) fn each_damaged(connection: &Connection, mut finding: impl FnMut(String)) -> Result<(), StorageError> {
    let mut statement = connection.prepare("SELECT name, version, digest, text FROM types")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (name, version): (String, u32) = (row.get(0)?, row.get(1)?);
        let digest: [u8; 32] = row.get(2)?;
        if *blake3::hash(row.get_ref(3)?.as_str().unwrap_or_default().as_bytes()).as_bytes() != digest {
            finding(format!("type {name} version {version}: its text is not the one that was published"));
        }
    }
    Ok(())
}

fn info_of(row: &Row<'_>) -> rusqlite::Result<TypeInfo> {
    Ok(TypeInfo {
        name: row.get(0)?,
        version: row.get(1)?,
        account: row.get(2)?,
        published_at: row.get(3)?,
        digest: row.get(4)?,
        bytes: unsigned(row, 5)?,
    })
}
