//! What the fuzz targets (`fuzz/`) reach of this crate; nothing else uses it.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use crate::attach::{Arrival, Attached};
use crate::client::{Client, Incoming};
use crate::protocol::{Message, Request, line};

/// More than both ends of a conversation take is cut off, so that no write waits.
const MOST: usize = 100 << 10;

/// A client that has said this, and the monitor's end of its connection.
fn said(bytes: &[u8]) -> std::io::Result<(UnixStream, UnixStream)> {
    let (mut client, ours) = UnixStream::pair()?;
    client.write_all(bytes.get(..MOST).unwrap_or(bytes))?;
    Ok((client, ours))
}

/// Reads a client's side of `control.sock`: the requests in it as lines again, and how many were none.
///
/// # Errors
/// Those of a pair of sockets.
pub fn control(bytes: &[u8]) -> std::io::Result<(Vec<u8>, usize)> {
    let (_client, ours) = said(bytes)?;
    let (mut lines, mut refused) = (Vec::new(), 0);
    if let Incoming::Requests(requests) = Client::new(ours)?.receive() {
        for request in requests {
            match request {
                Ok(request) => lines.extend(line::<Request>(&request)),
                Err(_) => refused += 1,
            }
        }
    }
    Ok((lines, refused))
}

/// Reads a monitor's line; what it is as a line again.
#[must_use]
pub fn message(bytes: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<Message>(bytes).ok().map(|message| line(&message))
}

/// Reads a client's side of `attach.sock`: the input that reaches the container.
///
/// # Errors
/// Those of a pair of sockets.
pub fn attach(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let (client, ours) = said(bytes)?;
    client.shutdown(Shutdown::Write)?;
    let mut attached = Attached::unannounced(ours)?;
    let mut input = Vec::new();
    // Each turn reads a chunk; there are no more turns than bytes, and the end.
    for _ in 0..=bytes.len() + 1 {
        if !attached.wants_read() {
            break;
        }
        match attached.receive() {
            Arrival::Bytes(more) => input.extend(more),
            Arrival::Nothing => {}
            Arrival::InputEnd | Arrival::Gone => break,
        }
    }
    Ok(input)
}
