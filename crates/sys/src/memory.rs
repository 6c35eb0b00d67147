//! Giving memory back, madvise(2), malloc_trim(3): for a process that lives long and sleeps most of the time.

use rustix::mm::{Advice, madvise};

/// Takes the program's code and constants out of this process's memory, and returns what the heap has free.
///
/// Nothing is lost: pages of a segment that nobody can write to are the file's, stay in the page cache, and are mapped
/// again as soon as they are needed. Without it a program that ran through its start once keeps all of that mapped.
pub fn release_idle() {
    for (address, length) in unwritable_segments() {
        // SAFETY: the range is a loaded segment without PF_W, a private mapping of a file that is as it was read:
        // dropping its pages makes the next access read the same bytes.
        let _ = unsafe { madvise(address as *mut _, length, Advice::LinuxDontNeed) };
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer, and locks what it works on.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Page-aligned ranges of the program's own segments that are never written, relocations included. (RELRO is in a
/// writable segment: its pages hold addresses that the file does not.)
fn unwritable_segments() -> Vec<(usize, usize)> {
    extern "C" fn first(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        found: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: dl_iterate_phdr(3) passes a valid entry, and on the pointer that it was given below.
        let (info, found) = unsafe { (&*info, &mut *found.cast::<Vec<(usize, usize)>>()) };
        // SAFETY: dlpi_phdr points to as many program headers as dlpi_phnum says.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let page = rustix::param::page_size();
        for header in headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0) {
            let begin = header_field(info.dlpi_addr) + header_field(header.p_vaddr);
            let end = begin + header_field(header.p_memsz);
            let (begin, end) = (begin.next_multiple_of(page), end / page * page);
            found.push((begin, end.saturating_sub(begin)));
        }
        // The first entry is the program itself: libraries, if any, are others' too.
        1
    }
    let mut found: Vec<(usize, usize)> = Vec::new();
    // SAFETY: the callback keeps to its types, and `found` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(first), std::ptr::from_mut(&mut found).cast()) };
    found
}

/// An address or a size of this process fits its own pointers.
fn header_field(value: u64) -> usize {
    usize::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident_code() -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = maps.lines().skip_while(|line| !line.contains(" r-xp "));
        let rss = lines.find(|line| line.starts_with("Rss:")).unwrap();
        rss.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn code_leaves_and_comes_back() {
        let text = "the program still knows its constants".to_owned();
        // Run through as much code as a test has at hand.
        let before = resident_code();
        release_idle();
        let after = resident_code();
        assert!(after < before, "{before} KiB resident before, {after} after");
        assert_eq!(text, "the program still knows its constants");
        assert!(!unwritable_segments().is_empty());
    }
}
