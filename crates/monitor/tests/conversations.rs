//! What clients say on the monitor's sockets, by chance: requests are read back as they were written, nothing else is taken
//! for input.

use proptest::prelude::*;
use tare_monitor::fuzzing::{attach, control, message};
use tare_monitor::protocol::{Message, Request, line};
use tare_monitor::refusal::{Refusal, RefusalKind};

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        Just(Request::Subscribe),
        Just(Request::Pause),
        (any::<Option<i32>>(), any::<Option<i64>>())
            .prop_map(|(signal, grace_ms)| Request::Stop { signal, grace_ms }),
        any::<i32>().prop_map(|signal| Request::Kill { signal }),
        (any::<u16>(), any::<u16>()).prop_map(|(rows, cols)| Request::Resize { rows, cols }),
        ".{0,40}".prop_map(|name| Request::Rename { name }),
    ]
}

proptest! {
    #[test]
    fn requests_are_read_as_they_were_written(requests in proptest::collection::vec(request(), 0..20)) {
        let lines: Vec<u8> = requests.iter().flat_map(line).collect();
        prop_assert_eq!(control(&lines).expect("a pair of sockets"), (lines, 0));
    }

    #[test]
    fn refusals_are_read_as_they_were_written(error in ".{0,200}") {
        let written = line(&Message::Refused(Refusal { kind: RefusalKind::NotRunning, error }));
        prop_assert_eq!(message(&written), Some(written));
    }

    #[test]
    fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let _ = control(&bytes).expect("a pair of sockets");
        prop_assert!(bytes.ends_with(&attach(&bytes).expect("a pair of sockets")));
    }

    #[test]
    fn input_after_the_opening_line_is_the_containers(bytes in proptest::collection::vec(any::<u8>(), 0..50_000)) {
        let said = [b"{\"stdin\":\"send\",\"output\":\"none\"}\n", &bytes[..]].concat();
        prop_assert_eq!(attach(&said).expect("a pair of sockets"), bytes);
    }
}

#[test]
fn an_opening_without_end_is_cut_off() {
    let endless = vec![b'{'; 90_000];
    assert_eq!(attach(&endless).expect("a pair of sockets"), b"");
    assert_eq!(control(&[b'['; 90_000]).expect("a pair of sockets"), (Vec::new(), 0));
    let deep = [&[b'['; 90_000][..], b"\n"].concat();
    assert_eq!(control(&deep).expect("a pair of sockets"), (Vec::new(), 1));
}
