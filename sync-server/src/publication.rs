//! What documents show to everybody: judged with every check by the rules of their types, kept by storage, read here
//! (docs/decisions/0020-publication.md).

use document::{Document, HistoryError};
use relay_storage::{Judgement, Projection, PublicationState, Published, StorageError};
use schemas::{DocumentType, Publication, Violation};
use serde_json::{Value, json};
use sync_wire::{DocumentId, SpaceId};
use tracing::warn;

use crate::access::Readable;
use crate::app::App;

/// What is kept of the violations of one document; the others are counted.
const VIOLATIONS_BYTES_MAX: usize = 16 << 10;
/// Of a document whose first check is to come, or that was checked last by a release that published nothing.
const UNJUDGED: &str = "the relay has not judged it yet, and does so when it checks the next edit of it";

/// Tells a document which of its fields wait for a person, so that it need not be copied to be judged.
pub(crate) fn prepare(document: &mut Document, known: &DocumentType) {
    if known.has_public() && !is_told(document, known) {
        document.set_manual(known.manual_fields());
    }
}

/// Judges a checked state: `stored` is its value, `known` its type if this relay knows it.
pub(crate) fn judge(
    (id, document): (DocumentId, &Document),
    known: Option<&DocumentType>,
    stored: &Value,
) -> Judgement {
    let Some(known) = known else { return Judgement::Unknown };
    if !may_show(known, id) {
        return Judgement::Private;
    }
    let open = match open_conflicts(document, known) {
        Ok(open) => open,
        Err(error) => {
            warn!("A document of type {} is not judged, and stays published as it is: {error}", known.name);
            return Judgement::Unknown;
        }
    };
    let rules = known.publication_rules();
    match known.publication(stored, open.iter().map(String::as_str)) {
        Publication::Private | Publication::Withheld { .. } | Publication::Nothing => Judgement::Private,
        Publication::Public(value) => Judgement::Public { rules, json: value.to_string() },
        Publication::Refused(violations) => Judgement::Refused { rules, violations: listed(&violations) },
    }
}

/// Whether anything of a document of this type and id is for everybody. Anybody can begin one of a type that the relay
/// alone writes, under another id than the derived one.
fn may_show(known: &DocumentType, id: DocumentId) -> bool {
    known.has_public() && (!known.authority || known.id() == Some(id))
}

/// Where values that were written concurrently wait for a person, by stored path.
fn open_conflicts(document: &Document, known: &DocumentType) -> Result<Vec<String>, HistoryError> {
    let conflicts = if !known.has_manual() {
        Vec::new()
    } else if is_told(document, known) {
        document.conflicts()?
    } else {
        let mut told = document.clone();
        prepare(&mut told, known);
        told.conflicts()?
    };
    Ok(conflicts.into_iter().map(|conflict| conflict.path).collect())
}

fn is_told(document: &Document, known: &DocumentType) -> bool {
    let told = document.manual();
    told.type_name() == Some(known.name.as_str()) && told.version() == known.version
}

/// `{"violations": […], "omitted": N}`, of bounded size.
fn listed(violations: &[Violation]) -> String {
    let mut room = VIOLATIONS_BYTES_MAX;
    let mut listed = Vec::new();
    for violation in violations {
        let json = json_of(violation);
        match room.checked_sub(json.to_string().len()) {
            Some(left) => room = left,
            None => continue, // a shorter one may fit
        }
        listed.push(json);
    }
    json!({ "omitted": violations.len() - listed.len(), "violations": listed }).to_string()
}

fn json_of(violation: &Violation) -> Value {
    json!({
        "path": violation.path, "code": violation.code(), "value": violation.value, "rule": violation.rule.to_string(),
        "remedy": violation.remedy, "detail": violation.to_string(),
    })
}

/// What anybody may see of a document; `None` if that is nothing, for whatever reason.
///
/// # Errors
/// Storage failed.
pub async fn shown(app: &App, space: SpaceId, document: DocumentId) -> Result<Option<Published>, StorageError> {
    let state = app.storage.publication(space, document).await?;
    Ok(state.filter(|state| !state.deleted).and_then(|state| state.published))
}

/// What members of a space are told about the publication of a document in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// There is no such document.
    Missing,
    /// It is deleted, and nothing of it is published.
    Deleted,
    /// What is published of it, or which rules keep it from that.
    Judged(PublicationState),
    /// Nothing of it is for everybody.
    Unpublished(Unpublished),
}

/// Why nothing is published of a document that breaks no rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublished {
    /// A stable word for programs: `private`, `withheld`, `nothing` or `unjudged`.
    pub state: &'static str,
    /// What is to be said after "not published, because".
    pub reason: String,
}

/// What is published of a document, and what keeps its newest state from it.
///
/// # Errors
/// Storage failed.
pub async fn of(app: &App, source: &Readable, document: DocumentId) -> Result<Told, StorageError> {
    match app.storage.document(source.space(), document).await? {
        None => Ok(Told::Missing),
        Some(state) if state.deleted => Ok(Told::Deleted),
        Some(_) => match app.storage.publication(source.space(), document).await? {
            Some(judged) => Ok(Told::Judged(judged)),
            None => {
                let projection = app.storage.projection(source.space(), document).await?;
                Ok(Told::Unpublished(why(app, projection.as_ref())))
            }
        },
    }
}

/// Of what is not published nothing is kept, so the checked state is asked again.
fn why(app: &App, projection: Option<&Projection>) -> Unpublished {
    let by_its_type = |projection: &Projection| {
        let known = app.types.get(projection.type_name.as_deref());
        let Some(known) = known.filter(|known| may_show(known, projection.document)) else {
            return Publication::Private;
        };
        // What storage has of a projection is JSON; a damaged one is for `verify` to find.
        known.publication(&serde_json::from_str(&projection.json).unwrap_or_default(), [])
    };
    let publication = projection.map(by_its_type);
    match publication.and_then(|publication| Some((publication.state(), publication.reason()?))) {
        Some((state, reason)) => Unpublished { state, reason },
        None => Unpublished { state: "unjudged", reason: UNJUDGED.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use schemas::Registry;

    use super::*;

    fn faults(count: usize, key: &str) -> Vec<Violation> {
        let profile = Registry::builtin().get("profile").unwrap();
        let links: Value = (0..count).map(|_| json!({ "address": key })).collect();
        profile.check(&json!({ "links": links }))
    }

    #[test]
    fn what_is_kept_of_violations_is_bounded_and_the_rest_counted() {
        let violations = faults(50, "no address");
        let all: Value = serde_json::from_str(&listed(&violations[..3])).unwrap();
        assert_eq!((all["violations"].as_array().unwrap().len(), &all["omitted"]), (3, &json!(0)));
        assert_eq!(all["violations"][0]["path"], "/links/0/address");
        let long = Violation { path: "/x".repeat(VIOLATIONS_BYTES_MAX), ..violations[0].clone() };
        let text = listed(&[vec![long], vec![violations.clone(); 9].concat()].concat());
        assert!(text.len() < VIOLATIONS_BYTES_MAX + 1000, "{}", text.len());
        let some: Value = serde_json::from_str(&text).unwrap();
        let (kept, omitted) = (some["violations"].as_array().unwrap().len(), some["omitted"].as_u64().unwrap());
        assert_eq!(kept as u64 + omitted, 9 * violations.len() as u64 + 1);
        assert_eq!(some["violations"][0]["path"], "/links/0/address", "the long one is left out, not the others");
    }
}
