//! keyrings(7): the keys of a session.

use crate::check;
use std::io;

/// keyctl(2): gives the caller a new session keyring with nothing in it. What it executes has that one, too.
pub fn join_new_session() -> io::Result<()> {
    // SAFETY: the null name asks for a keyring without one; no other memory is involved.
    let serial =
        unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<u8>()) };
    check(serial).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The caller's session keyring, made if it has none.
    fn session() -> i64 {
        const SESSION: i32 = -3;
        // SAFETY: integers alone.
        unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_GET_KEYRING_ID, SESSION, 1) }
    }

    #[test]
    fn the_session_is_another_one() {
        std::thread::spawn(|| {
            let before = session();
            join_new_session().unwrap();
            assert!(before > 0 && session() > 0 && session() != before);
        })
        .join()
        .unwrap();
    }
}
