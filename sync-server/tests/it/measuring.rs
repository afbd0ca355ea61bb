//! What Prometheus reads. Numbers are of the process, in which other tests run too: they are only known to grow.

use crate::author::Author;
use crate::device::Device;
use crate::http::{get, request};
use crate::relay::{Relay, assert_current};

pub(crate) async fn numbers(relay: &Relay) -> String {
    let answer = request(relay.metrics.unwrap(), "GET", "/metrics", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.body
}

/// The value of a series; 0 if it is not there.
pub(crate) fn value(numbers: &str, series: &str) -> f64 {
    let line = numbers.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_relay_does_shows_in_its_numbers() {
    let relay = Relay::start_with(|config| config.server.metrics_listen = "127.0.0.1:0".into()).await;
    let alice = relay.account("alice").await;
    let before = numbers(&relay).await;
    let (mut laptop, _) = Device::online(relay.address, &alice.token).await;
    let (mut desktop, _) = Device::online(relay.address, &alice.token).await;
    let mut note = Author::new("note");
    let batches = note.put("/name", "counted");
    let at = laptop.push_all(alice.personal, note.id, &batches).await;
    while desktop.delivered(alice.personal).await.end() != at {}
    let url = format!("/api/v1/spaces/{}/documents/{}", alice.personal, note.id);
    assert_eq!(get(relay.address, &alice.token, &format!("{url}?after={at}")).await.status, 200);
    // Once more, now from memory.
    assert_eq!(get(relay.address, &alice.token, &url).await.status, 200);
    get(relay.address, &alice.token, "/elsewhere").await;
    request(relay.address, "BREW", "/api/v1/documents", &[]).await;

    let after = numbers(&relay).await;
    let route = "/api/v1/spaces/{space}/documents/{document}";
    for (series, least) in [
        ("sync_server_appended_batches_total".to_owned(), batches.len()),
        ("sync_server_appended_entries_total".to_owned(), batches.len()),
        ("sync_server_append_seconds_count".to_owned(), 1),
        ("sync_server_delivered_entries_total".to_owned(), batches.len()),
        ("sync_server_storage_commits_total".to_owned(), 1),
        (format!("sync_server_http_requests_total{{method=\"GET\",route=\"{route}\",status=\"200\"}}"), 2),
        ("sync_server_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}".to_owned(), 1),
        (format!("sync_server_http_request_seconds_count{{route=\"{route}\"}}"), 2),
    ] {
        let grown = value(&after, &series) - value(&before, &series);
        assert!(grown >= least as f64, "{series} grew by {grown}, not {least}: {after}");
    }
    assert!(value(&after, "sync_server_sessions") >= 2.0, "{after}");
    assert!(after.contains("method=\"other\"") && !after.contains("BREW"), "clients cannot make series");
    for secret in [&alice.token, &alice.personal.to_string(), &note.id.to_string()] {
        assert!(!after.contains(secret.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_on_their_own_listener_only() {
    let relay = Relay::start_with(|config| config.server.metrics_listen = "127.0.0.1:0".into()).await;
    let alice = relay.account("alice").await;
    assert_eq!(get(relay.address, &alice.token, "/metrics").await.code(), "route_not_found");
    assert_eq!(get(relay.metrics.unwrap(), &alice.token, "/api/v1/documents").await.code(), "route_not_found");
    let without = Relay::start().await;
    assert_eq!(without.metrics, None);
}

#[test]
fn every_number_is_documented() {
    assert_current("operations.md", &sync_server::metrics::reference());
}
