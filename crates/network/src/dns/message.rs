//! DNS messages, as far as a server that answers addresses and names needs them: RFC 1035, RFC 3596.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HEADER: usize = 12;
const RESPONSE: u8 = 0x80;
const OPCODE: u8 = 0x78;
const RECURSION_DESIRED: u8 = 0x01;
const RECURSION_AVAILABLE: u8 = 0x80;
const TRUNCATED: u8 = 0x02;
/// A compression pointer to the question's name, which follows the header.
const QUESTION_NAME: [u8; 2] = [0xc0, 0x0c];

pub(super) const TYPE_A: u16 = 1;
pub(super) const TYPE_PTR: u16 = 12;
pub(super) const TYPE_AAAA: u16 = 28;
const TYPE_OPT: u16 = 41;
pub(super) const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;

/// Seconds for which resolvers may remember an answer. Short, because a recreated container has another address and
/// some runtimes (the JVM, nginx) do cache.
const TTL: u32 = 5;

/// What an answer without records says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Success = 0,
    FormatError = 1,
    ServerFailure = 2,
    NoSuchName = 3,
    NotImplemented = 4,
}

/// A question, with what an answer has to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id: u16,
    /// Lower case, without the final dot; empty for the root.
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) class_is_internet: bool,
    recursion_desired: bool,
    /// The question section as received.
    question: Vec<u8>,
    /// The largest answer over UDP: 512, or what the client's OPT record offers.
    pub(super) udp_limit: usize,
}

/// The id of a message, to match or refuse it before anything else is known of it.
pub(super) fn id(message: &[u8]) -> Option<u16> {
    message.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// Whether the message is a response to a question equal to that of `query` (but for its id).
pub(super) fn answers(message: &[u8], query: &[u8]) -> bool {
    let is_response = message.get(2).is_some_and(|byte| byte & RESPONSE != 0);
    let end = question_end(query).unwrap_or(HEADER);
    // Servers that refuse may leave the question out.
    let has_no_question = message.get(4..6) == Some(&[0, 0]);
    is_response
        && (has_no_question
            || message.get(HEADER..end).is_some_and(|question| {
                query.get(HEADER..end).is_some_and(|asked| asked.eq_ignore_ascii_case(question))
            }))
}

fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => return (message.len() >= at + 4).then_some(at + 4),
            1..64 => at += length,
            _ => return None,
        }
    }
}

impl Query {
    /// Reads a query with one question. On failure, the answer to give, if the message deserves one.
    pub(super) fn parse(message: &[u8]) -> Result<Self, Option<Vec<u8>>> {
        let header = message.first_chunk::<HEADER>().ok_or(None)?;
        if header[2] & RESPONSE != 0 {
            return Err(None);
        }
        let refuse = |code| Some(bare_response(header, code));
        if header[2] & OPCODE != 0 {
            return Err(refuse(Code::NotImplemented));
        }
        let end = question_end(message)
            .filter(|_| header[4..6] == [0, 1])
            .ok_or_else(|| refuse(Code::FormatError))?;
        let question = &message[HEADER..end];
        let (name, fixed) = question.split_at(question.len() - 4);
        let name = read_name(name).ok_or_else(|| refuse(Code::FormatError))?;
        Ok(Self {
            id: u16::from_be_bytes([header[0], header[1]]),
            name,
            kind: u16::from_be_bytes([fixed[0], fixed[1]]),
            class_is_internet: u16::from_be_bytes([fixed[2], fixed[3]]) == CLASS_IN,
            recursion_desired: header[2] & RECURSION_DESIRED != 0,
            question: question.to_vec(),
            udp_limit: udp_limit(&message[end..]),
        })
    }

    /// An answer that holds nothing but its code.
    pub(super) fn respond(&self, code: Code) -> Vec<u8> {
        self.start(code, 0)
    }

    /// Whether the address is of the asked family.
    pub(super) fn asks_for(&self, address: &IpAddr) -> bool {
        match self.kind {
            TYPE_A => address.is_ipv4(),
            TYPE_AAAA => address.is_ipv6(),
            kind => kind == TYPE_ANY,
        }
    }

    /// The addresses of the asked family among `addresses`; the name exists, so an empty answer is a success.
    pub(super) fn respond_addresses(&self, addresses: &[IpAddr]) -> Vec<u8> {
        let wanted: Vec<IpAddr> =
            addresses.iter().copied().filter(|address| self.asks_for(address)).collect();
        let mut message = self.start(Code::Success, wanted.len());
        for address in wanted {
            match address {
                IpAddr::V4(address) => push_record(&mut message, TYPE_A, &address.octets()),
                IpAddr::V6(address) => push_record(&mut message, TYPE_AAAA, &address.octets()),
            }
        }
        message
    }

    /// The names of an address.
    pub(super) fn respond_names(&self, names: &[String]) -> Vec<u8> {
        let encoded: Vec<Vec<u8>> = names.iter().filter_map(|name| write_name(name)).collect();
        let mut message = self.start(Code::Success, encoded.len());
        for name in encoded {
            push_record(&mut message, TYPE_PTR, &name);
        }
        message
    }

    /// The answer as it may go over UDP: one too large is cut to its question, with the bit that says «ask by TCP».
    pub(super) fn fit_udp(&self, answer: Vec<u8>) -> Vec<u8> {
        if answer.len() <= self.udp_limit {
            return answer;
        }
        let mut cut = self.start(Code::Success, 0);
        cut[2] |= TRUNCATED;
        cut
    }

