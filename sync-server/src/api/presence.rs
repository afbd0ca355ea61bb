//! `/api/v1/spaces/{space}/documents/{document}/presence`: who is in a document at the moment, as server-sent events;
//! and how a page shows itself to them.
//!
//! A page calls itself something. While its stream is open it is there, as devices are, and what it shows comes by
//! requests beside the stream. As for devices, a slow reader finds the newest of everybody, and never a queue.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, Request, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use relay_storage::StorageError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync_wire::limits::{PRESENCE_BYTES_MAX, PRESENCE_LASTS, PRESENCE_PARTICIPANTS_MAX};
use sync_wire::{AccountId, Blob, Presence};
use tokio::time::Instant;
use tracing::warn;

use crate::access::{self, Caller, ReadableError};
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{Path, parse_document, parse_query, readable};
use crate::api::{body, caching, events};
use crate::app::App;
use crate::metrics::{self, Counted};
use crate::relay::hub::Listener;
use crate::relay::presence::{NotShown, Participant, Seat, Spot};
use crate::relay::sessions::Place;

/// Longest name that a page gives itself, in bytes.
const PAGE_BYTES_MAX: usize = 64;

/// What every request about presence says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    page: Option<String>,
}

/// What a page shows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowJson {
    content: Value,
}

/// Everybody who is there.
#[derive(Serialize)]
struct PresentJson {
    /// As whom the others see the page.
    device: String,
    others: Vec<OtherJson>,
}

/// Somebody else.
#[derive(Serialize)]
struct OtherJson {
    account: String,
    device: String,
    /// None: gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Value>,
}

/// `GET …/presence?page=`: first everybody who is there, then who comes, moves and goes. Until the stream ends, the
/// page is there too.
///
/// # Errors
/// [`Code::ParameterInvalid`], [`Code::SpaceNotFound`], [`Code::DocumentNotFound`], [`Code::Overloaded`]
pub async fn stream(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String)>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let (spot, who) = place_of(&app, &caller, &path, raw.as_deref()).await?;
    let place = events::place(&app, &caller)?;
    let others = Others::open(app, caller, spot, who, place)?;
    let told = futures_util::stream::unfold(others, |mut others| async {
        let event = others.next().await?;
        Some((Ok::<_, Infallible>(event), others))
    });
    Ok((caching::private(), Sse::new(told).keep_alive(events::keep_alive())).into_response())
}

/// `PUT …/presence?page=`: shows the others something else of the page, for 30 seconds.
///
/// # Errors
/// [`Code::ParameterInvalid`], [`Code::SpaceNotFound`], [`Code::DocumentNotFound`], [`Code::BodyInvalid`],
/// [`Code::BodyTooLarge`], [`Code::MediaTypeUnsupported`], [`Code::RateLimited`], [`Code::PageAbsent`]
pub async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let (spot, who) = place_of(&app, &caller, &path, raw.as_deref()).await?;
    let (parts, body) = body::read(&app, &caller, request).await?;
    let ShowJson { content } = body::json(&parts.headers, &body)?;
    let content = content.to_string();
    if content.len() > PRESENCE_BYTES_MAX {
        let detail = format!(
            "a presence of {} bytes as JSON; at most {PRESENCE_BYTES_MAX} are shown: what is larger is a document",
            content.len()
        );
        return Err(ApiError::new(Code::BodyTooLarge, detail));
    }
    let content = Blob::from(content.into_bytes());
    app.presence.show_page(Instant::now(), spot, who, Some(content)).map_err(not_shown)?;
    Ok(done())
}

/// `DELETE …/presence?page=`: the page shows nothing, and only looks. Nothing happens if it is not there.
///
/// # Errors
/// [`Code::ParameterInvalid`], [`Code::SpaceNotFound`], [`Code::DocumentNotFound`], [`Code::RateLimited`]
pub async fn hide(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<(String, String)>,
    RawQuery(raw): RawQuery,
    request: Request,
) -> ApiResult<Response> {
    let (spot, who) = place_of(&app, &caller, &path, raw.as_deref()).await?;
    body::read(&app, &caller, request).await?;
    match app.presence.show_page(Instant::now(), spot, who, None) {
        Ok(()) | Err(NotShown::Absent) => Ok(done()),
        Err(error) => Err(not_shown(error)),
    }
}

