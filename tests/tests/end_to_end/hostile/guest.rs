//! A program that speaks the wire as far as `Welcome`, and then does as it likes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Result, bail, ensure};
use sync_wire::limits::WIRE_VERSION;
use sync_wire::{
    Chain, Cursor, DeviceFrame, DeviceId, Grant, Hello, LogPosition, Position, RelayFrame, VersionRange, Welcome,
    decode_relay_frame, encode_device_frame,
};

use crate::socket::{binary, next_binary, upgrade};

/// Sixteen bytes that differ for each pair of numbers.
pub(super) fn id(kind: u8, number: u64) -> [u8; 16] {
    let mut id = [kind; 16];
    id[1..9].copy_from_slice(&number.to_be_bytes());
    id
}

/// What a device says first.
pub(super) fn hello(device: DeviceId, cursors: Vec<Cursor>) -> DeviceFrame {
    let versions = VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION };
    DeviceFrame::Hello(Hello { versions, device, agent: "guest".to_owned(), cursors, attempt: None })
}

/// The place of a device that wants the whole log of a space as entries.
pub(super) fn beginning(grant: &Grant) -> Cursor {
    let at = LogPosition { epoch: grant.end.epoch, position: Position::START };
    Cursor { space: grant.space, at, chain: Chain::START, bootstrap: None }
}

/// Connects and greets; nothing beyond `Welcome` is read.
pub(super) fn greet(
    relay: SocketAddr,
    token: &str,
    device: DeviceId,
    cursors: Vec<Cursor>,
) -> Result<(TcpStream, Welcome)> {
    let (head, mut socket) = upgrade(relay, token)?;
    ensure!(head.starts_with("HTTP/1.1 101"), "the upgrade was answered {head}");
    send(&mut socket, &hello(device, cursors))?;
    match receive(&mut socket)? {
        RelayFrame::Welcome(welcome) => Ok((socket, welcome)),
        other => bail!("the relay did not say Welcome but {other:?}"),
    }
}

pub(super) fn send(socket: &mut impl Write, frame: &DeviceFrame) -> Result<()> {
    Ok(socket.write_all(&binary(&encode_device_frame(frame)))?)
}

/// The next frame of a kind that is known here.
pub(super) fn receive(socket: &mut impl Read) -> Result<RelayFrame> {
    loop {
        let Some(bytes) = next_binary(socket)? else { bail!("the relay closed") };
        if let Some(frame) = decode_relay_frame(&bytes)? {
            return Ok(frame);
        }
    }
}
