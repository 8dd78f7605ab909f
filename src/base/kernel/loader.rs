//! Opens shared libraries by name, as other libraries of this process do that are not ours.
#![expect(
    unsafe_code,
    reason = "the loader and its libraries are code outside of Rust"
)]

use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr::null_mut;

/// The public start of `struct link_map` (link.h).
#[repr(C)]
struct LinkMap {
    _address: usize,
    name: *const c_char,
}

/// Opens the library `name` where the system's loader finds it, and returns its path there. It stays open, because drivers have
/// threads and exit handlers. Runs the code with which it starts, which may crash.
///
/// # Errors
/// The loader's reason.
pub fn open_library(name: &CStr) -> Result<PathBuf, String> {
    // SAFETY: the name ends with a zero. Initialisers expect nothing of us; `RTLD_LOCAL` keeps names out of other libraries.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) };
    let text = if handle.is_null() {
        // SAFETY: after a failure it gives this thread's text, which lives until the next call.
        unsafe { libc::dlerror() }
    } else {
        let mut map: *mut LinkMap = null_mut();
        // SAFETY: the handle is open; it writes one pointer to where the pointer leads.
        unsafe {
            libc::dlinfo(
                handle,
                libc::RTLD_DI_LINKMAP,
                (&raw mut map).cast::<c_void>(),
            )
        };
        // SAFETY: null after a failure, otherwise the loader's entry, which lives as long as the library.
        unsafe { map.as_ref() }.map_or(null_mut(), |map| map.name.cast_mut())
    };
    // SAFETY: both texts end with a zero and are the loader's, see above.
    let text = (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes());
    let text = text.unwrap_or(name.to_bytes());
    if handle.is_null() {
        return Err(String::from_utf8_lossy(text).into_owned());
    }
    Ok(PathBuf::from(OsStr::from_bytes(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_opened_by_its_name_or_refused_with_the_loader_s_reason() {
        let path = open_library(c"libc.so.6").expect("this program uses it");
        assert!(path.is_file() && path.ends_with("libc.so.6"), "{path:?}");
        assert_eq!(
            open_library(c"libnothing-of-the-kind.so.1"),
            Err("libnothing-of-the-kind.so.1: cannot open shared object file: No such file or directory".to_owned())
        );
    }
}
