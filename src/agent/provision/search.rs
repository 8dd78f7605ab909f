//! Where a provisioning file is looked for: in folders, by the names that people and their systems give it.

use std::path::{Path, PathBuf};

/// The name of the file.
pub const PROVISION_FILE: &str = "nvr-provision.toml";
/// What else it is called, in lower case: Windows hides and appends `.txt`.
const OTHER_NAMES: [&str; 3] = [
    "nvr-provision.toml.txt",
    "nvr-provision.txt",
    "nvr-provision",
];

/// The files of a folder that may be meant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The file.
    pub(super) file: Option<PathBuf>,
    /// What is wrong with the names.
    pub(super) problems: Vec<String>,
}

/// Looks in `folder`, not below it. Case does not count. A folder that is not there has no file.
pub(super) fn look(folder: &Path) -> Found {
    let mut meant = Vec::new();
    let mut similar = Vec::new();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.path().is_file()) {
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if name == PROVISION_FILE || OTHER_NAMES.contains(&name.as_str()) {
            meant.push(entry.path());
        } else if is_similar(&name) {
            similar.push(entry.path());
        }
    }
    meant.sort_unstable();
    similar.sort_unstable();
    let mut found = Found::default();
    match meant.as_slice() {
        [] => {
            found.problems = similar.iter().map(|path| {
                format!("{} is not read; if it is the provisioning file, rename it {PROVISION_FILE}", path.display())
            }).collect();
        }
        [one] => found.file = Some(one.clone()),
        several => {
            let names = several.iter().map(|path| path.display().to_string());
            let names = names.collect::<Vec<_>>().join(" and ");
            found.problems.push(format!(
                "{names} are both there; remove all but one, and name it {PROVISION_FILE}"
            ));
        }
    }
    found
}

/// `nvr-provision (1).toml`, `nvr_provision.toml`, `Copy of nvr-provision.toml`. Not the hidden files that macOS adds (`._nvr-…`), and
/// not the parts and copies that editors leave.
fn is_similar(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .collect();
    !name.starts_with('.')
        && !name.ends_with('~')
        && (name.ends_with("toml") || name.ends_with("txt"))
        && plain.contains("nvrprovision")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_at(names: &[&str]) -> (Option<String>, usize) {
        let dir = tempfile::tempdir().expect("a folder");
        for name in names {
            std::fs::write(dir.path().join(name), "").expect("written");
        }
        let found = look(dir.path());
        let name = found
            .file
            .and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        (name, found.problems.len())
    }

    #[test]
    fn a_file_is_found_as_people_name_it() {
        for name in [
            PROVISION_FILE,
            "NVR-PROVISION.TOML",
            "nvr-provision.toml.txt",
            "Nvr-Provision.txt",
        ] {
            assert_eq!(
                look_at(&[name, "._nvr-provision.toml", "photo.jpg"]),
                (Some(name.to_owned()), 0)
            );
        }
    }

    #[test]
    fn names_that_are_not_read_are_said() {
        for name in [
            "nvr-provision (1).toml",
            "nvr_provision.toml",
            "Copy of nvr-provision.toml",
        ] {
            assert_eq!(look_at(&[name]), (None, 1), "{name}");
            assert_eq!(
                look_at(&[name, PROVISION_FILE]),
                (Some(PROVISION_FILE.to_owned()), 0)
            );
        }
        assert_eq!(look_at(&[PROVISION_FILE, "nvr-provision.txt"]), (None, 1));
        assert_eq!(
            look_at(&["provision.toml", ".nvr-provision.toml.swp"]),
            (None, 0)
        );
        assert_eq!(look(Path::new("/nonexistent")), Found::default());
    }
}
