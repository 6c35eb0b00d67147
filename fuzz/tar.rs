//! Tar streams out of any bytes: chance never finds a checksum, so each header gets the right one.

use std::path::Path;

const BLOCK: usize = 512;

/// The bytes with a valid checksum in each block that a reader would take for a header.
pub fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut stream = bytes.to_vec();
    let mut at = 0;
    while let Some(header) = stream.get_mut(at..at + BLOCK) {
        if header.iter().any(|byte| *byte != 0) {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let digits = header[124..135].iter().take_while(|byte| (b'0'..b'8').contains(*byte));
        let size = digits.fold(0, |size: usize, digit| size.saturating_mul(8) + usize::from(digit - b'0'));
        at = at.saturating_add(BLOCK).saturating_add(size.next_multiple_of(BLOCK));
    }
    stream
}

/// Where scratch folders go: into memory where that can be had.
pub fn scratch() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new("/tmp") }
}
