//! Network namespaces for tests: a «host» of its own for each, so that nothing touches the machine's network.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use tare_sys::clone::CloneFlags;

fn enter_new() {
    // Only this thread; its children inherit it.
    tare_sys::ns::unshare(CloneFlags::NEWNET).expect("tests run as root");
}

pub(crate) fn current() -> OwnedFd {
    std::fs::File::open("/proc/thread-self/ns/net").expect("the namespace opens").into()
}

/// Runs a test in a new namespace with `lo` up; threads that it starts are in it too.
pub(crate) fn as_host<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let host = scope.spawn(|| {
            enter_new();
            super::setup_loopback(current().as_fd()).expect("lo comes up");
            test()
        });
        host.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// An empty namespace that lives as long as the descriptor.
pub(crate) fn new_container() -> OwnedFd {
    thread::spawn(|| {
        enter_new();
        current()
    })
    .join()
    .expect("the namespace is made")
}
