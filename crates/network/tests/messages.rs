//! What comes from outside ends in an answer: DNS datagrams of containers and nameservers, netlink's of the kernel.

use std::net::IpAddr;

use proptest::prelude::*;
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, TYPE};
use tare_network::fuzzing::{answer, attributes, matches, messages};

fn hosts() -> Vec<(String, IpAddr)> {
    ["10.0.0.2", "fd00::2"].map(|address| ("db".to_owned(), address.parse().expect("an address"))).to_vec()
}

fn query(name: &str, kind: TYPE) -> Vec<u8> {
    let mut packet = Packet::new_query(7);
    let name = Name::new_unchecked(name);
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    packet.build_bytes_vec().expect("a query")
}

proptest! {
    #[test]
    fn an_independent_parser_reads_each_answer(name in "([a-zA-Z0-9_-]{1,20}\\.){0,4}[a-z]{1,10}|db|DB", six in any::<bool>()) {
        let query = query(&name, if six { TYPE::AAAA } else { TYPE::A });
        let bytes = answer(&query, &hosts()).expect("an answer");
        prop_assert!(matches(&bytes, &query));
        let packet = Packet::parse(&bytes).expect("a message");
        prop_assert_eq!(packet.answers.len(), usize::from(name.eq_ignore_ascii_case("db")));
        prop_assert_eq!(packet.id(), 7);
    }

    #[test]
    fn any_datagram_ends_in_an_answer_or_none(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..600), like in any::<bool>(),
    ) {
        if like && bytes.len() > 6 {
            bytes[2..6].copy_from_slice(&[1, 0, 0, 1]);
        }
        let _ = matches(&bytes, &query("db", TYPE::A));
        if let Some(answer) = answer(&bytes, &hosts()) {
            prop_assert!((12..=4096).contains(&answer.len()));
            prop_assert_eq!(&answer[..2], &bytes[..2]);
        }
    }

    #[test]
    fn any_netlink_datagram_is_read_to_its_end(words in proptest::collection::vec(0_u16..80, 0..300)) {
        // Small numbers make lengths and types that fit.
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let (count, length) = messages(&bytes);
        prop_assert!(count <= bytes.len() / 16 && length <= bytes.len());
        prop_assert!(attributes(&bytes) <= bytes.len());
    }
}
