//! Processes that end without warning: whatever they were told is saved is there.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::house::House;

const CHILD: &str = "VAULT_TEST_CHILD";

/// Not a test of its own: the child of the next one. It says each number once it is saved.
#[test]
fn child_that_saves_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let vault = editor_vault::Vault::open(path).unwrap();
    let note = vault.create("note", Some("log"), None).unwrap();
    for number in 0.. {
        note.edit(|draft| draft.put(&format!("/n/{number}"), number.into())).unwrap();
        println!("saved {number}");
    }
}

#[test]
fn what_was_said_to_be_saved_survives_kill_9() {
    let house = House::new();
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed::child_that_saves_until_it_is_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, house.path(&format!("{round}")))
            .env("XDG_STATE_HOME", house.path("state"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let saved = lines.map_while(Result::ok).filter_map(|line| line.split("saved ").nth(1)?.parse::<i64>().ok());
        let last = saved.take(20 + 17 * round).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let vault = house.open(&format!("{round}"));
        let note = vault.find("log").unwrap();
        for number in 0..=last {
            assert_eq!(note.get(&format!("/n/{number}")).unwrap(), Some(number.into()), "round {round}");
        }
        note.edit(|draft| draft.put("/after", true.into())).unwrap();
        assert_eq!(vault.verify().unwrap(), []);
    }
}
