//! Directories of this program besides its configuration.

use std::path::{Path, PathBuf};

/// The cache directory: `$NVR_CACHE`, else `~/.cache/nvr`, else `/var/cache/nvr` (a service without a home).
pub fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(cache) = set("NVR_CACHE") {
        return cache.into();
    }
    match set("HOME") {
        Some(home) => Path::new(&home).join(".cache/nvr"),
        None => "/var/cache/nvr".into(),
    }
}

/// The search path of models: `first` (set by the operator), `./models`, the cache, `/usr/share/nvr/models` and
/// `/var/lib/nvr/models`.
pub fn models_dirs(first: &[PathBuf]) -> Vec<PathBuf> {
    let mut dirs = first.to_vec();
    dirs.extend([
        "models".into(),
        cache_dir().join("models"),
        "/usr/share/nvr/models".into(),
        "/var/lib/nvr/models".into(),
    ]);
    dirs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_the_operator_come_first_and_those_of_the_system_last() {
        let dirs = models_dirs(&["/mnt/models".into()]);
        assert_eq!(dirs.len(), 5);
        assert_eq!(dirs[0], Path::new("/mnt/models"));
        assert_eq!(dirs[1], Path::new("models"));
        assert!(dirs[2].ends_with("models"));
        assert_eq!(dirs[4], Path::new("/var/lib/nvr/models"));
    }
}
