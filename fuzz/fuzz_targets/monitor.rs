//! What clients and monitors say to each other: `control.sock` and `attach.sock`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tare_monitor::fuzzing::{attach, control, message};

fuzz_target!(|bytes: &[u8]| {
    let (lines, _) = control(bytes).expect("a pair of sockets");
    let (again, refused) = control(&lines).expect("a pair of sockets");
    assert!(again == lines && refused == 0, "requests that were read are written as others");
    if let Some(written) = message(bytes) {
        assert_eq!(message(&written).as_ref(), Some(&written));
    }
    let input = attach(bytes).expect("a pair of sockets");
    assert!(bytes.ends_with(&input), "the container gets what was not sent to it");
});
