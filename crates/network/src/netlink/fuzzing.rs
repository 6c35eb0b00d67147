//! The readers of the kernel's answers, for the fuzz targets.

use super::{Attributes, Messages, route};

/// Reads a datagram from the kernel: how many messages it holds, and the bytes of their bodies in all.
#[must_use]
pub fn messages(datagram: &[u8]) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    for message in Messages(datagram) {
        if message.outcome().is_none() {
            route::read_any(message.body);
        }
        (count, bytes) = (count + 1, bytes + message.body.len());
    }
    (count, bytes)
}

/// Reads attributes inside attributes, four deep: how many there are.
#[must_use]
pub fn attributes(bytes: &[u8]) -> usize {
    fn below(bytes: &[u8], depth: u8) -> usize {
        let deeper = |payload| if depth == 0 { 0 } else { below(payload, depth - 1) };
        Attributes(bytes).map(|(_, payload)| 1 + deeper(payload)).sum()
    }
    below(bytes, 3)
}
