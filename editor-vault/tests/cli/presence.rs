//! `vault presence`, as far as no relay is needed.

use crate::run::{Desk, Run};

/// A desk with a login at a relay that is not there.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.ok(&["login", "--relay", "http://127.0.0.1:9", "--token", "t"]);
    desk
}

#[test]
fn presence_without_a_login_needs_a_person() {
    Desk::new().fails(&["presence", "settings"], 4, "not_logged_in", &["log in"]);
}

#[test]
fn what_is_too_large_or_in_no_document_is_refused() {
    let desk = desk();
    let large = "x".repeat(1023);
    desk.fails(&["presence", "settings", "--show", &large], 2, "too_large", &["1025 bytes", "at most 1024"]);
    desk.fails(&["presence", "no such note"], 1, "not_found", &["no such note"]);
}

#[test]
fn presence_is_left_to_the_process_that_syncs_the_vault() {
    let desk = desk();
    let lock = std::fs::File::create(desk.vault().join("sync.lock")).expect("the lock file can be made");
    lock.try_lock().expect("nobody else has it");
    desk.fails(&["presence", "settings"], 1, "another_process", &["another process syncs this vault"]);
}

#[cfg(unix)]
#[test]
fn offline_it_says_so_and_goes_on_until_it_is_interrupted() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let desk = desk();
    let mut command = desk.command();
    command.arg("--vault").arg(desk.vault()).args(["--json", "presence", "settings", "--show", r#"{"line":3}"#]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let is_offline = |line: String| line == r#"{"link":"offline, trying again"}"#;
    assert!(lines.map_while(Result::ok).any(is_offline), "it says where the connection stands");
    let pid = child.id().to_string();
    assert_eq!(Run::of(Command::new("kill").args(["-INT", &pid])).code, 0);
    child.wait().expect("it ends");
}
