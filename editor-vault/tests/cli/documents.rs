//! `new`, `edit`, `show`, `list`, `delete`, `spaces`, `status`.

use serde_json::json;

use crate::run::{Desk, Run};

fn edit(desk: &Desk, name: &str, editor: &str) -> Run {
    Run::of(desk.command().env("EDITOR", editor).arg("--vault").arg(desk.vault()).args(["edit", name]))
}

#[test]
fn a_note_is_made_edited_shown_listed_and_deleted() {
    let desk = Desk::new();
    let made = desk.json(&["new", "note", "Plans for May"]);
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!(desk.json(&["show", "Plans for May"])["value"], json!({"name": "Plans for May", "body": ""}));
    let script = desk.write("an editor.sh", "printf 'one\\ntwo\\n' > \"$2\"; test \"$1\" = --wait");
    let run = edit(&desk, "Plans for May", &format!("sh '{script}' --wait"));
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(desk.ok(&["show", &id]), "one\ntwo\n");
    let listed = desk.json(&["list", "--type", "note"]);
    assert_eq!((&listed[0]["id"], &listed[0]["title"]), (&json!(id), &json!("Plans for May")));
    assert_eq!(listed[0]["status"]["state"], "saved");
    assert!(desk.ok(&["list"]).contains("Plans for May"));
    desk.ok(&["delete", "Plans for May"]);
    assert_eq!(desk.json(&["list", "--type", "note"]), json!([]));
    assert_eq!(desk.json(&["list", "--type", "note", "--deleted"])[0]["deleted"], true);
}

#[test]
fn visual_goes_before_editor_and_an_untouched_text_is_no_edit() {
    let desk = Desk::new();
    desk.ok(&["new", "note", "n"]);
    let mut command = desk.command();
    command.env("EDITOR", "false").env("VISUAL", "true").arg("--json").arg("--vault").arg(desk.vault());
    let run = Run::of(command.args(["edit", "n"]));
    assert!(run.code == 0 && run.stdout.contains("\"changed\": false"), "{run:?}");
}

#[test]
fn a_text_that_could_not_be_saved_is_kept() {
    let desk = Desk::new();
    desk.ok(&["new", "note", "n"]);
    desk.fails(&["edit", "n"], 1, "no_editor", &["EDITOR"]);
    edit(&desk, "n", "false").failed(1, "editor", &["false", "nothing was saved"]);
    let script = desk.write("fail.sh", "printf kept > \"$1\"; exit 3");
    let run = edit(&desk, "n", &format!("sh '{script}'"));
    run.failed(1, "editor", &["your text is in "]);
    let file = run.stderr.rsplit("your text is in ").next().expect("a path").trim();
    assert_eq!(std::fs::read_to_string(file).expect("it is kept"), "kept");
    std::fs::remove_file(file).expect("it can be removed");
    desk.fails(&["edit", "settings"], 1, "not_a_note", &["vault set"]);
}

#[test]
fn what_another_program_wrote_meanwhile_is_kept() {
    let desk = Desk::new();
    desk.ok(&["new", "note", "n"]);
    let first = desk.write("first.sh", "printf 'one two' > \"$1\"");
    assert_eq!(edit(&desk, "n", &format!("sh '{first}'")).code, 0);
    // An editor inside the editor: the inner one is saved while the outer one is open.
    let inner = desk.write("inner.sh", "printf 'zero one two' > \"$1\"");
    let binary = env!("CARGO_BIN_EXE_vault");
    let nested = format!("EDITOR=\"sh '{inner}'\" '{binary}' --vault '{}' edit n", desk.vault().display());
    let outer = desk.write("outer.sh", format!("{nested} >&2\nprintf 'one three' > \"$1\""));
    let run = edit(&desk, "n", &format!("sh '{outer}'"));
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(desk.ok(&["show", "n"]), "zero one three\n");
}

#[test]
fn a_name_that_is_not_there_or_not_the_only_one_is_named() {
    let desk = Desk::new();
    desk.fails(&["show", "nothing"], 1, "not_found", &["nothing"]);
    desk.fails(&["delete", "nothing"], 1, "not_found", &["nothing"]);
    desk.ok(&["new", "note", "twice"]);
    desk.ok(&["new", "note", "twice"]);
    desk.fails(&["show", "twice"], 1, "ambiguous", &["twice"]);
    desk.fails(&["delete", "settings"], 1, "well_known", &["settings"]);
    desk.fails(&["new", "note", "x", "--space", "nowhere"], 1, "no_such_space", &["nowhere", "vault spaces"]);
    desk.fails(&["new", "note", &"x".repeat(2000)], 1, "limit", &["2000", "1024"]);
}

#[test]
fn spaces_and_status_work_before_any_login() {
    let desk = Desk::new();
    let spaces = desk.json(&["spaces"]);
    let home = &spaces[0];
    assert_eq!((&home["kind"], &home["is_home"]), (&json!("local"), &json!(true)));
    let id = home["id"].as_str().expect("an id");
    desk.ok(&["new", "note", "n", "--space", id]);
    assert_eq!(desk.json(&["list", "--space", id, "--type", "note"]).as_array().map(Vec::len), Some(1));
    let status = desk.json(&["status"]);
    assert_eq!((&status["relay"], &status["needs_person"]), (&json!(null), &json!([])));
    assert_eq!(status["home"], home["id"]);
    assert!(desk.ok(&["status"]).contains("pending"));
    assert!(desk.ok(&["spaces"]).contains("local"));
}
