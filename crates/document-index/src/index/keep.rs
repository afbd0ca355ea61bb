//! What is kept of a document, put in the place of what was kept of it before.

use rusqlite::params;
use schemas::Key;

use super::{Index, MAKE_WORDS};
use crate::content::{Content, Texts};
use crate::text::Mark;

impl Index<'_> {
    /// The last turn there was: what was taken in after it has a greater number.
    ///
    /// # Errors
    /// SQLite failed; so it is everywhere here.
    pub fn turn(&self) -> rusqlite::Result<i64> {
        let sql = format!("SELECT coalesce(max(turn), 0) FROM {}", self.host.shown);
        Ok(self.one(&sql, [], |row| row.get(0))?.unwrap_or(0))
    }

    /// Keeps the content of a document, whose texts have a mark before each word. Doing it twice is harmless.
    ///
    /// # Errors
    /// As everywhere here.
    pub fn keep(&self, row: i64, turn: i64, content: &Content, mark: &Mark) -> rusqlite::Result<()> {
        self.drop_fields(row)?;
        let Self { host, .. } = self;
        let insert = format!(
            "INSERT INTO fields (document, field, value, id, space)
             SELECT {row}, ?2, ?3, {id}, {space} FROM documents WHERE {row} = ?1 ON CONFLICT DO NOTHING",
            row = host.document_row,
            id = host.document_id,
            space = host.document_space
        );
        for (field, key) in &content.values {
            self.execute(&insert, params![row, field, key.as_bytes()])?;
        }
        let has_words = content.texts.is_some() && self.make_words()?;
        let texts = content.texts.as_ref().filter(|_| has_words);
        let digest = texts.map(|texts| texts.digest(mark.as_str()));
        self.keep_texts(row, texts.zip(digest), mark)?;
        let upsert = format!(
            "INSERT INTO {} (document, turn, shown, words) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET turn = excluded.turn, shown = excluded.shown, words = excluded.words",
            host.shown
        );
        self.execute(&upsert, params![row, turn, content.shown, digest])?;
        Ok(())
    }

    /// Texts that did not change are left alone: they take the longest.
    fn keep_texts(&self, row: i64, texts: Option<(&Texts, [u8; 32])>, mark: &Mark) -> rusqlite::Result<()> {
        let sql = format!("SELECT words FROM {} WHERE document = ?1", self.host.shown);
        let kept: Option<[u8; 32]> = self.one(&sql, [row], |row| row.get(0))?.flatten();
        if kept == texts.map(|(_, digest)| digest) {
            return Ok(());
        }
        if kept.is_some() {
            self.execute("DELETE FROM words WHERE rowid = ?1", [row])?;
        }
        if let Some((Texts { title, body }, _)) = texts {
            let values = params![row, mark.put(title), mark.put(body)];
            self.execute("INSERT OR REPLACE INTO words (rowid, title, body) VALUES (?1, ?2, ?3)", values)?;
        }
        Ok(())
    }

    /// What is kept of a document, its texts as they are marked; nothing if nothing ever was.
    ///
    /// # Errors
    /// As everywhere here.
    pub fn kept(&self, row: i64) -> rusqlite::Result<Option<Content>> {
        let sql = format!("SELECT shown, words IS NOT NULL FROM {} WHERE document = ?1", self.host.shown);
        let kept = self.one(&sql, [row], |row| Ok((row.get(0)?, row.get::<_, bool>(1)?)))?;
        let Some((shown, has_words)) = kept else { return Ok(None) };
        let sql = "SELECT field, value FROM fields WHERE document = ?1 ORDER BY field, value";
        let values = self.all(sql, [row], |row| Ok((row.get(0)?, Key::from_bytes(row.get(1)?))))?;
        let texts = |row: &rusqlite::Row<'_>| Ok(Texts { title: row.get(0)?, body: row.get(1)? });
        let sql = "SELECT title, body FROM words WHERE rowid = ?1";
        let texts = if has_words { self.one(sql, [row], texts)? } else { None };
        Ok(Some(Content { values, shown, texts }))
    }

    fn drop_fields(&self, row: i64) -> rusqlite::Result<()> {
        self.execute("DELETE FROM fields WHERE document = ?1", [row]).map(drop)
    }

    /// Nothing of a document is found any more, and nothing of it kept but its turn.
    ///
    /// # Errors
    /// As everywhere here.
    pub fn forget(&self, row: i64) -> rusqlite::Result<()> {
        self.drop_fields(row)?;
        self.keep_texts(row, None, &Mark::NONE)?;
        let sql = format!("UPDATE {} SET shown = NULL, words = NULL WHERE document = ?1", self.host.shown);
        self.execute(&sql, [row]).map(drop)
    }

    /// Drops everything that was kept. The turns of documents stay: whoever waits for later ones goes on.
    ///
    /// # Errors
    /// As everywhere here.
    pub fn forget_all(&self) -> rusqlite::Result<()> {
        self.execute("DELETE FROM fields", [])?;
        self.execute(&format!("UPDATE {} SET shown = NULL, words = NULL", self.host.shown), [])?;
        self.execute("DROP TABLE IF EXISTS words", []).map(drop)
    }

    /// Whether there is a table of words, made if it is not there and can be.
    fn make_words(&self) -> rusqlite::Result<bool> {
        if self.has_words()? {
            return Ok(true);
        }
        if !self.can_find_words()? {
            return Ok(false);
        }
        self.execute(MAKE_WORDS, []).map(|_| true)
    }
}
