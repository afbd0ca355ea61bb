//! `vault publication`: what everybody may see of a document, and what keeps it from being seen.

use editor_vault::{Publication, Vault};
use schemas::unescape;
use serde_json::{Value, json};

use super::conflicts::quoted;
use super::document::find;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(vault: &Vault, name: &str, output: &mut Output) -> Result<(), Failure> {
    let document = find(vault, name)?;
    let publication = document.publication()?;
    let (value, violations) = match &publication {
        Publication::Public(value) => (value.clone(), json!([])),
        Publication::Refused(violations) => (Value::Null, violations.iter().map(violation).collect()),
        Publication::Private | Publication::Withheld { .. } | Publication::Nothing => (Value::Null, json!([])),
    };
    let json = json!({ "id": document.id().to_string(), "space": document.space().to_string(),
        "state": publication.state(), "reason": publication.reason(), "value": value, "violations": violations });
    output.result(said(&publication, name), &json)
}

fn said(publication: &Publication, name: &str) -> String {
    match publication {
        Publication::Public(value) => format!("would be published:\n{value:#}"),
        Publication::Refused(violations) => {
            let sentences: Vec<String> = violations.iter().map(ToString::to_string).collect();
            format!("not published, because\n  {}", sentences.join("\n  "))
        }
        Publication::Private | Publication::Withheld { .. } | Publication::Nothing => {
            let because = format!("not published, because {}", publication.reason().unwrap_or_default());
            because + &command(publication, name).unwrap_or_default()
        }
    }
}

/// What shows a document that is withheld.
fn command(publication: &Publication, name: &str) -> Option<String> {
    let Publication::Withheld { when } = publication else { return None };
    let patch = json!({ unescape(when.trim_start_matches('/')): true });
    Some(format!("\n  vault patch {} {}", quoted(name), quoted(&patch.to_string())))
}

fn violation(violation: &schemas::Violation) -> Value {
    json!({ "path": violation.path, "code": violation.code(), "value": violation.value,
        "rule": violation.rule.to_string(), "remedy": violation.remedy, "detail": violation.to_string() })
}
