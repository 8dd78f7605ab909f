//! Where this program's files lie outside its configuration.

use std::path::{Path, PathBuf};

/// The cache of what set-up fetched: `$NVR_CACHE`, else `~/.cache/nvr`, else (a service without a home) `/var/cache/nvr`.
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

/// Where models are sought, in order: `first` (what the operator named), `./models`, the cache, `/usr/share/nvr/models`
/// and `/var/lib/nvr/models`.
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
    fn what_the_operator_names_is_sought_first_and_the_system_last() {
        let dirs = models_dirs(&["/mnt/models".into()]);
        assert_eq!(dirs.len(), 5);
        assert_eq!(dirs[0], Path::new("/mnt/models"));
        assert_eq!(dirs[1], Path::new("models"));
        assert!(dirs[2].ends_with("models"));
        assert_eq!(dirs[4], Path::new("/var/lib/nvr/models"));
    }
}
