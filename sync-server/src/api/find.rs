//! `/api/v1/find`: documents by what is in them; [`live`] keeps an answer current.

pub mod live; // the answer, and then what changes

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use document_index::{Found, Snippet};
use relay_storage::{FoundDocument, FoundPage};
use schemas::{Query, QueryError};
use serde::Serialize;
use serde_json::{Map, Value};
use sync_wire::SpaceId;

use crate::access::{self, Caller, Readable};
use crate::api::caching;
use crate::api::problem::{ApiError, ApiResult, Code};
use crate::api::request::{parse_limit, parse_pairs, parse_position, readable};
use crate::app::App;
use crate::projection;
use crate::projection::find::{self, Asked, FindError};

/// Parameters, of which three may be repeated. Unknown ones are refused: a mistyped filter must not find everything.
#[derive(Debug, Default)]
struct FindQuery {
    r#type: Option<String>,
    space: Option<String>,
    conditions: Vec<String>,
    present: Vec<String>,
    absent: Vec<String>,
    sort: Option<String>,
    words: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
    after: Option<String>,
}

#[derive(Serialize)]
struct FoundPageJson {
    found: Vec<FoundJson>,
    next: Option<String>,
}

#[derive(Serialize)]
struct FoundJson {
    space: String,
    id: String,
    title: Option<String>,
    fields: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snippet: Option<SnippetJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
}

/// A piece of a text, and where in it the words are, in bytes of its UTF-8.
#[derive(Serialize)]
struct SnippetJson {
    text: String,
    hits: Vec<[usize; 2]>,
}

/// `GET /api/v1/find?type=&space=&where=&present=&absent=&sort=&words=&limit=&cursor=&after=`: documents of every
/// readable space, or of one, by what is in them.
///
/// # Errors
/// [`Code::ParameterInvalid`], [`Code::SpaceNotFound`], [`Code::TypeUnknown`], the codes of [`QueryError`],
/// [`Code::EpochChanged`], [`Code::ProjectionBehind`], [`Code::IndexBehind`]
pub async fn get(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(raw): RawQuery,
) -> ApiResult<Response> {
    let parameters = FindQuery::parse(raw.as_deref())?;
    let (asked, sources) = parameters.asked(&app, &caller).await?;
    if let Some(after) = &parameters.after {
        let at = parse_position("after", after)?;
        let (Some(_), [source]) = (&parameters.space, sources.as_slice()) else {
            return Err(ApiError::parameter("after", after, "`space` beside it: a position belongs to one space"));
        };
        projection::reach_all(&app, source, at, Duration::from_secs(app.config.api.after_wait_seconds)).await?;
    }
    let page = find::find(&app, &sources, &asked).await?;
    Ok((caching::private(), Json(page_json(&asked, page))).into_response())
}

impl FindQuery {
    fn parse(raw: Option<&str>) -> ApiResult<Self> {
        let mut query = Self::default();
        for (name, value) in parse_pairs(raw)? {
            let once = match name.as_str() {
                "where" | "present" | "absent" => {
                    let several = match name.as_str() {
                        "where" => &mut query.conditions,
                        "present" => &mut query.present,
                        _ => &mut query.absent,
                    };
                    several.push(value);
                    continue;
                }
                "type" => &mut query.r#type,
                "space" => &mut query.space,
                "sort" => &mut query.sort,
                "words" => &mut query.words,
                "limit" => &mut query.limit,
                "cursor" => &mut query.cursor,
                "after" => &mut query.after,
                _ => return Err(ApiError::new(Code::ParameterInvalid, format!("unknown field `{name:.80}`"))),
            };
            if once.replace(value).is_some() {
                return Err(ApiError::new(Code::ParameterInvalid, format!("duplicate field `{name}`")));
            }
        }
        Ok(query)
    }