/// Where the page is, and as whom. The document need not have come to the relay yet: its author may be there before.
async fn place_of(
    app: &App,
    caller: &Caller,
    (space, document): &(String, String),
    raw: Option<&str>,
) -> ApiResult<(Spot, Participant)> {
    let PageQuery { page } = parse_query(raw)?;
    let page = page.unwrap_or_default();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if page.is_empty() || page.len() > PAGE_BYTES_MAX || !page.bytes().all(is_name) {
        let expected =
            format!("what the page calls itself: 1 to {PAGE_BYTES_MAX} letters, digits, - and _, such as a UUID");
        return Err(ApiError::parameter("page", &page, &expected));
    }
    let space_id = readable(app, caller, space).await?.space();
    let document = parse_document(space, document)?;
    Ok((Spot { space: space_id, document }, Participant::page(caller.account(), &page)))
}

fn not_shown(error: NotShown) -> ApiError {
    match error {
        NotShown::Absent => ApiError::new(Code::PageAbsent, error.to_string()),
        NotShown::TooFast => ApiError::new(Code::RateLimited, error.to_string()).retry_after(Duration::from_secs(1)),
    }
}

fn done() -> Response {
    (StatusCode::NO_CONTENT, caching::private()).into_response()
}

/// What one page is told.
struct Others {
    app: App,
    caller: Caller,
    spot: Spot,
    who: Participant,
    seat: Seat,
    listener: Listener,
    has_begun: bool,
    _place: Place<AccountId>,
    _counted: Counted,
}

impl Others {
    fn open(app: App, caller: Caller, spot: Spot, who: Participant, place: Place<AccountId>) -> ApiResult<Self> {
        let (listener, mut seat) = (app.hub.listen(), Seat::new(&app.presence));
        seat.look(listener.bell(), spot, who)
            .map_err(|full| ApiError::new(Code::Overloaded, full.to_string()).retry_after(PRESENCE_LASTS))?;
        let counted = metrics::event_stream();
        Ok(Self { app, caller, spot, who, seat, listener, has_begun: false, _place: place, _counted: counted })
    }

    /// The next event; `None` when the stream ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            // Before anything is told: it may not be the page's to know any more. The first time in any case: what
            // changed before the stream began to listen is not heard.
            let is_first = !std::mem::replace(&mut self.has_begun, true);
            if (self.listener.bell().take().access_changed || is_first) && !self.still_may().await {
                return None;
            }
            // Another stream of the same page may have taken its place.
            if !self.seat.is_at(self.spot) {
                return None;
            }
            if is_first {
                return Some(self.everybody());
            }
            if let Some(presence) = self.seat.take_next() {
                return Some(change(presence));
            }
            let heard = tokio::select! {
                () = self.app.stop.cancelled() => return None,
                heard = self.listener.bell().heard() => heard,
            };
            if heard.access_changed && !self.still_may().await {
                return None;
            }
        }
    }

    async fn still_may(&self) -> bool {
        self.ask_again().await.unwrap_or_else(|error| {
            warn!(error.code = error.code(), "A stream of presence ends: {error}");
            false
        })
    }

    async fn ask_again(&self) -> Result<bool, StorageError> {
        if !access::credential_is_valid(&self.app, &self.caller).await? {
            return Ok(false);
        }
        match access::readable(&self.app, &self.caller, self.spot.space).await {
            Ok(_) => Ok(true),
            Err(ReadableError::NoSuchSpace(_)) => Ok(false),
            Err(ReadableError::Storage(error)) => Err(error),
        }
    }

    fn everybody(&self) -> Event {
        let mut others = BTreeMap::new();
        // Whoever moves meanwhile is told of twice; what is beyond the bound comes as changes.
        for presence in std::iter::from_fn(|| self.seat.take_next()).take(PRESENCE_PARTICIPANTS_MAX) {
            let who = (presence.account, presence.device);
            if presence.content.is_some() {
                others.insert(who, OtherJson::from(presence));
            } else {
                others.remove(&who);
            }
        }
        let others = others.into_values().collect();
        event("present", &PresentJson { device: self.who.device.to_string(), others })
    }
}

fn change(presence: Presence) -> Event {
    let kind = if presence.content.is_some() { "shown" } else { "gone" };
    event(kind, &OtherJson::from(presence))
}

fn event(kind: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(kind);
    event.json_data(data).unwrap_or_else(|_| Event::default().comment("no presence"))
}

impl From<Presence> for OtherJson {
    fn from(presence: Presence) -> Self {
        let Presence { account, device, content, .. } = presence;
        // What devices show is JSON by convention only.
        let content = content.map(|content| serde_json::from_slice(&content).unwrap_or(Value::Null));
        Self { account: account.to_string(), device: device.to_string(), content }
    }
}
