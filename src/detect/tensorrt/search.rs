//! The possible paths of NVIDIA's libraries, and the texts for those that could not be opened.

use std::ffi::OsString;
use std::path::PathBuf;

/// Why files could not be opened: missing ones in short, the others with the loader's error.
pub(super) fn reasons(tried: &[(PathBuf, libloading::Error)]) -> Vec<String> {
    let (mut absent, mut others) = (Vec::new(), Vec::new());
    for (path, error) in tried {
        let words =
            std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !words.contains("No such file or directory") {
            others.push(words);
        } else if !absent.contains(&name) {
            absent.push(name);
        }
    }
    if !absent.is_empty() {
        let place = match named_folders() {
            Some(folders) => format!("in {}", folders.to_string_lossy()),
            None => "where the system's loader looks".to_owned(),
        };
        others.push(format!("no {} {place}", absent.join(", ")));
    }
    others
}

fn named_folders() -> Option<OsString> {
    std::env::var_os("NVR_TENSORRT_LIB_DIR").filter(|folders| !folders.is_empty())
}

/// The possible paths: only the folders that the operator names, otherwise those of the system's loader.
pub(super) fn candidates(names: &[&str], also: Option<&str>) -> Vec<PathBuf> {
    let in_folder = |dir: PathBuf| names.iter().map(move |name| dir.join(name));
    match named_folders() {
        Some(dirs) => std::env::split_paths(&dirs).flat_map(in_folder).collect(),
        None => names
            .iter()
            .map(PathBuf::from)
            .chain(also.into_iter().flat_map(|dir| in_folder(dir.into())))
            .collect(),
    }
}
