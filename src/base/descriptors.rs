//! File descriptors of this process: their limit and their number.
//!
//! GLib ends the process with SIGTRAP if it gets no descriptor for a pipe or an eventfd. Therefore descriptors are counted before
//! many are opened.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors to the hard limit. Called once, at the start.
///
/// # Errors
/// When the kernel refuses. The limit is unchanged then.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(());
    }
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// The limit of open descriptors; absent if there is none.
pub fn descriptor_limit() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

/// The number of open descriptors.
///
/// # Errors
/// When `/proc` is missing, or there is no descriptor left to read it.
pub fn open_descriptors() -> io::Result<usize> {
    let open = std::fs::read_dir("/proc/self/fd")?.count();
    // One of them is that of the folder itself.
    Ok(open.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_counts() {
        let held: Vec<_> = (0..50)
            .map(|_| std::fs::File::open("/dev/null").expect("it is there"))
            .collect();
        let open = open_descriptors().expect("/proc is there");
        assert!(open >= held.len(), "{open}");
        assert!(descriptor_limit().is_none_or(|limit| limit >= open));
    }
}
