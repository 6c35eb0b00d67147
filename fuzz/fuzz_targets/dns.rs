//! DNS messages. Where an independent parser reads the query, it reads the answer, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_network::fuzzing::{answer, matches};

fuzz_target!(|datagram: &[u8]| {
    let hosts = ["10.0.0.2", "fd00::2"].map(|address| ("db".to_owned(), address.parse().expect("an address")));
    let _ = matches(datagram, datagram);
    let Some(answer) = answer(datagram, &hosts) else { return };
    assert!(answer.len() <= 4096 && answer.len() >= 12);
    assert_eq!(answer[..2], datagram[..2], "another id");
    if simple_dns::Packet::parse(datagram).is_ok_and(|query| query.questions.len() == 1) {
        let parsed = simple_dns::Packet::parse(&answer).expect("an answer that others read");
        assert!(parsed.answers.len() <= 2);
    }
});
