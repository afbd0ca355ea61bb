//! `vault publication`: what everybody may see of a document, and what keeps it from being seen.

use editor_vault::{Publication, Vault};
use serde_json::{Value, json};

use super::document::find;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(vault: &Vault, name: &str, output: &mut Output) -> Result<(), Failure> {
    let document = find(vault, name)?;
    let publication = document.publication()?;
    let (state, value, violations) = match &publication {
        Publication::Private => ("private", Value::Null, json!([])),
        Publication::Nothing => ("nothing", Value::Null, json!([])),
        Publication::Public(value) => ("public", value.clone(), json!([])),
        Publication::Refused(violations) => ("refused", Value::Null, violations.iter().map(violation).collect()),
    };
    let json = json!({ "id": document.id().to_string(), "space": document.space().to_string(), "state": state,
        "value": value, "violations": violations });
    output.result(said(&publication), &json)
}

fn said(publication: &Publication) -> String {
    match publication {
        Publication::Private => "not published, because no public field of its type is known here".to_owned(),
        Publication::Nothing => "not published, because none of its public fields has a value".to_owned(),
        Publication::Public(value) => format!("would be published:\n{value:#}"),
        Publication::Refused(violations) => {
            let sentences: Vec<String> = violations.iter().map(ToString::to_string).collect();
            format!("not published, because\n  {}", sentences.join("\n  "))
        }
    }
}

fn violation(violation: &schemas::Violation) -> Value {
    json!({ "path": violation.path, "code": violation.code(), "value": violation.value,
        "rule": violation.rule.to_string(), "remedy": violation.remedy, "detail": violation.to_string() })
}
