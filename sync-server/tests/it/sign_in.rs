//! Browsers: signed in by a link, let do what the account may, shown out.

use std::process::Stdio;

use relay_storage::{AccountRole, WEB_SESSIONS_MAX};
use serde_json::json;

use crate::http::{Answer, Hints, get, request, send};
use crate::relay::{Account, Process, Relay, fail, succeed};

const SESSION: &str = "/api/v1/session";
const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");

/// A browser that is signed in.
struct Browser<'r> {
    relay: &'r Relay,
    cookie: String,
    id: String,
}

async fn sign_in_with(relay: &Relay, code: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = [&[("content-type", "application/json")], headers].concat();
    send(relay.address, "POST", SESSION, &headers, json!({ "code": code }).to_string()).await
}

/// What a browser sends back of an answer.
fn cookie_of(answer: &Answer) -> String {
    answer.headers["set-cookie"].split(';').next().unwrap().to_owned()
}

impl<'r> Browser<'r> {
    async fn of(relay: &'r Relay, account: &Account) -> Self {
        let code = relay.storage().create_sign_in_link(account.id).await.unwrap();
        let answer = sign_in_with(relay, &code, &[OWN, ("user-agent", "a browser")]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.json()["session"]["id"].as_str().unwrap().to_owned();
        Self { relay, cookie: cookie_of(&answer), id }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.relay.address, method, path, &[&[("cookie", self.cookie.as_str())], headers].concat()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[OWN]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_a_browser_in_once_and_it_may_what_its_account_may() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let code = relay.storage().create_sign_in_link(alice.id).await.unwrap();
    let answer = sign_in_with(&relay, &code, &[OWN]).await;
    assert_eq!((answer.status, answer.headers["cache-control"].as_str()), (200, "no-store"));
    let said = answer.json();
    assert_eq!(said["account"], json!({"id": alice.id.to_string(), "name": "alice", "role": "user"}));
    let set = &answer.headers["set-cookie"];
    assert!(set.starts_with("vault-session=svs_") && set.ends_with("; HttpOnly; SameSite=Lax"), "{set}");
    assert!(!answer.body.contains("svs_"), "no script reads it");

    let again = sign_in_with(&relay, &code, &[OWN]).await;
    assert_eq!((again.status, again.code().as_str()), (401, "link_invalid"));
    assert!(again.body.contains("sync-server account link"), "{}", again.body);
    assert!(!again.headers.contains_key("set-cookie"));

    let cookie = cookie_of(&answer);
    let asked = [("cookie", cookie.as_str()), OWN];
    let session = request(relay.address, "GET", SESSION, &asked).await;
    assert_eq!(session.json(), said);
    assert_eq!(session.headers["cache-control"], "private, no-cache");
    assert!(!session.headers["vary"].to_lowercase().contains("cookie"));
    for (space, status) in [(alice.personal, 200), (bob.personal, 404)] {
        let path = format!("/api/v1/documents?space={space}");
        assert_eq!(request(relay.address, "GET", &path, &asked).await.status, status);
    }
    // A token counts before a cookie, also one that is not good.
    let path = format!("/api/v1/documents?space={}", bob.personal);
    let bearer = format!("Bearer {}", bob.token);
    let both = [("cookie", cookie.as_str()), ("authorization", bearer.as_str())];
    assert_eq!(request(relay.address, "GET", &path, &both).await.status, 200);
    let both = [("cookie", cookie.as_str()), ("authorization", "Bearer svt_nonsense")];
    assert_eq!(request(relay.address, "GET", SESSION, &both).await.code(), "unauthenticated");
    // The secret of a session is no token, also while it is remembered.
    let secret = cookie.split_once('=').unwrap().1;
    assert_eq!(get(relay.address, secret, SESSION).await.code(), "unauthenticated");
    assert_eq!(get(relay.address, &bob.token, SESSION).await.json()["session"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_link_signs_nobody_in() {
    let relay = Relay::start().await;
    relay.account("alice").await;
    for code in ["", "svl_nonsense", "svs_11111111111111111111111111111111", &"x".repeat(10_000)] {
        assert_eq!(sign_in_with(&relay, code, &[]).await.code(), "link_invalid");
    }
    let json = [("content-type", "application/json")];
    for (headers, body, code) in [
        (&json[..], "{}", "body_invalid"),
        (&json[..], "", "body_invalid"),
        (&json[..], "{\"code\": \"a\", \"more\": 1}", "body_invalid"),
        (&[("content-type", "text/plain")][..], "{\"code\": \"a\"}", "media_type_unsupported"),
        (&[][..], "{\"code\": \"a\"}", "media_type_unsupported"),
    ] {
        assert_eq!(send(relay.address, "POST", SESSION, headers, body).await.code(), code, "{body}");
    }
    let long = "x".repeat(300_000);
    assert_eq!(send(relay.address, "POST", SESSION, &json, &long).await.code(), "body_too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_acts_in_the_name_of_who_is_signed_in() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let browser = Browser::of(&relay, &alice).await;
    let documents = "/api/v1/documents";
    let create = format!("/api/v1/spaces/{}/documents", alice.personal);
    for site in ["cross-site", "same-site", "nonsense"] {
        for path in [documents, "/api/v1/events", "/sync", SESSION] {
            let answer = browser.ask("GET", path, &[("sec-fetch-site", site)]).await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "cross_site"), "{site} {path}");
        }
        let answer = browser.ask("POST", &create, &[("sec-fetch-site", site), ("content-length", "0")]).await;
        assert_eq!(answer.code(), "cross_site");
        let link = relay.storage().create_sign_in_link(alice.id).await.unwrap();
        assert_eq!(sign_in_with(&relay, &link, &[("sec-fetch-site", site)]).await.code(), "cross_site");
        assert_eq!(sign_in_with(&relay, &link, &[("origin", "http://evil")]).await.code(), "cross_site");
        assert_eq!(sign_in_with(&relay, &link, &[]).await.status, 200, "it was not used up");
    }
    // A person who types an address reads; nothing is changed by that.
    assert_eq!(browser.ask("GET", documents, &[("sec-fetch-site", "none")]).await.status, 200);
    let delete = |headers: Vec<(&'static str, &'static str)>| {
        let (browser, path) = (&browser, format!("/api/v1/sessions/{}", "0".repeat(16)));
        async move { browser.ask("DELETE", &path, &headers).await.code() }
    };
    assert_eq!(delete(vec![("sec-fetch-site", "none")]).await, "cross_site");
    assert_eq!(delete(vec![]).await, "cross_site", "nobody knows who asks");
    assert_eq!(delete(vec![("origin", "http://other")]).await, "cross_site");
    assert_eq!(delete(vec![("origin", "http://relay")]).await, "session_not_found");
    assert_eq!(delete(vec![OWN]).await, "session_not_found");
    // A socket says its origin, and has no document's.
    assert_eq!(browser.ask("GET", "/sync", &[("origin", "http://other")]).await.code(), "cross_site");
    assert_eq!(browser.ask("GET", "/sync", &[("origin", "http://relay")]).await.code(), "upgrade_required");
    // Who sends a token is no browser.
    let bearer = format!("Bearer {}", alice.token);
    let headers = [("authorization", bearer.as_str()), ("sec-fetch-site", "cross-site")];
    assert_eq!(request(relay.address, "GET", documents, &headers).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_is_out_at_once_with_what_he_has_open() {
    let relay = Relay::start_with(|config| config.relay.access_poll_milliseconds = 3_600_000).await;
    let alice = relay.account("alice").await;
    let (mine, other) = (Browser::of(&relay, &alice).await, Browser::of(&relay, &alice).await);
    let headers = [("cookie", mine.cookie.as_str()), OWN];
    let mut hints = Hints::open(relay.address, "/api/v1/events", &headers).await.unwrap();
    assert!(hints.next().await.is_some());
    assert_eq!(mine.get("/api/v1/documents").await.status, 200);

    let answer = mine.ask("DELETE", SESSION, &[OWN]).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert!(answer.headers["set-cookie"].starts_with("vault-session=; Path=/; Max-Age=0"), "{answer:?}");
    assert_eq!(mine.get("/api/v1/documents").await.code(), "unauthenticated");
    assert!(mine.get(SESSION).await.body.contains("sync-server account link"));
    assert_eq!(hints.next().await, None);
    assert_eq!(other.get("/api/v1/documents").await.status, 200);
    let by_token = [("authorization", &*format!("Bearer {}", alice.token))];
    assert_eq!(request(relay.address, "DELETE", SESSION, &by_token).await.code(), "session_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_each_can_be_shown_out() {
    let relay = Relay::start().await;
    let (alice, bob) = (relay.account("alice").await, relay.account("bob").await);
    let (mine, lost) = (Browser::of(&relay, &alice).await, Browser::of(&relay, &alice).await);
    let eve = Browser::of(&relay, &bob).await;
    let sessions = mine.get("/api/v1/sessions").await.json()["sessions"].as_array().unwrap().clone();
    let shown: Vec<_> = sessions.iter().map(|one| (one["id"].as_str().unwrap(), one["is_current"] == true)).collect();
    assert_eq!(shown.len(), 2);
    assert!(shown.contains(&(mine.id.as_str(), true)) && shown.contains(&(lost.id.as_str(), false)), "{shown:?}");
    assert!(sessions.iter().all(|session| session["agent"] == "a browser"));

    let of_lost = format!("/api/v1/sessions/{}", lost.id);
    assert_eq!(eve.ask("DELETE", &of_lost, &[OWN]).await.code(), "session_not_found");
    assert_eq!(lost.get(SESSION).await.status, 200);
    assert_eq!(mine.ask("DELETE", &of_lost, &[OWN]).await.status, 204);
    assert_eq!(lost.get(SESSION).await.code(), "unauthenticated");
    assert_eq!(mine.ask("DELETE", &of_lost, &[OWN]).await.code(), "session_not_found");
    assert_eq!(mine.ask("DELETE", "/api/v1/sessions/none", &[OWN]).await.code(), "session_not_found");
    for _ in 0..WEB_SESSIONS_MAX {
        Browser::of(&relay, &alice).await;
    }
    assert_eq!(mine.get(SESSION).await.code(), "unauthenticated", "one more than there may be");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_https_the_cookie_is_of_this_host_and_of_tls_alone() {
    let relay = Relay::start_with(|config| config.server.public_url = "https://vault.example".into()).await;
    let alice = relay.account("alice").await;
    let browser = Browser::of(&relay, &alice).await;
    assert!(browser.cookie.starts_with("__Host-vault-session=svs_"), "{}", browser.cookie);
    let own = [("origin", "https://vault.example"), ("content-length", "0")];
    let answer = browser.ask("DELETE", SESSION, &own).await;
    assert_eq!(answer.status, 204);
    assert!(answer.headers["set-cookie"].ends_with("; Secure"), "{answer:?}");
    // Also where only the proxy knows.
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let code = relay.storage().create_sign_in_link(alice.id).await.unwrap();
    let answer = sign_in_with(&relay, &code, &[("x-forwarded-proto", "https"), OWN]).await;
    assert!(answer.headers["set-cookie"].starts_with("__Host-"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_given_and_taken_by_another_process_and_shows_at_once() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let browser = Browser::of(&relay, &alice).await;
    for role in [AccountRole::Operator, AccountRole::User] {
        relay.storage().set_account_role(alice.id, role).await.unwrap();
        assert_eq!(browser.get(SESSION).await.json()["account"]["role"], role.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_print_links_that_work_and_no_log_has_code_or_cookie() {
    let directory = tempfile::tempdir().unwrap();
    let (data, log) = (directory.path().join("data"), directory.path().join("log"));
    let id = succeed(&data, &["account", "create", "alice"]);
    assert!(id.parse::<sync_wire::AccountId>().is_ok(), "the id alone: {id:?}");
    let made = crate::relay::command(&data, &["account", "create", "bob"]);
    let remark = String::from_utf8(made.stderr).unwrap();
    assert!(remark.lines().last().unwrap().starts_with("http://127.0.0.1:8470/sign-in#svl_"), "{remark}");
    std::fs::write(data.join("config.toml"), "[log]\nfilter = \"trace\"\n").unwrap();
    let relay = Process::serve_logging_to(&data, Stdio::from(std::fs::File::create(&log).unwrap()));

    succeed(&data, &["account", "role", "alice", "operator"]);
    let list = succeed(&data, &["account", "list"]);
    let roles: Vec<_> = list.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    assert_eq!(roles, ["operator", "user"]);
    assert_eq!(fail(&data, &["account", "link", "eve"]).0, "account_unknown");
    assert_eq!(fail(&data, &["account", "role", "eve", "user"]).0, "account_unknown");
    assert_eq!(crate::relay::command(&data, &["account", "role", "alice", "king"]).status.code(), Some(2));

    let link = succeed(&data, &["account", "link", "alice"]);
    let code = link.strip_prefix(&format!("http://{}/sign-in#", relay.address)).expect("where it listens");
    let body = json!({ "code": code }).to_string();
    let answer = send(relay.address, "POST", SESSION, &[("content-type", "application/json")], body).await;
    assert_eq!(answer.json()["account"]["role"], "operator", "{answer:?}");
    let cookie = cookie_of(&answer);
    let asked = [("cookie", cookie.as_str()), OWN];
    assert_eq!(request(relay.address, "GET", "/api/v1/documents", &asked).await.status, 200);
    let token = succeed(&data, &["token", "create", "--account", "alice"]);
    assert_eq!(get(relay.address, &token, "/api/v1/documents").await.status, 200);
    relay.terminate();
    assert_eq!(relay.exit_code(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("signed in") && log.contains("TRACE"), "it says everything: {} bytes", log.len());
    for secret in [code, cookie.split_once('=').unwrap().1, &token] {
        assert!(!log.contains(secret), "the log has {}…", &secret[..4]);
    }
    std::fs::write(data.join("config.toml"), "[server]\npublic_url = \"https://vault.example/\"\n").unwrap();
    let link = succeed(&data, &["account", "link", "alice"]);
    assert!(link.starts_with("https://vault.example/sign-in#svl_"), "{link}");
}
