//! `/api/v1/events`: server-sent hints that the projections of a space reached a position. They carry no content:
//! whoever is hinted reads what it is missing.
//!
//! There is no queue: a reader that does not read finds the newest position of each space when it does.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName};
use relay_storage::StorageError;
use serde::{Deserialize, Serialize};
use sync_wire::{AccountId, LogPosition, SpaceId};
use tracing::warn;

use crate::access::{self, Caller, Readable};
use crate::api::caching;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{parse_position, parse_query, readable};
use crate::app::App;
use crate::metrics::{self, Counted};
use crate::projection::reached;
use crate::relay::hub::{Heard, Listener};
use crate::relay::sessions::Place;

/// What a browser sends when it connects again.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// A comment this often tells proxies and the reader that somebody is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a stream trusts that it hears of every check.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Parameters of the stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsQuery {
    space: Option<String>,
    after: Option<String>,
}

#[derive(Serialize)]
struct HintJson {
    space: String,
    position: String,
}

/// `GET /api/v1/events?space=&after=`: a hint at once for every space whose position the reader does not name, then
/// one whenever the projections of a readable space have advanced. `Last-Event-ID` is as `after`, and stronger.
///
/// # Errors
/// [`Code::SpaceNotFound`], [`Code::ParameterInvalid`], [`Code::Overloaded`]
pub async fn stream(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let query: EventsQuery = parse_query(raw.as_deref())?;
    let known = last_known(&query, &headers)?;
    let only = match &query.space {
        Some(space) => Some(readable(&app, &caller, space).await?.space()),
        None => None,
    };
    let place = place(&app, &caller)?;
    let hints = Hints::open(app, caller, only, known, place).await.map_err(|error| ApiError::unavailable(&error))?;
    let hints = futures_util::stream::unfold(hints, |mut hints| async {
        let (space, position) = hints.next().await?;
        Some((Ok::<_, Infallible>(hint(space, position)), hints))
    });
    Ok((caching::private(), Sse::new(hints).keep_alive(keep_alive())).into_response())
}

/// A place among the account's streams, of whatever events.
///
/// # Errors
/// [`Code::Overloaded`]
pub(super) fn place(app: &App, caller: &Caller) -> ApiResult<Place<AccountId>> {
    app.event_streams.of_account(caller.account()).ok_or_else(|| {
        let max = app.config.api.event_streams_per_account_max;
        let detail = format!("the account has {max} event streams already (api.event_streams_per_account_max)");
        ApiError::new(Code::Overloaded, detail).retry_after(KEEP_ALIVE)
    })
}

pub(super) fn keep_alive() -> KeepAlive {
    KeepAlive::new().interval(KEEP_ALIVE).text("still here")
}

fn last_known(query: &EventsQuery, headers: &HeaderMap) -> ApiResult<Option<LogPosition>> {
    let after = query.after.as_deref().map(|text| parse_position("after", text)).transpose()?;
    let Some(last) = headers.get(LAST_EVENT_ID).filter(|last| !last.is_empty()) else { return Ok(after) };
    parse_position("Last-Event-ID", last.to_str().unwrap_or_default()).map(Some)
}

fn hint(space: SpaceId, position: LogPosition) -> Event {
    let data = HintJson { space: space.to_string(), position: position.to_string() };
    let event = Event::default().event("hint").id(position.to_string());
    event.json_data(data).unwrap_or_else(|_| Event::default().comment("no hint"))
}

/// What one reader is told.
struct Hints {
    app: App,
    caller: Caller,
    /// The one space that was asked for; the stream ends with its grant.
    only: Option<SpaceId>,
    listener: Listener,
    /// What the reader named; epochs are different in all spaces, so it is known of which.
    known: Option<LogPosition>,
    /// What the reader was told, of every space that it follows.
    told: BTreeMap<SpaceId, LogPosition>,
    /// Newer than what it was told; at most one of each space.
    ready: VecDeque<SpaceId>,
    _place: Place<AccountId>,
    _counted: Counted,
}

impl Hints {
    async fn open(
        app: App,
        caller: Caller,
        only: Option<SpaceId>,
        known: Option<LogPosition>,
        place: Place<AccountId>,
    ) -> Result<Self, StorageError> {
        let listener = app.reached.readers.listen();
        let (told, ready) = (BTreeMap::new(), VecDeque::new());
        let mut hints =
            Self { app, caller, only, listener, known, told, ready, _place: place, _counted: metrics::event_stream() };
        hints.follow_readable().await?;
        Ok(hints)
    }

    /// The next hint; `None` when the stream ends.
    async fn next(&mut self) -> Option<(SpaceId, LogPosition)> {
        loop {
            if let Some(space) = self.ready.pop_front() {
                // Its grant may have been taken back since.
                let Some(position) = self.told.get(&space) else { continue };
                return Some((space, *position));
            }
            let heard = tokio::select! {
                () = self.app.stop.cancelled() => return None,
                heard = self.listener.bell().heard() => Some(heard),
                () = tokio::time::sleep(LOOK_AGAIN) => None,
            };
            match self.on_heard(heard).await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    warn!(error.code = error.code(), "An event stream ends: {error}");
                    return None;
                }
            }
        }
    }

    /// Whether the stream goes on.
    async fn on_heard(&mut self, heard: Option<Heard>) -> Result<bool, StorageError> {
        let Some(heard) = heard else {
            self.look_at_all().await?;
            return Ok(true);
        };
        if heard.access_changed && !self.still_may().await? {
            return Ok(false);
        }
        for (space, position) in heard.ends {
            if self.told.contains_key(&space) {
                self.tell(space, position);
            }
        }
        Ok(true)
    }

    async fn still_may(&mut self) -> Result<bool, StorageError> {
        if !access::credential_is_valid(&self.app, &self.caller).await? {
            return Ok(false);
        }
        self.follow_readable().await?;
        Ok(self.only.is_none_or(|only| self.told.contains_key(&only)))
    }

    /// Follows what may be read by now, and nothing else.
    async fn follow_readable(&mut self) -> Result<(), StorageError> {
        let mut sources = access::readable_spaces(&self.app, &self.caller).await?;
        sources.retain(|source| self.only.is_none_or(|only| only == source.space()));
        let lost: Vec<SpaceId> =
            self.told.keys().copied().filter(|space| !sources.iter().any(|source| source.space() == *space)).collect();
        for space in lost {
            self.listener.unfollow(space);
            self.told.remove(&space);
        }
        for source in sources {
            if !self.told.contains_key(&source.space()) {
                // First follow, then look: what is checked in between is heard.
                self.listener.follow(source.space());
                self.look(&source).await?;
            }
        }
        Ok(())
    }

    async fn look_at_all(&mut self) -> Result<(), StorageError> {
        for source in access::readable_spaces(&self.app, &self.caller).await? {
            if self.told.contains_key(&source.space()) {
                self.look(&source).await?;
            }
        }
        Ok(())
    }

    async fn look(&mut self, source: &Readable) -> Result<(), StorageError> {
        if let Some(through) = reached::through(&self.app, source).await? {
            self.tell(source.space(), through);
        }
        Ok(())
    }

    /// Remembers what to tell, unless the reader knows it.
    fn tell(&mut self, space: SpaceId, position: LogPosition) {
        let told = self.told.insert(space, position);
        let known = told.or_else(|| self.known.filter(|known| known.epoch == position.epoch));
        let is_news = known.is_none_or(|known| known.epoch != position.epoch || known.position < position.position);
        if !is_news {
            self.told.extend(known.map(|known| (space, known)));
        } else if !self.ready.contains(&space) {
            self.ready.push_back(space);
        }
    }
}
