//! `vault conflicts` and `vault resolve`, from two devices that were apart to one value on both.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{Meeting, PLEDGE, set};

/// The command on one of the vaults, with the type of the tests.
struct Desk<'a> {
    meeting: &'a Meeting,
    vault: &'static str,
}

impl Desk<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        let house = &self.meeting.house;
        let mut command = Command::new(env!("CARGO_BIN_EXE_vault"));
        command.env_remove("VAULT_DIR").env_remove("VAULT_TYPES").env_remove("VAULT_LOG");
        command.env("HOME", house.path("home")).env("XDG_STATE_HOME", house.path("state"));
        command.arg("--vault").arg(house.path(self.vault)).arg("--types").arg(house.path("types"));
        command.args(arguments).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[&["--json"], arguments].concat())).unwrap()
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], exit: i32, code: &str, part: &str) {
        let run = self.run(arguments);
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(exit), "{arguments:?}: {said}");
        assert!(said.contains(&format!("error[{code}]: ")) && said.contains(part), "{arguments:?}: {said}");
    }
}

fn write_types(folder: &Path) {
    std::fs::create_dir_all(folder.join("pledge")).unwrap();
    std::fs::write(folder.join("pledge/1.json"), PLEDGE).unwrap();
    std::fs::write(folder.join("readme.txt"), "no schema").unwrap();
}

#[test]
fn a_person_lists_decides_and_finds_it_settled_on_the_other_device() {
    let meeting = Meeting::new();
    write_types(&meeting.house.path("types"));
    let (laptop, desktop) = (Desk { meeting: &meeting, vault: "laptop" }, Desk { meeting: &meeting, vault: "desktop" });
    assert_eq!(laptop.ok(&["conflicts"]), "no conflicts\n");
    let token = meeting.house.path("token");
    std::fs::write(&token, "alice").unwrap();
    for desk in [&laptop, &desktop] {
        desk.ok(&["login", "--relay", &meeting.relay.url, "--token-file", token.to_str().unwrap()]);
    }
    set(&meeting.on(&meeting.laptop), json!("some"));
    set(&meeting.on(&meeting.desktop), json!("full"));
    for desk in [&laptop, &desktop, &laptop] {
        desk.ok(&["sync"]);
    }

    let listed = laptop.json(&["conflicts"]);
    assert_eq!(listed, desktop.json(&["conflicts", "tea"]), "the same on both, as one document's");
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let conflict = &listed[0];
    assert_eq!(
        (&conflict["path"], &conflict["title"], &conflict["type"]),
        (&json!("/level"), &json!("tea"), &json!("pledge"))
    );
    let number_of = |value: &str| {
        let found = conflict["values"].as_array().unwrap().iter().find(|one| one["value"] == value).unwrap();
        found["number"].to_string()
    };
    let text = laptop.ok(&["conflicts"]);
    for part in ["tea", "/level", "\"some\"", "\"full\"", "this device", "N is kept by\n  vault resolve "] {
        assert!(text.contains(part), "{part:?} in {text}");
    }

    // As the list says it.
    let line = text.lines().last().unwrap().trim().replace("--keep N", &format!("--keep {}", number_of("some")));
    let words: Vec<&str> = line.split(' ').skip(1).collect();
    desktop.fails(&["resolve", "tea", "/level", "--keep", "3"], 2, "no_such_value", "only 1 to 2");
    desktop.fails(&["resolve", "tea", "/nowhere", "--keep", "1"], 1, "no_conflict", "/level waits for you");
    desktop.fails(&["resolve", "tea", "/level", "--value", "some"], 2, "json", "is not JSON");
    desktop.fails(&["resolve", "tea", "/level", "--value", "\"plenty\""], 1, "schema.enum", "/level");
    desktop.fails(&["resolve", "tea", "/level", "--keep", "1", "--seen", "0000"], 4, "conflict_moved", "look at them");
    assert!(desktop.ok(&words).starts_with("resolved /level of "));
    assert_eq!(desktop.ok(&["conflicts"]), "no conflicts\n");
    for desk in [&desktop, &laptop] {
        desk.ok(&["sync"]);
    }
    assert_eq!(laptop.ok(&["conflicts"]), "no conflicts\n");
    for desk in [&laptop, &desktop] {
        assert_eq!(desk.json(&["show", "tea"])["value"]["level"], "some");
    }
    laptop.fails(&["resolve", "tea", "/level", "--keep", "1"], 1, "no_conflict", "nothing waits for you");
}

#[test]
fn what_won_by_itself_can_be_asked_for() {
    let meeting = Meeting::new();
    write_types(&meeting.house.path("types"));
    for (vault, size) in [(&meeting.laptop, 1), (&meeting.desktop, 2)] {
        meeting.on(vault).edit(|draft| draft.put("/size", json!(size))).unwrap();
    }
    meeting.meet();
    let laptop = Desk { meeting: &meeting, vault: "laptop" };
    let listed = laptop.json(&["conflicts", "tea", "--overruled"]);
    assert_eq!((&listed[0]["path"], listed[0]["values"].as_array().unwrap().len()), (&json!("/size"), 2));
    let text = laptop.ok(&["conflicts", "tea", "--overruled"]);
    assert!(text.contains("/size") && !text.contains("vault resolve"), "{text}");
    assert_eq!(laptop.json(&["explain", "tea"])["conflicts"], json!({ "open": 0, "overruled": 1 }));
    let text = laptop.ok(&["explain", "tea"]);
    assert!(text.contains("0 wait for a person, 1 were settled by rule"), "{text}");
    assert_eq!(laptop.ok(&["conflicts"]), "no conflicts\n");
}

#[test]
fn types_that_cannot_be_used_are_named() {
    let meeting = Meeting::new();
    let laptop = Desk { meeting: &meeting, vault: "laptop" };
    laptop.fails(&["conflicts"], 1, "no_such_file", "types");
    write_types(&meeting.house.path("types"));
    std::fs::write(meeting.house.path("types").join("pledge/2.json"), "{").unwrap();
    laptop.fails(&["conflicts"], 1, "schema", "2.json");
}
