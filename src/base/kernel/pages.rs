#![expect(
    unsafe_code,
    reason = "the loader lists what it has mapped, and the kernel unmaps pages"
)]
//! Pages of the program file and of its libraries that this process has mapped.
//!
//! A page counts as memory of the process from its first use on, also if only the start needed it. Given back, it stays in the
//! kernel's cache of files as long as there is memory, and is mapped again when it is used.

use std::ffi::{c_int, c_void};
use std::ops::Range;

use libc::{PF_W, PT_LOAD, dl_phdr_info};
use rustix::mm::{Advice, madvise};

/// Gives back the pages of code and constants of the program and its libraries. Returns the size in bytes of the ranges that were
/// given back, in memory or not.
pub fn give_back_file_pages() -> usize {
    let mut bytes: usize = 0;
    // SAFETY: `give_back` has the type that the loader calls, and `bytes` outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(give_back), (&raw mut bytes).cast()) };
    bytes
}

/// Gives back the pages of one object. Called by the loader, which loads and unloads nothing meanwhile.
extern "C" fn give_back(object: *mut dl_phdr_info, _: usize, bytes: *mut c_void) -> c_int {
    // SAFETY: the loader gives an object that is mapped until this call returns, with this number of headers. `bytes` is that of
    // `give_back_file_pages`, which nothing else uses meanwhile.
    let (object, bytes) = unsafe { (&*object, &mut *bytes.cast::<usize>()) };
    // SAFETY: as above.
    let headers = unsafe { std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
    // SAFETY: it takes and gives numbers only.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let page = usize::try_from(page).unwrap_or(4096);
    for header in headers {
        if header.p_type != PT_LOAD || header.p_flags & PF_W != 0 {
            continue;
        }
        let start = (object.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        let range = whole_pages(start, header.p_memsz as usize, page);
        if range.is_empty() {
            continue;
        }
        // SAFETY: a segment without the right to write is a private mapping of its file, and nothing has changed it: relocations
        // of code do not exist on the architectures that this program is built for. The same bytes are read from the file again.
        let given = unsafe { madvise(range.start as *mut _, range.len(), Advice::LinuxDontNeed) };
        // The kernel keeps what is no file, such as its own object for the time of day.
        if given.is_ok() {
            *bytes += range.len();
        }
    }
    0
}

/// The whole pages in a range of memory.
fn whole_pages(start: usize, length: usize, page: usize) -> Range<usize> {
    let end = start.saturating_add(length) / page * page;
    start.next_multiple_of(page)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_shared_with_other_segments_stay() {
        assert_eq!(whole_pages(0x1000, 0x3000, 0x1000), 0x1000..0x4000);
        assert_eq!(whole_pages(0x1040, 0x3000, 0x1000), 0x2000..0x4000);
        assert!(whole_pages(0x1040, 0x0fff, 0x1000).is_empty());
        assert!(whole_pages(0x1040, 0x10, 0x1000).is_empty());
    }

    #[test]
    fn the_program_goes_on_without_them() {
        let words = ["code", "and", "constants"].join(" ");
        let given = give_back_file_pages();
        // The code of the tests alone is larger.
        assert!(given > 1 << 20, "{given} bytes");
        assert_eq!(words, "code and constants");
        assert_eq!(give_back_file_pages(), given);
    }
}
