//! The answer to a query, kept current.
//!
//! What wakes it says nothing of what happened: it reads which documents were folded since it last looked, in whatever
//! process, and holds just these against its filters and its page. Only where one leaves a page that others wait to get
//! into, or words are looked for, is the query asked again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use document_index::{Among, Difference, Entry, Found, Kept, LivePage};
use schemas::{Checked, DocumentType, Query};
use sync_wire::SpaceId;

use super::QueryError;
use crate::error::StorageError;
use crate::storage::Tx;
use crate::vault::Vault;
use crate::watch::Stirred;

/// Documents that are looked at one by one; where more moved, the query is asked again.
const ONE_BY_ONE: usize = 16;

/// The first page of a query, kept current. It costs nothing until [`Self::next`] is called, and holds the vault open.
#[derive(Debug)]
pub struct LiveQuery {
    vault: Vault,
    schema: Arc<DocumentType>,
    query: Checked,
    page: LivePage,
    /// The last fold that the page knows of.
    turn: i64,
    /// What the home space was called then.
    home: SpaceId,
    stirred: Arc<Stirred>,
}

impl Vault {
    /// Asks a query, and keeps its first page current from then on.
    ///
    /// # Errors
    /// As [`Vault::query`].
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// use editor_vault::{Query, Vault};
    ///
    /// let dir = editor_vault::doctest::directory()?;
    /// let vault = Vault::open(dir.path())?;
    /// let mut notes = vault.watch_query(&Query::of("note"))?;
    /// assert!(notes.found().is_empty());
    /// vault.create("note", Some("plan"), None)?;
    /// let difference = notes.next(Duration::from_secs(5))?.ok_or("nothing changed")?;
    /// assert_eq!(difference.added[0].1.title.as_deref(), Some("plan"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch_query(&self, query: &Query) -> Result<LiveQuery, QueryError> {
        let inner = self.live()?;
        let (schema, checked) = inner.check(query)?;
        let stirred = inner.watchers.stirred(); // before the first look, so that nothing falls in between
        inner.fold(&schema)?;
        let home = inner.home();
        let (turn, rows) = inner.storage.read_at_once(|tx| Ok((tx.turn()?, tx.found(&checked, Among::All)?)))?;
        let page = LivePage::of(&schema, &checked, rows);
        Ok(LiveQuery { vault: self.clone(), schema, query: checked, page, turn, home, stirred })
    }
}

impl LiveQuery {
    /// The answer as of the last difference.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        self.page.entries.iter().map(|entry| entry.found.clone()).collect()
    }

    /// Whether the query means more documents than the page holds.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.page.has_more
    }

    /// What changed since the last difference; nothing if nothing does within `timeout`. Applying all of them to the
    /// first answer gives the answer now.
    ///
    /// # Errors
    /// As [`Vault::query`]; the answer is as before, and the next call tries again.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Difference>, QueryError> {
        let began = Instant::now();
        loop {
            if !self.stirred.wait(timeout.saturating_sub(began.elapsed())) {
                return Ok(None);
            }
            let difference = self.look().inspect_err(|_| self.stirred.stir())?;
            if !difference.is_empty() {
                return Ok(Some(difference));
            }
        }
    }

    /// As [`Self::next`], without waiting to hear of anything: what another process has just saved is heard of within
    /// a quarter of a second, and is seen here at once.
    ///
    /// # Errors
    /// As [`Vault::query`].
    pub fn refresh(&mut self) -> Result<Option<Difference>, QueryError> {
        Ok(Some(self.look()?).filter(|difference| !difference.is_empty()))
    }

    fn look(&mut self) -> Result<Difference, QueryError> {
        let inner = self.vault.live()?;
        inner.fold(&self.schema)?;
        let home = inner.home();
        let is_renamed = home != self.home;
        if is_renamed {
            self.query.space = self.query.space.map(|space| inner.known_space(space)).transpose()?;
        }
        let (turn, page) = inner.storage.read_at_once(|tx| {
            let moved = tx.folded_after(self.turn, ONE_BY_ONE + 1)?;
            let page = if is_renamed { self.again(tx)? } else { self.follow(tx, &moved)? };
            Ok((tx.turn()?, page))
        })?;
        let difference = Difference::between(&self.page.entries, &page.entries);
        (self.turn, self.home, self.page) = (turn, home, page);
        Ok(difference)
    }

    /// The page after these documents moved.
    fn follow(&self, tx: &Tx<'_>, moved: &[i64]) -> Result<LivePage, StorageError> {
        if moved.is_empty() {
            return Ok(self.page.clone());
        }
        if moved.len() > ONE_BY_ONE || self.query.words.is_some() || self.query.after.is_some() {
            return self.again(tx);
        }
        let mut page = self.page.clone();
        for document in moved {
            let now = tx.found(&self.query, Among::One(*document))?.pop();
            let now = now.map(|row| Entry::of(&self.schema, row));
            if page.put(&self.query, u64::try_from(*document).unwrap_or(0), now) == Kept::Unknown {
                return self.again(tx);
            }
        }
        Ok(page)
    }

    fn again(&self, tx: &Tx<'_>) -> Result<LivePage, StorageError> {
        Ok(LivePage::of(&self.schema, &self.query, tx.found(&self.query, Among::All)?))
    }
}
