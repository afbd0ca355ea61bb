//! The real binary: its first line, its end, its commands beside a running relay, and what it says when something is
//! wrong with its place.

use std::path::Path;

use sync_wire::{GoodbyeCode, Role};

use crate::author::Author;
use crate::device::{Device, personal};
use crate::http::request;
use crate::relay::{Process, command, fail, succeed};

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_relay_says_goodbye_and_exits_with_0() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("a path with spaces");
    succeed(&data, &["account", "create", "alice"]);
    let token = succeed(&data, &["token", "create", "--account", "alice"]);
    let relay = Process::serve(&data);
    let (mut laptop, welcome) = Device::online(relay.address, &token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "kept");
    let at = laptop.push_all(personal(&welcome).space, note.id, &batches).await;
    let space = personal(&welcome).space.to_string();
    explain_and_verify(&data, &space, &note.id.to_string(), &at.to_string());
    relay.terminate();
    let goodbye = laptop.goodbye().await;
    assert_eq!(goodbye.code, GoodbyeCode::SHUTTING_DOWN);
    assert!(goodbye.retry_after_ms > 0);
    drop(laptop);
    assert_eq!(relay.exit_code(), Some(0));
    let rebuilt = succeed(&data, &["verify", "--rebuild"]);
    assert!(rebuilt.starts_with("rebuilt 1 documents") && rebuilt.ends_with("nothing is wrong"), "{rebuilt}");

    let relay = Process::serve(&data);
    let url = format!("/api/v1/spaces/{}/documents/{}?after={at}", personal(&welcome).space, note.id);
    let answer = crate::http::get(relay.address, &token, &url).await;
    assert_eq!(answer.json()["value"]["name"], "kept");
}

/// Beside a running relay.
fn explain_and_verify(data: &Path, space: &str, document: &str, at: &str) {
    let said = succeed(data, &["explain", space, document]);
    assert!(said.contains(document) && said.contains(at) && said.contains("(alice)"), "{said}");
    let json: serde_json::Value =
        serde_json::from_str(&succeed(data, &["explain", space, document, "--json"])).unwrap();
    assert_eq!((&json["deleted"], &json["held"]), (&false.into(), &serde_json::Value::Null));
    let nothing = sync_wire::DocumentId([1; 16]).to_string();
    assert_eq!(fail(data, &["explain", space, &nothing]).0, "document_unknown");
    assert!(succeed(data, &["verify", "--space", space]).ends_with("nothing is wrong"));
    assert_eq!(fail(data, &["verify", "--rebuild"]).0, "data_locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_work_while_the_relay_runs() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "alice"]);
    let token = succeed(data, &["token", "create", "--account", "alice"]);
    assert!(!token.contains(char::is_whitespace), "the token alone: {token:?}");
    let relay = Process::serve(data);
    let (mut laptop, _) = Device::online(relay.address, &token).await;

    let space = succeed(data, &["space", "create", "team"]);
    succeed(data, &["space", "grant", &space, "alice", "editor"]);
    let space: sync_wire::SpaceId = space.parse().unwrap();
    assert_eq!(laptop.regranted(space).await.map(|grant| grant.role), Some(Role::Editor));
    succeed(data, &["space", "grant", "team", "alice", "viewer"]);
    assert_eq!(laptop.regranted(space).await.map(|grant| grant.role), Some(Role::Viewer));
    succeed(data, &["space", "revoke", "team", "alice"]);
    assert_eq!(laptop.regranted(space).await, None);

    assert!(succeed(data, &["device", "list"]).contains(&laptop.id.to_string()));
    assert_eq!(succeed(data, &["doctor"]), "nothing is wrong");
    let copy = data.join("copy.sqlite");
    succeed(data, &["backup", copy.to_str().unwrap()]);
    assert!(copy.metadata().unwrap().len() > 0);
    assert_eq!(fail(data, &["backup", copy.to_str().unwrap()]).0, "backup_exists");

    succeed(data, &["device", "revoke", &laptop.id.to_string()]);
    assert_eq!(laptop.goodbye().await.code, GoodbyeCode::DEVICE_REVOKED);
    let unseen = sync_wire::DeviceId([7; 16]).to_string();
    assert_eq!(fail(data, &["device", "revoke", &unseen]).0, "device_unknown");
    succeed(data, &["device", "revoke", &unseen, "--account", "alice"]);
    assert!(succeed(data, &["device", "list"]).contains(&unseen));
    let (mut desktop, _) = Device::online(relay.address, &token).await;
    succeed(data, &["token", "revoke", &token]);
    assert_eq!(desktop.goodbye().await.code, GoodbyeCode::UNAUTHENTICATED);
    assert_eq!(fail(data, &["token", "revoke", &token]).0, "token_unknown");
}

#[test]
fn a_command_that_names_what_is_not_there_says_which_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "alice"]);
    let check = |arguments: &[&str], code: &str, word: &str| {
        let (found, detail) = fail(data, arguments);
        assert_eq!(found, code, "{detail}");
        assert!(detail.contains(word), "{detail:?} does not name {word:?}");
    };
    check(&["token", "create", "--account", "bob"], "account_unknown", "bob");
    check(&["space", "create", "team", "--owner", "bob"], "account_unknown", "bob");
    check(&["space", "grant", "nowhere", "alice", "editor"], "space_unknown", "nowhere");
    check(&["account", "create", "alice"], "account_name_taken", "alice");
    check(&["serve", "--listen", "nonsense"], "listen_failed", "nonsense");
    check(&["serve", "--storage", "mysql:x"], "storage_scheme_unsupported", "mysql");
    let wrong_role = command(data, &["space", "grant", "team", "alice", "king"]);
    assert_eq!(wrong_role.status.code(), Some(2));
    succeed(data, &["space", "create", "twins"]);
    succeed(data, &["space", "create", "twins"]);
    check(&["space", "grant", "twins", "alice", "editor"], "space_ambiguous", "twins");
}

