//! `/api/v1/find/live`: the first page of an answer, and then what changes in it, as server-sent events.
//!
//! There is no queue: what wakes a stream says only that a space has moved, and a reader that does not read finds the
//! newest page when it does. Only what moved is held against the query and the page (`document_index`).

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use document_index::{Difference, Entry, Found, Kept, LivePage};
use relay_storage::{FoundDocument, FoundPage, FoundSince, StorageError};
use serde::Serialize;
use sync_wire::{AccountId, SpaceId};
use tracing::{debug, warn};

use super::{FindQuery, FoundJson, spaces_of};
use crate::access::{self, Caller, Readable};
use crate::api::problem::{ApiError, ApiResult};
use crate::api::{caching, events};
use crate::app::App;
use crate::metrics::{self, Counted};
use crate::projection::find::{self, Asked, FindError};
use crate::relay::hub::{Heard, Listener};
use crate::relay::sessions::Place;

/// How long a stream trusts that it hears of every check.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

#[derive(Serialize)]
struct PageJson {
    found: Vec<FoundJson>,
    /// Whether more follow behind the page.
    more: bool,
}

/// Places are those in the new answer.
#[derive(Serialize)]
struct DifferenceJson {
    removed: Vec<RemovedJson>,
    added: Vec<PlacedJson>,
    moved: Vec<PlacedJson>,
    changed: Vec<PlacedJson>,
    more: bool,
}

#[derive(Serialize)]
struct RemovedJson {
    space: String,
    id: String,
}

#[derive(Serialize)]
struct PlacedJson {
    place: usize,
    #[serde(flatten)]
    found: FoundJson,
}

/// `GET /api/v1/find/live?type=&space=&where=&present=&absent=&sort=&words=&limit=`: an event `page` with the first
/// page, then events `difference`. Whoever connects again begins with the page again.
///
/// # Errors
/// As [`super::get`], and [`crate::api::problem::Code::Overloaded`].
pub async fn stream(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let parameters = FindQuery::parse(raw.as_deref())?;
    for (name, value) in [("cursor", &parameters.cursor), ("after", &parameters.after)] {
        if let Some(value) = value {
            let expected = "nothing: a stream has the first page, and what comes to be in it";
            return Err(ApiError::parameter(name, value, expected));
        }
    }
    let (asked, sources) = parameters.asked(&app, &caller).await?;
    let only = parameters.space.is_some().then(|| sources[0].space());
    let place = events::place(&app, &caller)?;
    let live = Live::open(app, caller, only, asked, sources, place).await?;
    let told = futures_util::stream::unfold(live, |mut live| async {
        let event = live.next().await?;
        Some((Ok::<_, Infallible>(event), live))
    });
    Ok((caching::private(), Sse::new(told).keep_alive(events::keep_alive())).into_response())
}

/// What one reader is told.
struct Live {
    app: App,
    caller: Caller,
    /// The one space that was asked for; the stream ends with its grant.
    only: Option<SpaceId>,
    asked: Asked,
    listener: Listener,
    page: LivePage,
    /// Up to which turn of each space the page is current.
    turns: BTreeMap<SpaceId, i64>,
    /// Spaces that moved since.
    moved: BTreeSet<SpaceId>,
    /// The spaces are others: the query is to be asked again.
    is_other: bool,
    has_begun: bool,
    _place: Place<AccountId>,
    _counted: Counted,
}

impl Live {
    async fn open(
        app: App,
        caller: Caller,
        only: Option<SpaceId>,
        asked: Asked,
        sources: Vec<Readable>,
        place: Place<AccountId>,
    ) -> Result<Self, FindError> {
        let mut listener = app.reached.readers.listen();
        // First follow, then look: what is checked in between is heard.
        sources.iter().for_each(|source| listener.follow(source.space()));
        let (page, turns) = page(&asked, find::find(&app, &sources, &asked).await?);
        Ok(Self {
            app,
            caller,
            only,
            asked,
            listener,
            page,
            turns,
            moved: BTreeSet::new(),
            // Grants may have changed before the stream began to listen.
            is_other: true,
            has_begun: false,
            _place: place,
            _counted: metrics::event_stream(),
        })
    }

