//! What documents are found by, derived from them: values in their order, words, and what a list shows.
//!
//! A row of `documents` says of which of its states that was taken (`folded_…`); the index `documents_unfolded` holds
//! exactly the documents that have moved since, whoever moved them, programs of older minors too. So nobody has to be
//! told when a document moves, and whoever queries first takes in those few.
//!
//! Indexes are declared by the programs that use the file. Declarations only become more, so that two releases do not
//! take turns in undoing each other's work.

use rusqlite::params;
use schemas::{IndexKind, Key, StoredIndex};
use sync_wire::{DocumentId, SpaceId};

use super::{Moved, Tx};
use crate::error::StorageError;

/// The statement that makes the table of words. Not among the tables of a new file: a SQLite without FTS5 can open it.
const MAKE_WORDS: &str =
    "CREATE VIRTUAL TABLE words USING fts5 (title, body, tokenize = 'unicode61 remove_diacritics 2')";
/// What [`Tx::each_unfolded`] and the index that it reads agree on.
const IS_UNFOLDED: &str = "(folded_point IS NOT point OR folded_generation IS NOT generation
    OR folded_deleted IS NOT deleted OR folded_type IS NOT type)";

/// A declared index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeclaredIndex {
    pub(crate) row: i64,
    pub(crate) index: StoredIndex,
}

/// A document that moved since it was folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfolded {
    pub(crate) row: i64,
    pub(crate) space: SpaceId,
    pub(crate) id: DocumentId,
    pub(crate) moved: Moved,
    /// As the file has it; 0 is not deleted.
    pub(crate) deleted: i64,
}

/// What is kept of a document, of one of its states.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    pub(crate) row: i64,
    pub(crate) at: Moved,
    pub(crate) deleted: i64,
    pub(crate) content: FoldedContent,
}

/// Nothing of a document that is deleted or cannot be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FoldedContent {
    /// By the rows of declared indexes.
    pub(crate) values: Vec<(i64, Key)>,
    /// What a list shows, as JSON.
    pub(crate) shown: Option<String>,
    pub(crate) texts: Option<Texts>,
}

/// What words are looked for in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) title: String,
    pub(crate) body: String,
}

impl Texts {
    fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(self.title.len() as u64).to_be_bytes()).update(self.title.as_bytes());
        *hasher.update(self.body.as_bytes()).finalize().as_bytes()
    }
}

