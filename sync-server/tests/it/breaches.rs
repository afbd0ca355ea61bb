//! What a device must not do: each ends its own connection with a reason, and nobody else's.

use std::time::Duration;

use futures_util::SinkExt as _;
use sync_wire::limits::FRAME_BYTES_MAX;
use sync_wire::{DeviceFrame, DocumentId, GoodbyeCode, Hello, VersionRange};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::author::Author;
use crate::device::Device;
use crate::http::request;
use crate::relay::{Account, Relay};

async fn relay() -> (Relay, Account) {
    let relay = Relay::start().await;
    let account = relay.account("alice").await;
    (relay, account)
}

/// Sends a message after the greeting and expects to be told why it ends.
async fn check_breach(message: Message, word: &str) {
    let (relay, account) = relay().await;
    let (mut device, _) = Device::online(relay.address, &account.token).await;
    let (mut bystander, _) = Device::online(relay.address, &account.token).await;
    device.socket.send(message).await.unwrap();
    let goodbye = device.goodbye().await;
    assert_eq!(goodbye.code, GoodbyeCode::PROTOCOL);
    assert!(goodbye.detail.contains(word), "{goodbye:?}");
    let mut note = crate::author::Author::new("note");
    let batches = note.put("/name", "unharmed");
    bystander.push_all(account.personal, note.id, &batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_the_connection() {
    check_breach(Message::Binary(b"garbage".to_vec().into()), "frame").await;
    check_breach(Message::Binary(Vec::new().into()), "frame").await;
    // An array that claims 2^32 items.
    check_breach(Message::Binary(vec![0x9a, 0xff, 0xff, 0xff, 0xff].into()), "frame").await;
    check_breach(Message::Binary(vec![0x81; 100_000].into()), "nested").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_frame_ends_the_connection() {
    check_breach(Message::Text("hello".into()), "text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_hello_ends_the_connection() {
    let hello = Hello {
        versions: VersionRange { oldest: 1, newest: 1 },
        device: sync_wire::DeviceId([1; 16]),
        agent: String::new(),
        cursors: Vec::new(),
        attempt: None,
    };
    let bytes = sync_wire::encode_device_frame(&DeviceFrame::Hello(hello));
    check_breach(Message::Binary(bytes.into()), "Hello").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_frame_ends_the_connection_without_being_read() {
    let (relay, account) = relay().await;
    let (mut device, _) = Device::online(relay.address, &account.token).await;
    // The relay may close before all is written; what counts is that it closes.
    let _ = device.socket.send(Message::Binary(vec![0; FRAME_BYTES_MAX + 1].into())).await;
    while let Some(frame) = device.next().await {
        let sync_wire::RelayFrame::Goodbye(goodbye) = frame else { continue };
        assert_eq!(goodbye.code, GoodbyeCode::PROTOCOL, "{goodbye:?}");
    }
    let (_, welcome) = Device::online(relay.address, &account.token).await;
    assert!(!welcome.grants.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_greet_in_time_is_shown_out() {
    let (relay, account) = relay().await;
    let mut device = Device::connect(relay.address, &account.token).await;
    let goodbye = device.goodbye().await;
    assert_eq!((goodbye.code, goodbye.detail.contains("Hello")), (GoodbyeCode::TOO_SLOW, true), "{goodbye:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_another_wire_version_is_told_to_update() {
    let (relay, account) = relay().await;
    let mut device = Device::connect(relay.address, &account.token).await;
    let versions = VersionRange { oldest: 7, newest: 9 };
    let hello = Hello { versions, device: device.id, agent: String::new(), cursors: Vec::new(), attempt: None };
    device.send(&DeviceFrame::Hello(hello)).await;
    assert_eq!(device.goodbye().await.code, GoodbyeCode::VERSION);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_dribbles_in_does_not_hold_a_connection() {
    let relay = Relay::start_with(|config| config.connections.header_seconds = 1).await;
    let mut slow = TcpStream::connect(relay.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: rel").await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut answer)).await;
    assert!(closed.is_ok(), "the relay waits for ever");
    assert_eq!(request(relay.address, "GET", "/healthz", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_are_turned_away_and_come_back_later() {
    let relay = Relay::start_with(|config| config.connections.total_max = 2).await;
    let held = [TcpStream::connect(relay.address).await.unwrap(), TcpStream::connect(relay.address).await.unwrap()];
    // Accepted in order, so the third finds both slots taken.
    let mut third = TcpStream::connect(relay.address).await.unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after"), "{answer:?}");
    drop(held);
    while !can_ask(&relay).await {
        tokio::task::yield_now().await;
    }
}

async fn can_ask(relay: &Relay) -> bool {
    let mut stream = TcpStream::connect(relay.address).await.unwrap();
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_a_device_have_a_bounded_number_of_sessions() {
    let relay = Relay::start_with(|config| {
        config.relay.sessions_per_account_max = 3;
        config.relay.sessions_per_device_max = 1;
    })
    .await;
    let alice = relay.account("alice").await;
    let (first, _) = Device::online(relay.address, &alice.token).await;
    let mut same = Device::connect(relay.address, &alice.token).await;
    same.id = first.id;
    same.send(&same.hello_frame(Vec::new())).await;
    assert_eq!(same.goodbye().await.code, GoodbyeCode::OVERLOADED);
    let mut held = vec![first];
    let refused = loop {
        match Device::try_connect(relay.address, &alice.token, sync_wire::limits::SUBPROTOCOL).await {
            Ok(device) => held.push(device),
            Err(error) => break error,
        }
        assert!(held.len() <= 3);
    };
    let tokio_tungstenite::tungstenite::Error::Http(answer) = refused else { panic!("{refused:?}") };
    assert_eq!(answer.status().as_u16(), 503);
}

/// Frames of a connection that its device has given up may arrive behind those of the next one. By then the device may
/// have written anew what it heard to be parked, and the account may have room for both.
#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_on_an_earlier_connection_of_a_device_is_not_taken() {
    let relay = Relay::start().await;
    let alice = relay.account("alice").await;
    let (mut author, space, document) = (Author::new("settings"), alice.personal, DocumentId([7; 16]));
    let mut edits = (0..4).map(|value| author.put("/base/count", value)).collect::<Vec<_>>().into_iter();
    let mut next = move || edits.next().expect("there are four");
    let connect = async |id, attempt| {
        let mut device = Device::connect(relay.address, &alice.token).await;
        (device.id, device.attempt) = (id, Some(attempt));
        device.send(&device.hello_frame(Vec::new())).await;
        device
    };
    let id = sync_wire::DeviceId([3; 16]);
    let (mut earlier, mut later) = (connect(id, 4).await, connect(id, 5).await);
    later.push_all(space, document, &next()).await;
    let late = next();
    earlier.push(space, document, &late[0]).await;
    let goodbye = earlier.goodbye().await;
    assert_eq!((goodbye.code, goodbye.attempt), (GoodbyeCode::SUPERSEDED, Some(5)));
    later.push_all(space, document, &late).await;

    // One that begins late is not even greeted; and a copy of the vault that comes as the newest goes on beside it.
    let goodbye = connect(id, 3).await.goodbye().await;
    assert_eq!((goodbye.code, goodbye.attempt), (GoodbyeCode::SUPERSEDED, Some(5)));
    let mut copy = connect(id, 5).await;
    copy.push_all(space, document, &next()).await;
    later.push_all(space, document, &next()).await;
}
