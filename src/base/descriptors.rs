//! File descriptors of this process: how many it may open, and how many it has open.
//!
//! GLib ends the process by SIGTRAP where it gets no descriptor for a pipe or an eventfd: whoever opens many has to count
//! before.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's limit of open descriptors to the most that it may set itself (soft to hard). To be called once, at
/// start.
///
/// # Errors
/// When the kernel refuses; the limit is as it was then.
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

/// How many descriptors this process may have open; nothing where there is no limit.
pub fn descriptor_limit() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

/// How many descriptors this process has open.
///
/// # Errors
/// When `/proc` is not there, or no descriptor is left to look with.
pub fn open_descriptors() -> io::Result<usize> {
    let open = std::fs::read_dir("/proc/self/fd")?.count();
    // One of them is the folder itself.
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
