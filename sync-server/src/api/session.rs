//! `/api/v1/session`: a browser signs in with the code of a link, learns who it is, and signs out; `/api/v1/sessions`:
//! every browser that is signed in to the account.

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, SET_COOKIE, USER_AGENT};
use relay_storage::{WEB_SESSION_KEPT, WebSession, WebSessionId};
use serde::{Deserialize, Serialize};
use sync_wire::AccountId;
use tracing::info;

use crate::access::{self, Browser, Caller};
use crate::api::history::shown_time;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{NoQuery, Path, parse_query};
use crate::api::{body, caching};
use crate::app::App;

/// Nothing keeps an answer that goes with a secret.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What signs in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInJson {
    code: String,
}

#[derive(Serialize)]
struct SignedInJson {
    account: AccountJson,
    /// None: a token asks.
    session: Option<SessionJson>,
}

#[derive(Serialize)]
struct AccountJson {
    id: String,
    name: String,
    role: &'static str,
}

#[derive(Serialize)]
struct SessionJson {
    id: String,
    created_at: String,
    expires_at: String,
}

#[derive(Serialize)]
struct SessionsJson {
    sessions: Vec<ListedJson>,
}

#[derive(Serialize)]
struct ListedJson {
    id: String,
    created_at: String,
    used_at: String,
    expires_at: String,
    agent: String,
    is_current: bool,
}

/// `POST /api/v1/session`: begins a session with the code of a link, which is used up by that.
///
/// # Errors
/// [`Code::LinkInvalid`], [`Code::CrossSite`], and those of a body
pub async fn sign_in(State(app): State<App>, RawQuery(raw): RawQuery, request: Request) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let browser = Browser::of(&app.config, request.headers());
    browser.check_without_cookie().map_err(|error| ApiError::new(Code::CrossSite, error.to_string()))?;
    let (parts, bytes) = body::read_of_anybody(&app, request).await?;
    let SignInJson { code } = body::json(&parts.headers, &bytes)?;
    let begun = app.storage.sign_in(&code, &agent(&parts.headers)).await;
    let Some(begun) = begun.map_err(|error| ApiError::unavailable(&error))? else {
        let detail = "the link was used, is too old or was never made; `sync-server account link NAME` prints a new \
                      one, good for one use within 15 minutes";
        return Err(ApiError::new(Code::LinkInvalid, detail));
    };
    info!(account.id = %begun.account, session.id = %begun.session.id, "Account {} signed in", begun.account);
    let answer = signed_in(&app, begun.account, Some(&begun.session)).await?;
    let cookie = Browser::of(&app.config, &parts.headers).cookie(&begun.secret, WEB_SESSION_KEPT.as_secs());
    Ok(([(SET_COOKIE, cookie), (CACHE_CONTROL, NO_STORE)], Json(answer)).into_response())
}

/// `GET /api/v1/session`: who asks, and as which session.
///
/// # Errors
/// None but those of every request.
pub async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let session = match caller.session() {
        Some(id) => Some(listed(&app, &caller).await?.into_iter().find(|session| session.id == id).ok_or_else(over)?),
        None => None,
    };
    let answer = signed_in(&app, caller.account(), session.as_ref()).await?;
    Ok((caching::private(), Json(answer)).into_response())
}

/// `DELETE /api/v1/session`: signs out.
///
/// # Errors
/// [`Code::SessionNotFound`], for who is signed in by a token
pub async fn sign_out(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let Some(id) = caller.session() else {
        let detail = "a token has no session; `sync-server token revoke` ends a token";
        return Err(ApiError::new(Code::SessionNotFound, detail));
    };
    end_one(&app, &caller, id).await?;
    let cookie = Browser::of(&app.config, &headers).no_cookie();
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie), (CACHE_CONTROL, NO_STORE)]).into_response())
}

/// `GET /api/v1/sessions`: the browsers that are signed in, the one that was used last first.
///
/// # Errors
/// None but those of every request.
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let sessions = listed(&app, &caller).await?.into_iter().map(|session| ListedJson {
        id: session.id.to_string(),
        created_at: shown_time(session.created_at),
        used_at: shown_time(session.used_at),
        expires_at: shown_time(session.expires_at),
        agent: session.agent,
        is_current: caller.session() == Some(session.id),
    });
    Ok((caching::private(), Json(SessionsJson { sessions: sessions.collect() })).into_response())
}

/// `DELETE /api/v1/sessions/{session}`: shows a browser out, also the one that asks.
///
/// # Errors
/// [`Code::SessionNotFound`]
pub async fn end(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let NoQuery {} = parse_query(raw.as_deref())?;
    let missing = || ApiError::new(Code::SessionNotFound, format!("no session {session:.80} of this account"));
    let id: WebSessionId = session.parse().map_err(|_| missing())?;
    if !end_one(&app, &caller, id).await? {
        return Err(missing());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn end_one(app: &App, caller: &Caller, id: WebSessionId) -> ApiResult<bool> {
    let is_ended = app.storage.end_web_session(caller.account(), id).await;
    let is_ended = is_ended.map_err(|error| ApiError::unavailable(&error))?;
    if is_ended {
        access::changed(app);
    }
    Ok(is_ended)
}

async fn listed(app: &App, caller: &Caller) -> ApiResult<Vec<WebSession>> {
    app.storage.web_sessions(caller.account()).await.map_err(|error| ApiError::unavailable(&error))
}

/// It ended after it was let in.
fn over() -> ApiError {
    ApiError::new(Code::Unauthenticated, access::CallerError::SignedOut.to_string())
}

async fn signed_in(app: &App, account: AccountId, session: Option<&WebSession>) -> ApiResult<SignedInJson> {
    let account =
        app.storage.account(account).await.map_err(|error| ApiError::unavailable(&error))?.ok_or_else(over)?;
    let account = AccountJson { id: account.id.to_string(), name: account.name, role: account.role.name() };
    let session = session.map(|session| SessionJson {
        id: session.id.to_string(),
        created_at: shown_time(session.created_at),
        expires_at: shown_time(session.expires_at),
    });
    Ok(SignedInJson { account, session })
}

fn agent(headers: &HeaderMap) -> String {
    headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned()).unwrap_or_default()
}
