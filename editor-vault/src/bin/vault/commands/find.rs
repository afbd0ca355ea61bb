//! `vault find`, `vault search`: documents by what is in them.

use std::time::Duration;

use editor_vault::{Found, LiveQuery, Page, Query, QueryDifference, Snippet, Vault};
use schemas::IndexKind;
use serde_json::{Value, json};

use crate::cli::{FindArguments, PageArguments, SearchArguments};
use crate::commands::space;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::table::Table;

/// How long one wait for a difference lasts; nothing else ends it.
const WAIT: Duration = Duration::from_secs(3600);

pub(crate) fn find(vault: &Vault, arguments: &FindArguments, output: &mut Output) -> Result<(), Failure> {
    let mut query = Query::of(&arguments.type_name);
    for condition in &arguments.conditions {
        query = query.filter(condition).map_err(|error| unread(&error))?;
    }
    for path in &arguments.present {
        query = query.present(path);
    }
    for path in &arguments.absent {
        query = query.absent(path);
    }
    if let Some(words) = &arguments.matching {
        query = query.matching(words);
    }
    query = on_page(vault, query, &arguments.page)?;
    if arguments.watch {
        return watch(vault.watch_query(&query)?, output);
    }
    let page = vault.query(&query)?;
    output.result(text_of(&page), &json_of_page(&page))
}

pub(crate) fn search(vault: &Vault, arguments: &SearchArguments, output: &mut Output) -> Result<(), Failure> {
    let words = arguments.words.join(" ");
    let registry = vault.schemas();
    let has_texts = |name: &&str| {
        let indexes = registry.get(name).map_or(&[][..], schemas::DocumentType::indexes);
        indexes.iter().any(|field| field.index.kind == IndexKind::Text)
    };
    let types: Vec<&str> = match &arguments.type_name {
        Some(name) => vec![name],
        None => registry.names().filter(has_texts).collect(),
    };
    let mut found = Vec::new();
    for name in types {
        let mut query = Query::of(name).matching(&words).limit(arguments.limit);
        if let Some(named) = &arguments.space {
            query = query.in_space(space::find(vault, named)?);
        }
        found.extend(vault.query(&query)?.found.into_iter().map(|found| (name, found)));
    }
    let json: Value = found.iter().map(|(name, found)| with_type(name, json_of(found))).collect();
    if found.is_empty() {
        return output.result(format_args!("nothing holds {words:?}"), &json);
    }
    let mut table = Table::new(["ID", "TYPE", "NAME", "TEXT"]);
    for (name, found) in &found {
        table.row([found.id.to_string(), (*name).to_owned(), name_of(found), line_of(found.snippet.as_ref())]);
    }
    output.result(table, &json)
}

/// Says what is found, and then what changes, until interrupted.
fn watch(mut live: LiveQuery, output: &mut Output) -> Result<(), Failure> {
    for (place, found) in live.found().iter().enumerate() {
        say(output, "+", place, found)?;
    }
    loop {
        if let Some(difference) = live.next(WAIT)? {
            say_difference(output, &difference)?;
        }
    }
}

fn say_difference(output: &mut Output, difference: &QueryDifference) -> Result<(), Failure> {
    for (space, id) in &difference.removed {
        let json = json!({ "change": "-", "space": space.to_string(), "id": id.to_string() });
        output.step(format_args!("- {id}"), &json)?;
    }
    for (sign, documents) in [("+", &difference.added), (">", &difference.moved), ("~", &difference.changed)] {
        for (place, found) in documents {
            say(output, sign, *place, found)?;
        }
    }
    Ok(())
}

fn say(output: &mut Output, sign: &str, place: usize, found: &Found) -> Result<(), Failure> {
    let mut json = json_of(found);
    json["change"] = sign.into();
    json["place"] = place.into();
    output.step(format_args!("{sign} {} {}", found.id, plain(&name_of(found))), &json)
}

/// Titles are the user's: nothing in them moves the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '�' } else { sign }).collect()
}

fn on_page(vault: &Vault, mut query: Query, page: &PageArguments) -> Result<Query, Failure> {
    if let Some(named) = &page.space {
        query = query.in_space(space::find(vault, named)?);
    }
    if let Some(sort) = &page.sort {
        query = query.sorted(sort);
    }
    if let Some(after) = &page.after {
        query = query.after(after.parse().map_err(editor_vault::QueryError::Query)?);
    }
    Ok(query.limit(page.limit))
}

/// A condition that is none is a fault of the command line, as an unknown option is.
fn unread(error: &schemas::QueryError) -> Failure {
    Failure::new(Exit::Usage, error.code(), error.to_string())
}

fn text_of(page: &Page) -> String {
    if page.found.is_empty() {
        return "nothing is found".to_owned();
    }
    let mut table = Table::new(["ID", "NAME", "FIELDS"]);
    for found in &page.found {
        let title = found.title.as_deref();
        let others = found.fields.iter().filter(|(_, value)| title.is_none() || value.as_str() != title);
        let fields: Vec<String> = others.map(|(path, value)| format!("{path}={value}")).collect();
        let shown = found.snippet.as_ref().map_or_else(|| fields.join(" "), |snippet| line_of(Some(snippet)));
        table.row([found.id.to_string(), name_of(found), shown]);
    }
    match &page.next {
        Some(next) => format!("{table}\nmore: --after {next}"),
        None => table.to_string(),
    }
}

fn name_of(found: &Found) -> String {
    found.title.clone().unwrap_or_default()
}

/// A piece of a text in one line.
fn line_of(snippet: Option<&Snippet>) -> String {
    snippet.map(|snippet| snippet.text.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

fn json_of_page(page: &Page) -> Value {
    let found: Vec<Value> = page.found.iter().map(json_of).collect();
    json!({ "found": found, "next": page.next.as_ref().map(ToString::to_string) })
}

fn json_of(found: &Found) -> Value {
    let mut json = json!({ "space": found.space.to_string(), "id": found.id.to_string(), "title": found.title,
        "fields": found.fields });
    if let Some(Snippet { text, hits }) = &found.snippet {
        let hits: Vec<[usize; 2]> = hits.iter().map(|hit| [hit.start, hit.end]).collect();
        json["snippet"] = json!({ "text": text, "hits": hits });
    }
    json
}

fn with_type(name: &str, mut json: Value) -> Value {
    json["type"] = name.into();
    json
}