    /// The next event; `None` when the stream ends.
    async fn next(&mut self) -> Option<Event> {
        match self.try_next().await {
            Ok(event) => event,
            Err(error) => {
                warn!("A live query ends: {error}");
                None
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<Event>, FindError> {
        if !std::mem::replace(&mut self.has_begun, true) {
            // The page is of what might be read when it was asked for.
            if !self.still_may().await? {
                return Ok(None);
            }
            if !self.is_other {
                return Ok(Some(self.whole()));
            }
            let sources = self.sources().await?;
            (self.page, self.turns) = page(&self.asked, find::find(&self.app, &sources, &self.asked).await?);
            self.is_other = false;
            return Ok(Some(self.whole()));
        }
        loop {
            if !self.is_other && self.moved.is_empty() {
                let heard = tokio::select! {
                    () = self.app.stop.cancelled() => return Ok(None),
                    heard = self.listener.bell().heard() => Some(heard),
                    () = tokio::time::sleep(LOOK_AGAIN) => None,
                };
                if !self.on_heard(heard).await? {
                    return Ok(None);
                }
            }
            match self.look().await {
                Ok(difference) if difference.is_empty() => {}
                Ok(difference) => return Ok(Some(self.difference(difference))),
                // It goes on where this ended; nothing is told before it is current.
                Err(FindError::Behind { .. }) => {
                    debug!("A live query takes in what moved");
                    let heard = self.listener.bell().take();
                    if !self.on_heard(Some(heard)).await? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
            if self.app.stop.is_cancelled() {
                return Ok(None);
            }
        }
    }

    /// Whether the stream goes on.
    async fn on_heard(&mut self, heard: Option<Heard>) -> Result<bool, StorageError> {
        let Some(heard) = heard else {
            self.moved.extend(self.turns.keys());
            return Ok(true);
        };
        if heard.access_changed && !self.still_may().await? {
            return Ok(false);
        }
        let turns = &self.turns;
        self.moved.extend(heard.ends.into_iter().map(|(space, _)| space).filter(|space| turns.contains_key(space)));
        Ok(true)
    }

    /// Whether the caller may still be told. Notes whether of other spaces than before.
    async fn still_may(&mut self) -> Result<bool, StorageError> {
        if !access::credential_is_valid(&self.app, &self.caller).await? {
            return Ok(false);
        }
        let readable: BTreeSet<SpaceId> = spaces_of(&self.sources().await?).into_iter().collect();
        self.is_other = !readable.iter().eq(self.turns.keys());
        for space in self.listener.following().difference(&readable).copied().collect::<Vec<_>>() {
            self.listener.unfollow(space);
            self.moved.remove(&space);
        }
        readable.iter().for_each(|space| self.listener.follow(*space));
        Ok(self.only.is_none_or(|only| readable.contains(&only)))
    }

    async fn sources(&self) -> Result<Vec<Readable>, StorageError> {
        let mut sources = access::readable_spaces(&self.app, &self.caller).await?;
        sources.retain(|source| self.only.is_none_or(|only| only == source.space()));
        Ok(sources)
    }

    /// Brings the page up to date; what that changed.
    async fn look(&mut self) -> Result<Difference, FindError> {
        let turns = self.turns.iter().filter(|(space, _)| self.moved.contains(*space)).map(|(a, b)| (*a, *b)).collect();
        let followed = if self.is_other { None } else { self.follow(turns).await? };
        let (page, turns) = match followed {
            Some((page, turns)) => (page, turns),
            None => page(&self.asked, find::find(&self.app, &self.sources().await?, &self.asked).await?),
        };
        if self.is_other {
            self.turns = turns;
        } else {
            self.turns.extend(turns);
        }
        (self.is_other, self.moved) = (false, BTreeSet::new());
        let difference = Difference::between(&self.page.entries, &page.entries);
        self.page = page;
        Ok(difference)
    }

    /// The page after what moved since these turns; nothing if that does not say what is in it.
    async fn follow(
        &self,
        turns: Vec<(SpaceId, i64)>,
    ) -> Result<Option<(LivePage, BTreeMap<SpaceId, i64>)>, FindError> {
        let (since, turns) = find::since(&self.app, turns, &self.asked).await?;
        let FoundSince::Documents(moved) = since else { return Ok(None) };
        // With every document that moves, words are worth something else in all the others. And a page that ended with
        // its bytes may have room again.
        let is_short = self.page.has_more && self.page.entries.len() < self.asked.query.limit;
        if !moved.is_empty() && (self.asked.query.words.is_some() || is_short) {
            return Ok(None);
        }
        let mut page = self.page.clone();
        for (row, found) in moved {
            if page.put(&self.asked.query, row, found.map(|found| entry(&self.asked, found))) == Kept::Unknown {
                return Ok(None);
            }
        }
        Ok(Some((page, turns.into_iter().collect())))
    }

    fn whole(&self) -> Event {
        let found = self.page.entries.iter().map(|entry| FoundJson::from(entry.found.clone())).collect();
        event("page", &PageJson { found, more: self.page.has_more })
    }

    fn difference(&self, difference: Difference) -> Event {
        let Difference { removed, added, moved, changed } = difference;
        let placed = |documents: Vec<(usize, Found)>| {
            let placed = |(place, found)| PlacedJson { place, found: FoundJson::from(found) };
            documents.into_iter().map(placed).collect()
        };
        let removed =
            removed.into_iter().map(|(space, id)| RemovedJson { space: space.to_string(), id: id.to_string() });
        let json = DifferenceJson {
            removed: removed.collect(),
            added: placed(added),
            moved: placed(moved),
            changed: placed(changed),
            more: self.page.has_more,
        };
        event("difference", &json)
    }
}

fn page(asked: &Asked, page: FoundPage) -> (LivePage, BTreeMap<SpaceId, i64>) {
    let FoundPage { documents, has_more, turns } = page;
    let entries = documents.into_iter().map(|document| entry(asked, document)).collect();
    (LivePage { entries, has_more }, turns.into_iter().collect())
}

fn entry(asked: &Asked, document: FoundDocument) -> Entry {
    let FoundDocument { row, found, .. } = document;
    Entry { row, seek: found.seek.clone(), found: Found::of(&asked.known, found) }
}

fn event(kind: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(kind);
    event.json_data(data).unwrap_or_else(|_| Event::default().comment("no answer"))
}
