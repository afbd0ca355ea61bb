//! Who gets in: every route of the table, with and without credentials.

use sync_server::router::{Access, ROUTES};

use crate::http::request;
use crate::relay::Relay;

/// The path with something in the place of its parameters.
fn filled(pattern: &str) -> String {
    let id = "3zsZUS4FQAze6f1obzvkpthRzPJb";
    let path = pattern.replace("{space}", id).replace("{document}", id);
    let path = path.replace("{name}", "ext.acme.task").replace("{version}", "1").replace("{hash}", &"ab".repeat(32));
    path.replace("{session}", "0123456789abcdef")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_that_is_not_public_refuses_whoever_has_no_token() {
    let relay = Relay::start().await;
    let account = relay.account("alice").await;
    let half = &account.token[..account.token.len() - 1];
    let wrong = [
        vec![],
        vec![("authorization", "Bearer svt_nonsense".to_owned())],
        vec![("authorization", format!("Bearer {half}"))],
        vec![("authorization", format!("Basic {}", account.token))],
        vec![("authorization", account.token.clone())],
        vec![("cookie", format!("token={}", account.token))],
        vec![("cookie", format!("vault-session={}", account.token)), ("sec-fetch-site", "same-origin".to_owned())],
    ];
    for route in ROUTES.iter().filter(|route| route.access == Access::Bearer) {
        for headers in &wrong {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = request(relay.address, route.method.as_str(), &filled(route.path), &headers).await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{} {headers:?}", route.path);
            assert_eq!(answer.headers.get("www-authenticate").map(String::as_str), Some("Bearer"));
        }
        let token_in_url = format!("{}?token={}", filled(route.path), account.token);
        let answer = request(relay.address, route.method.as_str(), &token_in_url, &[]).await;
        assert_eq!(answer.status, 401, "{}", route.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_routes_say_nothing_but_that_they_work() {
    let relay = Relay::start().await;
    let description = "/api/v1/openapi.json"; // says nothing of this relay, as its test shows
    for route in ROUTES.iter().filter(|route| route.access == Access::Public && route.path != description) {
        let answer = request(relay.address, "GET", route.path, &[]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "{\"status\":\"ok\"}"), "{}", route.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_table_is_a_coded_problem() {
    let relay = Relay::start().await;
    for (method, path, code) in [
        ("POST", "/", "route_not_found"),
        ("GET", "/nothing.js", "route_not_found"),
        ("GET", "/metrics", "route_not_found"),
        ("GET", "/api/v1/nothing", "route_not_found"),
        ("GET", "/api/v1/documents/", "route_not_found"),
        ("GET", "/api/v1/public/%ff/%00", "route_not_found"),
        ("GET", "/api/v1/public/%zz/%00", "document_not_found"),
        ("POST", "/api/v1/documents", "method_not_allowed"),
        ("DELETE", "/healthz", "method_not_allowed"),
    ] {
        assert_eq!(request(relay.address, method, path, &[]).await.code(), code, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_a_path_that_is_not_utf8_is_a_coded_problem_on_every_route() {
    let relay = Relay::start().await;
    let account = relay.account("alice").await;
    let bearer = format!("Bearer {}", account.token);
    let headers = [("authorization", bearer.as_str())];
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| route.path.contains('{')) {
        let path = ["{space}", "{document}", "{name}", "{version}", "{handle}", "{session}", "{hash}"]
            .iter()
            .fold(route.path.to_owned(), |path, name| path.replace(name, "%ff"));
        let answer = request(relay.address, route.method.as_str(), &path, &headers).await;
        assert_eq!(answer.code(), "route_not_found", "{} {}", route.method, route.path);
        asked += 1;
    }
    assert!(asked > 10, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_takes_websockets_of_our_subprotocol_only() {
    let relay = Relay::start().await;
    let account = relay.account("alice").await;
    assert_eq!(crate::http::get(relay.address, &account.token, "/sync").await.code(), "upgrade_required");
    let other = crate::device::Device::try_connect(relay.address, &account.token, "symphony-vault.2").await;
    let Err(tokio_tungstenite::tungstenite::Error::Http(answer)) = other else {
        panic!("expected a refusal: {other:?}")
    };
    assert_eq!(answer.status().as_u16(), 426);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_cannot_write_is_not_ready() {
    let relay = Relay::start_with(|config| config.api.free_bytes_min = u64::MAX).await;
    assert_eq!(request(relay.address, "GET", "/readyz", &[]).await.code(), "unavailable");
    assert_eq!(request(relay.address, "GET", "/healthz", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_body_over_the_limit_is_refused_before_it_is_read() {
    let relay = Relay::start_with(|config| config.api.body_bytes_max = 1000).await;
    let account = relay.account("alice").await;
    let bearer = format!("Bearer {}", account.token);
    let headers = [("authorization", bearer.as_str()), ("content-length", "1001")];
    assert_eq!(request(relay.address, "GET", "/api/v1/documents", &headers).await.code(), "body_too_large");
}
