//! The body of a resolution: what a person has decided about a field, and what he had seen of it.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sync_wire::ChangeHash;

use crate::api::problem::{ApiError, ApiResult, Code};
use crate::relay::author::resolution::{Decision, Resolution};

/// What a field becomes; of `keep` and `value` one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionJson {
    stored_path: String,
    keep: Option<String>,
    /// Null is a value: it removes the field.
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    seen: Vec<String>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl DecisionJson {
    /// # Errors
    /// [`Code::BodyInvalid`], [`Code::ConflictMoved`]
    pub(super) fn resolution(self) -> ApiResult<Resolution> {
        let Self { stored_path, keep, value, seen } = self;
        let seen = seen.iter().map(|text| hash(text)).collect::<ApiResult<Vec<_>>>()?;
        let decision = match (keep, value) {
            (Some(kept), None) => {
                let kept = hash(&kept)?;
                if !seen.contains(&kept) {
                    let detail = format!("keep {kept} is none of the changes in `seen`; keep a value that was seen");
                    return Err(ApiError::new(Code::ConflictMoved, detail));
                }
                Decision::Keep(kept)
            }
            (None, Some(value)) => Decision::Put(value),
            _ => return Err(wrong("say either `keep`, a change, or `value`, another value")),
        };
        Ok(Resolution { stored_path, seen, decision })
    }
}

fn hash(text: &str) -> ApiResult<ChangeHash> {
    text.parse().map_err(|_| wrong(format!("{text:.80?} is no change: expected the 64 digits of `change` of a value")))
}

fn wrong(detail: impl Into<String>) -> ApiError {
    ApiError::new(Code::BodyInvalid, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_one_and_about_what_was_seen() {
        let (one, two) = ("11".repeat(32), "22".repeat(32));
        let read = |body: &str| {
            let body = body.replace("ONE", &one).replace("TWO", &two);
            serde_json::from_str::<DecisionJson>(&body).ok().and_then(|json| json.resolution().ok())
        };
        let keep = read(r#"{"stored_path":"/a","keep":"ONE","seen":["ONE","TWO"]}"#).unwrap();
        assert_eq!(keep.decision, Decision::Keep(ChangeHash([0x11; 32])));
        let put = |value: &str| read(&format!(r#"{{"stored_path":"/a","value":{value},"seen":["ONE"]}}"#)).unwrap();
        assert_eq!((put("7").decision, put("null").decision), (Decision::Put(7.into()), Decision::Put(Value::Null)));
        for wrong in [
            r#"{"stored_path":"/a","seen":["ONE"]}"#,
            r#"{"stored_path":"/a","keep":"ONE","value":1,"seen":["ONE"]}"#,
            r#"{"stored_path":"/a","keep":"ONE","value":null,"seen":["ONE"]}"#,
            r#"{"stored_path":"/a","keep":"TWO","seen":["ONE"]}"#,
            r#"{"stored_path":"/a","keep":"ONE","seen":[]}"#,
            r#"{"stored_path":"/a","keep":"1","seen":["1"]}"#,
            r#"{"stored_path":"/a","value":1}"#,
            r#"{"path":"/a","value":1,"seen":["ONE"]}"#,
            r#"{"value":1,"seen":["ONE"]}"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
