//! Where the sockets are.

use std::path::{Path, PathBuf};

/// Folders for sockets in the order in which they are tried: systemd's `RuntimeDirectory=nvr`, the user's own, the
/// temporary folder (a service manager without either).
pub fn candidates() -> Vec<PathBuf> {
    let user = std::env::var_os("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("nvr"));
    let of_user = format!("nvr-{}", rustix::process::getuid().as_raw());
    [
        Some(PathBuf::from("/run/nvr")),
        user,
        Some(std::env::temp_dir().join(of_user)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The socket of one role in `dir`.
pub fn socket_path(dir: &Path, role: &str, instance_id: &str) -> PathBuf {
    dir.join(format!("{role}-{instance_id}.sock"))
}

/// The sockets at which somebody answers; all of `role`, or of one instance only. A killed process leaves one behind at
/// which nobody does.
pub fn find(role: &str, instance_id: Option<&str>) -> Vec<PathBuf> {
    let prefix = format!("{role}-");
    let mut found: Vec<PathBuf> = candidates()
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten())
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_suffix(".sock"))
                .and_then(|name| name.strip_prefix(&prefix))
                .is_some_and(|instance| instance_id.is_none_or(|wanted| wanted == instance))
        })
        .filter(|path| std::os::unix::net::UnixStream::connect(path).is_ok())
        .collect();
    found.sort();
    found
}
