//! Documents by what is in them: `vault find` and `vault search`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::run::Desk;

/// A desk with notes of these names.
fn desk(names: &[&str]) -> Desk {
    let desk = Desk::new();
    for name in names {
        desk.ok(&["new", "note", name]);
    }
    desk
}

fn titles(found: &Value) -> Vec<&str> {
    found.as_array().unwrap().iter().map(|found| found["title"].as_str().unwrap()).collect()
}

#[test]
fn conditions_orders_and_pages_are_arguments() {
    let desk = desk(&["plan b", "plan a", "poem", "42", "zebra"]);
    for (arguments, expected) in [
        (&["--where", "/name=poem"][..], &["poem"][..]),
        (&["--where", "name^=plan"], &["plan a", "plan b"]),
        (&["--where", "name^=p", "--sort", "-name"], &["poem", "plan b", "plan a"]),
        (&["--where", "name>plan b", "--where", "name<=poem"], &["poem"]),
        (&["--where", "name=42"], &[]),
        (&["--where", "name=\"42\""], &["42"]),
        (&["--present", "name", "--limit", "2"], &["42", "plan a"]),
        (&["--absent", "name"], &[]),
    ] {
        let found = desk.json(&[&["find", "note"], arguments].concat());
        assert_eq!(titles(&found["found"]), expected, "{arguments:?}");
    }
    let first = desk.json(&["find", "note", "--limit", "3"]);
    let rest = desk.json(&["find", "note", "--limit", "3", "--after", first["next"].as_str().unwrap()]);
    assert_eq!((titles(&rest["found"]), &rest["next"]), (vec!["poem", "zebra"], &Value::Null));
    let text = desk.ok(&["find", "note", "--limit", "1"]);
    assert!(text.contains("42") && text.contains("more: --after "), "{text}");
    assert_eq!(desk.ok(&["find", "note", "--where", "name=none"]), "nothing is found\n");
}

#[test]
fn what_cannot_be_asked_is_wrong_use_and_says_how() {
    let desk = desk(&["n"]);
    desk.fails(&["find", "note", "--where", "name"], 2, "condition", &["PATH=VALUE", "^="]);
    desk.fails(&["find", "note", "--where", "colour=1"], 2, "not_indexed", &["/colour", "x-index", "/name"]);
    desk.fails(&["find", "note", "--sort", "/body"], 2, "not_indexed", &["/body"]);
    desk.fails(&["find", "note", "--after", "xyz"], 2, "cursor", &["begin again"]);
    desk.fails(&["find", "note", "--limit", "0"], 2, "query_too_large", &["1 to 1000"]);
    desk.fails(&["find", "sandwich"], 1, "no_such_type", &["sandwich", "note"]);
    desk.fails(&["search", "--", "--"], 2, "no_words", &["letters"]);
}

#[test]
fn words_are_searched_for_in_names_and_texts() {
    let desk = desk(&["shopping", "poem"]);
    assert_eq!(desk.ok(&["search", "milk"]), "nothing holds \"milk\"\n");
    let mut edit = desk.command();
    let script = desk.write("editor.sh", "#!/bin/sh\nprintf 'buy milk\\033[2J and eggs' > \"$1\"\n");
    edit.env("EDITOR", format!("sh '{script}'")).arg("--vault").arg(desk.vault()).args(["edit", "shopping"]);
    assert!(edit.status().unwrap().success());
    let found = desk.json(&["search", "MILK", "egg*"]);
    assert_eq!((titles(&found), &found[0]["type"]), (vec!["shopping"], &json!("note")));
    let snippet = &found[0]["snippet"];
    assert!(snippet["text"].as_str().unwrap().contains("milk") && snippet["hits"].as_array().unwrap().len() == 2);
    let text = desk.ok(&["search", "milk"]);
    assert!(text.contains("shopping") && text.contains("milk") && !text.contains('\u{1b}'), "{text:?}");
    assert_eq!(titles(&desk.json(&["find", "note", "--matching", "poem"])["found"]), ["poem"]);
}

#[test]
fn a_watched_query_goes_on_with_what_changes() {
    let desk = desk(&["first"]);
    let mut command = desk.command();
    command.arg("--vault").arg(desk.vault()).args(["find", "note", "--watch"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().starts_with("+ ") && desk.ok(&["new", "note", "second"]).contains("second"));
    let line = next();
    assert!(line.starts_with("+ ") && line.ends_with(" second"), "{line}");
    desk.ok(&["delete", "first"]);
    assert!(next().starts_with("- "));
    child.kill().unwrap();
    child.wait().unwrap();
}