    /// What is asked, and of which spaces.
    async fn asked(&self, app: &App, caller: &Caller) -> ApiResult<(Asked, Vec<Readable>)> {
        let Some(type_name) = &self.r#type else {
            return Err(ApiError::parameter("type", "", "the type of the documents, such as note"));
        };
        let mut query = Query::of(type_name).limit(parse_limit(app, self.limit.as_deref())?);
        for condition in &self.conditions {
            query = query.filter(condition).map_err(FindError::from)?;
        }
        query = self.present.iter().fold(query, |query, path| query.present(path));
        query = self.absent.iter().fold(query, |query, path| query.absent(path));
        if let Some(sort) = &self.sort {
            query = query.sorted(sort);
        }
        if let Some(words) = &self.words {
            query = query.matching(words);
        }
        if let Some(cursor) = &self.cursor {
            query = query.after(cursor.parse().map_err(|error: QueryError| FindError::from(error))?);
        }
        let sources = match &self.space {
            Some(space) => {
                let source = readable(app, caller, space).await?;
                query = query.in_space(source.space());
                vec![source]
            }
            None => access::readable_spaces(app, caller).await.map_err(|error| ApiError::unavailable(&error))?,
        };
        Ok((find::check(app, &query)?, sources))
    }
}

fn page_json(asked: &Asked, page: FoundPage) -> FoundPageJson {
    let FoundPage { documents, has_more, .. } = page;
    let last = documents.last().filter(|_| has_more);
    let next = last.map(|last| asked.query.cursor(last.found.seek.clone()).to_string());
    let found = documents.into_iter().map(|FoundDocument { found, position, .. }| {
        let json = FoundJson::from(Found::of(&asked.known, found));
        FoundJson { position: Some(position.to_string()), ..json }
    });
    FoundPageJson { found: found.collect(), next }
}

impl From<Found> for FoundJson {
    fn from(found: Found) -> Self {
        let Found { space, id, title, fields, snippet } = found;
        let snippet = snippet.map(|Snippet { text, hits }| SnippetJson {
            text,
            hits: hits.iter().map(|hit| [hit.start, hit.end]).collect(),
        });
        Self { space: space.to_string(), id: id.to_string(), title, fields, snippet, position: None }
    }
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        match &error {
            FindError::TypeUnknown { .. } => Self::new(Code::TypeUnknown, error.to_string()),
            FindError::Query(query) => Self::new(code_of(query), error.to_string()),
            FindError::Behind { .. } => {
                Self::new(Code::IndexBehind, error.to_string()).retry_after(Duration::from_secs(1))
            }
            FindError::Storage(error) => Self::unavailable(error),
            FindError::Stopped(_) => Self::internal(&error),
        }
    }
}

/// The code of the same word.
fn code_of(error: &QueryError) -> Code {
    let known = Code::ALL.iter().find(|code| code.name() == error.code());
    known.copied().unwrap_or(Code::ParameterInvalid)
}

/// The spaces of readable sources.
fn spaces_of(sources: &[Readable]) -> Vec<SpaceId> {
    sources.iter().map(Readable::space).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_known_and_only_filters_are_repeated() {
        let parsed =
            FindQuery::parse(Some("type=note&where=name%3E%3Da&where=name%3Cb&present=body&sort=-name")).unwrap();
        assert_eq!(parsed.conditions, ["name>=a", "name<b"]);
        assert_eq!((parsed.r#type.as_deref(), parsed.sort.as_deref()), (Some("note"), Some("-name")));
        for wrong in ["type=note&type=note", "colour=red", "limit=1&limit=2"] {
            assert_eq!(FindQuery::parse(Some(wrong)).unwrap_err().code(), Code::ParameterInvalid, "{wrong}");
        }
        assert!(FindQuery::parse(None).unwrap().r#type.is_none());
    }

    #[test]
    fn every_fault_of_a_query_has_a_code_of_its_own() {
        for error in [
            QueryError::NoLimit,
            QueryError::NoWords { words: String::new() },
            QueryError::Cursor { rule: "x" },
            QueryError::NotSortable { path: String::new() },
            QueryError::NotSearchable { type_name: String::new() },
            QueryError::NotComparable { path: String::new(), value: String::new(), rule: "x" },
            QueryError::NotIndexed { type_name: String::new(), path: String::new(), known: String::new() },
            QueryError::Condition { condition: String::new(), operators: String::new() },
            QueryError::TooMany { what: "x", found: 2, max: 1 },
        ] {
            assert_eq!(code_of(&error).name(), error.code());
        }
    }
}