    fn start(&self, code: Code, answers: usize) -> Vec<u8> {
        let [high, low] = self.id.to_be_bytes();
        let recursion = if self.recursion_desired { RECURSION_DESIRED } else { 0 };
        let [count_high, count_low] = u16::try_from(answers).unwrap_or(u16::MAX).to_be_bytes();
        let mut message = vec![
            high,
            low,
            RESPONSE | recursion,
            RECURSION_AVAILABLE | code as u8,
            0,
            1,
            count_high,
            count_low,
            0,
            0,
            0,
            0,
        ];
        message.extend_from_slice(&self.question);
        message
    }

    /// The address that a reverse lookup asks about.
    pub(super) fn reverse_address(&self) -> Option<IpAddr> {
        if let Some(name) = self.name.strip_suffix(".in-addr.arpa") {
            let mut octets = [0; 4];
            let mut labels = name.split('.');
            for octet in octets.iter_mut().rev() {
                *octet = labels.next()?.parse().ok()?;
            }
            return labels.next().is_none().then(|| Ipv4Addr::from(octets).into());
        }
        let name = self.name.strip_suffix(".ip6.arpa")?;
        let mut bits = 0_u128;
        let mut count = 0;
        for label in name.split('.').rev() {
            let digit = (label.len() == 1).then(|| u128::from_str_radix(label, 16).ok()).flatten()?;
            bits = (bits << 4) | digit;
            count += 1;
        }
        (count == 32).then(|| Ipv6Addr::from_bits(bits).into())
    }
}

fn bare_response(header: &[u8; HEADER], code: Code) -> Vec<u8> {
    vec![
        header[0],
        header[1],
        RESPONSE | (header[2] & (OPCODE | RECURSION_DESIRED)),
        code as u8,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
}

fn push_record(message: &mut Vec<u8>, kind: u16, data: &[u8]) {
    message.extend_from_slice(&QUESTION_NAME);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    message.extend_from_slice(&TTL.to_be_bytes());
    message.extend_from_slice(&u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    message.extend_from_slice(data);
}

/// An uncompressed name; questions hold no other.
fn read_name(mut bytes: &[u8]) -> Option<String> {
    let mut name = String::new();
    while let Some((length, rest)) = bytes.split_first() {
        if *length == 0 {
            return (name.len() <= 253).then_some(name);
        }
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&std::str::from_utf8(label).ok()?.to_ascii_lowercase());
        bytes = rest;
    }
    None
}

fn write_name(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    Some(bytes)
}

/// What the OPT record offers, when it stands first after the question, where every resolver puts it.
fn udp_limit(rest: &[u8]) -> usize {
    match rest.first_chunk::<5>() {
        Some([0, high, low, size_high, size_low]) if u16::from_be_bytes([*high, *low]) == TYPE_OPT => {
            usize::from(u16::from_be_bytes([*size_high, *size_low])).clamp(512, 4096)
        }
        _ => 512,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(write_name(name).expect("a name"));
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&[0, 1]);
        message
    }

    #[test]
    fn queries_are_read_and_answered() {
        let bytes = question("Db.MyNet", TYPE_A);
        let query = Query::parse(&bytes).expect("a query");
        assert_eq!((query.id, query.name.as_str(), query.kind), (0x1234, "db.mynet", TYPE_A));
        let answer =
            query.respond_addresses(&["10.0.0.2".parse().expect("ip"), "fd00::2".parse().expect("ip")]);
        assert!(answers(&answer, &bytes));
        assert!(!answers(&bytes, &bytes), "a query answers nothing");
        assert!(!answers(&answer, &question("other", TYPE_A)));
        let parsed = simple_dns::Packet::parse(&answer).expect("a message that an independent parser reads");
        assert_eq!(parsed.answers.len(), 1);
        assert_eq!(parsed.answers[0].name.to_string(), "Db.MyNet");
    }

    #[test]
    fn damaged_queries_are_refused_not_answered_wrongly() {
        assert_eq!(Query::parse(&[1, 2, 3]), Err(None));
        let mut long = question("db", TYPE_A);
        long.truncate(15);
        let refusal = Query::parse(&long).expect_err("cut short").expect("answered");
        assert_eq!(refusal[3] & 0xf, Code::FormatError as u8);
        let mut pointer = question("db", TYPE_A);
        pointer[12] = 0xc0;
        assert!(Query::parse(&pointer).is_err());
    }

    #[test]
    fn reverse_names_become_addresses() {
        let parse = |name: &str| Query::parse(&question(name, TYPE_PTR)).expect("a query").reverse_address();
        assert_eq!(parse("2.0.17.172.in-addr.arpa"), "172.17.0.2".parse().ok());
        assert_eq!(parse("0.17.172.in-addr.arpa"), None);
        let nibbles = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
        assert_eq!(parse(nibbles), "fd00::2".parse().ok());
    }

    #[test]
    fn large_answers_are_cut_for_udp() {
        let query = Query::parse(&question("web", TYPE_A)).expect("a query");
        let many: Vec<IpAddr> = (0..100).map(|last| Ipv4Addr::new(10, 0, 0, last).into()).collect();
        let answer = query.respond_addresses(&many);
        assert!(answer.len() > 512);
        let cut = query.fit_udp(answer);
        assert!(cut.len() <= 512 && cut[2] & TRUNCATED != 0);
    }
}
