//! `docker load`: an archive into a store. What was loaded is there, and can be saved.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use tare_image::{Silent, Store};
use tempfile::TempDir;

#[path = "../tar.rs"]
mod tar;

/// A store is used for so many archives, so that what is loaded does not add up.
const ARCHIVES: u32 = 500;

thread_local! {
    static STORE: RefCell<(Option<(TempDir, Store)>, u32)> = const { RefCell::new((None, 0)) };
}

fn with_store(act: impl FnOnce(&Store)) {
    STORE.with_borrow_mut(|(store, used)| {
        if *used == 0 {
            let folder = tempfile::Builder::new().prefix("fuzz-store").tempdir_in(tar::scratch()).expect("a folder");
            let opened = Store::open(folder.path()).expect("a store");
            *store = Some((folder, opened));
        }
        *used = (*used + 1) % ARCHIVES;
        act(&store.as_ref().expect("it was just opened").1);
    });
}

fuzz_target!(|bytes: &[u8]| {
    let archive = tar::with_checksums(bytes);
    with_store(|store| {
        let _ = store.load(&mut &archive[..], &Silent);
        let _ = store.load(&mut &bytes[..], &Silent);
    });
});
