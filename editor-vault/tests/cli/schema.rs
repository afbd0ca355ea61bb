//! `vault schema check`.

use serde_json::json;

use crate::run::{Desk, Run};

const TASK: &str = r#"{
  "x-type": "task", "x-version": 1, "type": "object",
  "properties": {
    "title": { "type": "string" }
  }
}
"#;

/// The page that teaches adding a type.
const PAGE: &str = include_str!("../../../docs/schemas.md");

/// A desk without a vault, with a directory for the type.
fn desk() -> Desk {
    let desk = Desk::bare();
    std::fs::create_dir(desk.path("task")).expect("a directory can be made");
    desk
}

/// Runs the command in the desk's directory, with files as they are called there.
fn check(desk: &Desk, arguments: &[&str]) -> Run {
    Run::of(desk.command().args(["schema", "check"]).args(arguments))
}

#[test]
fn a_sound_file_needs_no_vault_and_no_mending() {
    let desk = desk();
    desk.write("task/1.json", TASK);
    let run = check(&desk, &["task/1.json"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "task/1.json: nothing to mend\n", ""));
    let run = Run::of(desk.command().current_dir(desk.path("task")).args(["schema", "check", "1.json"]));
    assert_eq!(run.code, 0, "the name of the directory counts, wherever one stands: {run:?}");
}

#[test]
fn what_is_wrong_is_said_by_file_line_and_column() {
    let desk = desk();
    desk.write("task/1.json", TASK.replace("\"type\": \"string\"", "\"type\": \"string\", \"x-megre\": \"text\""));
    let run = check(&desk, &["task/1.json"]);
    run.failed(1, "schema", &["1 findings in 1 of 1 files"]);
    assert!(run.stdout.starts_with("task/1.json:4:34: unknown_keyword: there is no keyword x-megre"), "{run:?}");
    assert!(run.stdout.contains("(at /properties/title/x-megre); write x-merge\n"), "{run:?}");
    let run = check(&desk, &["task/1.json", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).expect("it is JSON");
    assert_eq!(json["files"], 1);
    let finding = &json["findings"][0];
    assert_eq!(
        (&finding["line"], &finding["column"], &finding["file"]),
        (&json!(4), &json!(34), &json!("task/1.json"))
    );
    assert_eq!((&finding["code"], &finding["remedy"]), (&json!("unknown_keyword"), &json!("write x-merge")));
}

#[test]
fn a_version_is_held_against_the_one_before_it() {
    let desk = desk();
    desk.write("task/1.json", TASK);
    desk.write("task/2.json", TASK.replace("\"x-version\": 1", "\"x-version\": 2").replace("title", "name"));
    let run = check(&desk, &["task/2.json", "task/1.json"]);
    run.failed(1, "schema", &["2 findings in 1 of 2 files"]);
    assert!(run.stdout.contains("task/2.json:3:3: field_removed: \"title\""), "{run:?}");
    assert!(run.stdout.contains("\"x-stored-as\": \"title\""), "{run:?}");
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_said() {
    let desk = desk();
    check(&desk, &["task/1.json"]).failed(1, "no_such_file", &["task/1.json"]);
    desk.write("task/1.json", b"{\n\xff}");
    check(&desk, &["task/1.json"]).failed(1, "not_text", &["line 2"]);
    assert_eq!(check(&desk, &[]).code, 2);
}

/// The fenced blocks of a page: what stands behind the fence, and the text.
fn blocks(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
}

#[test]
fn the_page_on_schemas_can_be_followed_to_the_letter() {
    let desk = Desk::bare();
    std::fs::create_dir(desk.path("ext.acme.task")).expect("a directory can be made");
    let (mut files, mut runs) = (0, 0);
    for (kind, text) in blocks(PAGE) {
        if let Some(file) = kind.strip_prefix("json ") {
            desk.write(file, text);
            files += 1;
        } else if kind == "console" {
            let (command, expected) = text.split_once('\n').expect("what the command writes");
            let arguments = command.strip_prefix("$ vault ").expect("a command of ours").split(' ');
            let run = Run::of(desk.command().args(arguments));
            assert_eq!(format!("{}{}", run.stdout, run.stderr).trim_end(), expected, "{command}");
            assert_eq!(run.code == 0, run.stderr.is_empty(), "{run:?}");
            runs += 1;
        }
    }
    assert_eq!((files, runs), (3, 3), "every block was found");
}
