//! Answers of the kernel: rtnetlink, nf_tables, sock_diag.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    let (count, bytes) = tare_network::fuzzing::messages(datagram);
    assert!(count <= datagram.len() / 16 && bytes <= datagram.len());
    assert!(tare_network::fuzzing::attributes(datagram) <= datagram.len());
    if let Some(found) = tare_sys::sockdiag::read_datagram(datagram) {
        assert!(found <= datagram.len() / 72);
    }
});