#[test]
fn a_data_directory_that_cannot_be_one_is_a_coded_error() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let (code, detail) = fail(&missing, &["token", "create", "--account", "alice"]);
    assert_eq!(code, "data_missing");
    assert!(detail.contains("missing") && detail.contains("--data"), "{detail}");
    assert!(!missing.exists(), "a mistyped --data begins nothing");

    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(fail(&file, &["serve"]).0, "data_not_a_directory");
    assert_eq!(fail(&file.join("below"), &["serve"]).0, "data_not_a_directory");
    // Nobody may make directories there, not even the system's administrator.
    assert_eq!(fail(Path::new("/proc/relay"), &["serve"]).0, "data_unusable");
}

#[test]
fn two_relays_do_not_serve_one_directory() {
    let directory = tempfile::tempdir().unwrap();
    let _relay = Process::serve(directory.path());
    let (code, detail) = fail(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, "data_locked", "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_runs_out_of_files_answers_again_when_there_are_some() {
    let directory = tempfile::tempdir().unwrap();
    let relay = Process::serve_with_files(directory.path(), 40);
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(tokio::net::TcpStream::connect(relay.address).await.unwrap());
    }
    drop(held);
    assert_eq!(request(relay.address, "GET", "/healthz", &[]).await.status, 200);
}

#[test]
fn an_address_that_is_taken_is_a_coded_error() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let relay = Process::serve(one.path());
    let (code, detail) = fail(two.path(), &["serve", "--listen", &relay.address.to_string()]);
    assert_eq!(code, "listen_failed");
    assert!(detail.contains(&relay.address.to_string()), "{detail}");
}

#[test]
fn a_database_of_a_newer_build_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    succeed(directory.path(), &["account", "create", "alice"]);
    let database = directory.path().join("relay.sqlite");
    // `user_version` is at offset 60 of the file's header; the format's major version is in its upper half.
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[60..64].copy_from_slice(&0x0063_0000_u32.to_be_bytes());
    std::fs::write(&database, &bytes).unwrap();
    let (code, detail) = fail(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, "storage_too_new", "{detail}");
    assert_eq!(std::fs::read(&database).unwrap(), bytes);
}

#[test]
fn a_damaged_database_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    succeed(directory.path(), &["account", "create", "alice"]);
    let database = directory.path().join("relay.sqlite");
    std::fs::write(&database, "this is not a database, and long enough to be looked at".repeat(100)).unwrap();
    let (code, detail) = fail(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(matches!(code.as_str(), "storage_corrupt" | "storage_foreign"), "{code}: {detail}");
    assert!(detail.contains("relay.sqlite"), "{detail}");
}

#[test]
fn configuration_is_shown_and_mistakes_in_it_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(&file, "[api]\npage_max = 321\n").unwrap();
    assert!(succeed(directory.path(), &["config", "show"]).contains("page_max = 321"));
    std::fs::write(&file, "[api]\npage_maximum = 321\n").unwrap();
    let (code, detail) = fail(directory.path(), &["serve"]);
    assert_eq!(code, "config_invalid", "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_do_not_hold_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    succeed(data, &["account", "create", "alice"]);
    let token = succeed(data, &["token", "create", "--account", "alice"]);
    std::fs::write(data.join("config.toml"), "[log]\nfilter = \"trace\"\nformat = \"json\"\n").unwrap();
    let log = std::fs::File::create(data.join("log")).unwrap();
    let relay = Process::serve_logging_to(data, log.into());
    let (mut laptop, welcome) = Device::online(relay.address, &token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "a-very-private-name");
    laptop.push_all(personal(&welcome).space, note.id, &batches).await;
    request(relay.address, "GET", "/api/v1/documents", &[("authorization", &format!("Bearer {token}"))]).await;
    relay.terminate();
    laptop.goodbye().await;
    assert_eq!(relay.exit_code(), Some(0));
    let log = std::fs::read_to_string(data.join("log")).unwrap();
    assert!(log.lines().count() > 3 && log.lines().all(|line| line.starts_with('{')), "{log}");
    assert!(!log.contains(&token), "the log holds the token");
    assert!(!log.contains("a-very-private-name"), "the log holds content");
}
