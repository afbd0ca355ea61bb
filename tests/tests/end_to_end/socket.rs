//! A WebSocket by hand, so that a test can send what no client would, and sees what a client would hide.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longer than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(15);

/// The HTTP answer to a WebSocket upgrade, and the socket.
pub(crate) fn upgrade(relay: SocketAddr, token: &str) -> Result<(String, TcpStream)> {
    let mut socket = TcpStream::connect(relay)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    write!(
        socket,
        "GET /sync HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: symphony-vault.1\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).with_context(|| format!("after {:?}", String::from_utf8_lossy(&head)))?;
        head.push(byte[0]);
    }
    Ok((String::from_utf8_lossy(&head).into_owned(), socket))
}

/// A binary WebSocket frame as a client sends it, with a mask of zeros.
pub(crate) fn binary(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x82];
    match u16::try_from(payload.len()) {
        Ok(len @ 0..126) => frame.push(0x80 | len as u8),
        Ok(len) => {
            frame.push(0x80 | 126);
            frame.extend(len.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The next binary frame of the relay; nothing when it closes. What ends in the middle is an error.
pub(crate) fn next_binary(socket: &mut impl Read) -> Result<Option<Vec<u8>>> {
    loop {
        let mut head = [0; 2];
        socket.read_exact(&mut head)?;
        let len = match head[1] {
            126 => u64::from(u16::from_be_bytes(take(socket)?)),
            127 => u64::from_be_bytes(take(socket)?),
            len @ 0..126 => u64::from(len),
            masked => bail!("a relay does not mask its frames: {masked:#x}"),
        };
        let mut payload = vec![0; usize::try_from(len)?];
        socket.read_exact(&mut payload)?;
        match head[0] {
            0x82 => return Ok(Some(payload)),
            0x88 => return Ok(None),
            0x89 | 0x8a => {} // pings and pongs
            other => bail!("a frame begins with {other:#x}"),
        }
    }
}

fn take<const N: usize>(socket: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    socket.read_exact(&mut bytes)?;
    Ok(bytes)
}