impl Tx<'_> {
    /// The indexes that programs declared for a type, by row.
    pub(crate) fn declared(&self, type_name: &str) -> Result<Vec<DeclaredIndex>, StorageError> {
        self.all("SELECT id, path, kind FROM indexes WHERE type = ?1 ORDER BY id", [type_name], |row| {
            let index = StoredIndex { path: row.get(1)?, kind: kind_of(row.get(2)?) };
            Ok(DeclaredIndex { row: row.get(0)?, index })
        })
    }

    /// Declares indexes. If one is new, every document of the type is to be folded again.
    pub(crate) fn declare(&self, type_name: &str, indexes: &[StoredIndex]) -> Result<(), StorageError> {
        let mut added = 0;
        for StoredIndex { path, kind } in indexes {
            added += self.execute(
                "INSERT INTO indexes (type, path, kind) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![type_name, path, number_of(*kind)],
            )?;
        }
        if added > 0 {
            self.execute("UPDATE documents SET folded_point = NULL WHERE type = ?1", [type_name])?;
        }
        Ok(())
    }

    /// Documents of a type that moved since they were folded.
    pub(crate) fn unfolded(&self, type_name: &str) -> Result<Vec<Unfolded>, StorageError> {
        self.all(
            &format!(
                "SELECT d.id, s.space, d.document, d.point, d.generation, d.deleted
                 FROM (SELECT id, space, document, point, generation, deleted FROM documents
                           INDEXED BY documents_unfolded WHERE type = ?1 AND {IS_UNFOLDED}) d
                 JOIN spaces s ON s.id = d.space ORDER BY d.id"
            ),
            [type_name],
            |row| {
                Ok(Unfolded {
                    row: row.get(0)?,
                    space: SpaceId(row.get(1)?),
                    id: DocumentId(row.get(2)?),
                    moved: Moved { point: row.get(3)?, generation: row.get(4)? },
                    deleted: row.get(5)?,
                })
            },
        )
    }

    /// The last fold there was: what was folded after it has a greater number.
    pub(crate) fn turn(&self) -> Result<i64, StorageError> {
        Ok(self.one("SELECT coalesce(max(turn), 0) FROM projections", [], |row| row.get(0))?.unwrap_or(0))
    }

    /// Documents that were folded after `turn`, at most `limit`.
    pub(crate) fn folded_after(&self, turn: i64, limit: usize) -> Result<Vec<i64>, StorageError> {
        self.all(
            "SELECT document FROM projections WHERE turn > ?1 ORDER BY turn LIMIT ?2",
            params![turn, i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )
    }

    /// Keeps what was taken from documents of a type, unless somebody took a later state of one, or declared another
    /// index than `declared` meanwhile. Doing it twice is harmless.
    pub(crate) fn fold(&self, type_name: &str, declared: usize, folded: &[Folded]) -> Result<(), StorageError> {
        if self.declared(type_name)?.len() != declared {
            return Ok(()); // they are still unfolded
        }
        let has_words = self.make_words()?;
        let turn = self.turn()? + 1;
        for one in folded {
            if self.is_later(one, type_name)? {
                self.keep_folded(one, turn, has_words)?;
            }
        }
        Ok(())
    }

    /// Whether a document is of that type, and what was kept of it is of an earlier state, or of none.
    fn is_later(&self, folded: &Folded, type_name: &str) -> Result<bool, StorageError> {
        let found = self.one(
            "SELECT 1 FROM documents WHERE id = ?1 AND type = ?2
                 AND (folded_point IS NULL OR (folded_generation, folded_point) <= (?3, ?4))",
            params![folded.row, type_name, folded.at.generation, folded.at.point],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    fn keep_folded(&self, folded: &Folded, turn: i64, has_words: bool) -> Result<(), StorageError> {
        let Folded { row, at, deleted, content } = folded;
        self.drop_fields(*row)?;
        for (field, key) in &content.values {
            self.execute(
                "INSERT INTO fields (document, field, value, id, space)
                 SELECT id, ?2, ?3, document, space FROM documents WHERE id = ?1 ON CONFLICT DO NOTHING",
                params![row, field, key.as_bytes()],
            )?;
        }
        let texts = content.texts.as_ref().filter(|_| has_words);
        let digest = texts.map(Texts::digest);
        self.keep_texts(*row, texts, digest)?;
        self.execute(
            "INSERT INTO projections (document, turn, shown, words) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET turn = excluded.turn, shown = excluded.shown, words = excluded.words",
            params![row, turn, content.shown, digest],
        )?;
        self.execute(
            "UPDATE documents SET folded_point = ?2, folded_generation = ?3, folded_deleted = ?4,
                 folded_type = type WHERE id = ?1",
            params![row, at.point, at.generation, deleted],
        )?;
        Ok(())
    }

    /// Texts that did not change are left alone: they take the longest.
    fn keep_texts(&self, row: i64, texts: Option<&Texts>, digest: Option<[u8; 32]>) -> Result<(), StorageError> {
        let kept = self.one("SELECT words FROM projections WHERE document = ?1", [row], |row| row.get(0))?.flatten();
        if kept == digest {
            return Ok(());
        }
        if kept.is_some() {
            self.execute("DELETE FROM words WHERE rowid = ?1", [row])?;
        }
        if let Some(Texts { title, body }) = texts {
            self.execute("INSERT INTO words (rowid, title, body) VALUES (?1, ?2, ?3)", params![row, title, body])?;
        }
        Ok(())
    }

    /// What is kept of a document, if that is of its present state.
    pub(crate) fn kept(&self, document: i64) -> Result<Option<FoldedContent>, StorageError> {
        let sql = format!(
            "SELECT p.shown, p.words IS NOT NULL FROM documents d JOIN projections p ON p.document = d.id
             WHERE d.id = ?1 AND NOT {IS_UNFOLDED}"
        );
        let kept = self.one(&sql, [document], |row| Ok((row.get(0)?, row.get::<_, bool>(1)?)))?;
        let Some((shown, has_words)) = kept else { return Ok(None) };
        let values =
            self.all("SELECT field, value FROM fields WHERE document = ?1 ORDER BY field, value", [document], |row| {
                Ok((row.get(0)?, Key::from_bytes(row.get(1)?)))
            })?;
        let texts = if has_words {
            self.one("SELECT title, body FROM words WHERE rowid = ?1", [document], |row| {
                Ok(Texts { title: row.get(0)?, body: row.get(1)? })
            })?
        } else {
            None
        };
        Ok(Some(FoldedContent { values, shown, texts }))
    }

    fn drop_fields(&self, document: i64) -> Result<(), StorageError> {
        self.execute("DELETE FROM fields WHERE document = ?1", [document]).map(drop)
    }

    /// Nothing of a document is found any more, and nothing of it kept.
    pub(super) fn forget_folded(&self, document: i64) -> Result<(), StorageError> {
        self.drop_fields(document)?;
        self.keep_texts(document, None, None)?;
        self.execute("UPDATE projections SET shown = NULL, words = NULL WHERE document = ?1", [document])?;
        self.execute("UPDATE documents SET folded_point = NULL WHERE id = ?1", [document])?;
        Ok(())
    }

    /// Drops everything that was folded. The turns of documents stay: whoever waits for later ones goes on.
    pub(super) fn drop_folded(&self) -> Result<(), StorageError> {
        self.execute("DELETE FROM fields", [])?;
        self.execute("UPDATE projections SET shown = NULL, words = NULL", [])?;
        self.execute("DROP TABLE IF EXISTS words", [])?;
        self.execute("UPDATE documents SET folded_point = NULL", []).map(drop)
    }

    /// Whether there is a table of words, made if it is not there and can be.
    fn make_words(&self) -> Result<bool, StorageError> {
        if self.has_words()? {
            return Ok(true);
        }
        if !self.can_find_words()? {
            return Ok(false);
        }
        self.execute(MAKE_WORDS, []).map(|_| true)
    }

    /// Whether this SQLite can look for words.
    pub(crate) fn can_find_words(&self) -> Result<bool, StorageError> {
        let module = "SELECT 1 FROM pragma_module_list WHERE name = 'fts5'";
        Ok(self.one(module, [], |_| Ok(()))?.is_some())
    }

    /// Whether there is a table of words.
    pub(super) fn has_words(&self) -> Result<bool, StorageError> {
        Ok(self.one("SELECT 1 FROM sqlite_schema WHERE name = 'words'", [], |_| Ok(()))?.is_some())
    }
}

fn number_of(kind: IndexKind) -> i64 {
    match kind {
        IndexKind::Value => 0,
        IndexKind::Members => 1,
        IndexKind::Text => 2,
    }
}

fn kind_of(number: i64) -> IndexKind {
    match number {
        0 => IndexKind::Value,
        1 => IndexKind::Members,
        _ => IndexKind::Text,
    }
}
