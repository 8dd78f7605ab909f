//! The possible paths of NVIDIA's libraries, and the texts for those that could not be opened.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The folders of NVIDIA's libraries in a Python environment, as its packages `tensorrt-cu12-libs`, `tensorrt-rtx-cu12-libs` and
/// `tensorrt-lean-cu12-libs` make them.
const PYTHON_FOLDERS: [&str; 3] = ["tensorrt_libs", "tensorrt_rtx_libs", "tensorrt_lean_libs"];

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
        Some(dirs) => searched_folders(&dirs)
            .into_iter()
            .flat_map(in_folder)
            .collect(),
        None => names
            .iter()
            .map(PathBuf::from)
            .chain(also.into_iter().flat_map(|dir| in_folder(dir.into())))
            .collect(),
    }
}

/// Each named folder, and after it the folders of NVIDIA's Python packages, if it is a virtual environment or a `site-packages`.
///
/// The packages spread their libraries over several folders. A library finds another one there by its run path, or because that one
/// is already open under its soname: CUDA's runtime is always opened first.
fn searched_folders(named: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(named)
        .flat_map(|named| {
            let mut folders = package_folders(&named);
            for python in folders_in(&named.join("lib")) {
                let name = python.file_name().unwrap_or_default();
                if name.to_string_lossy().starts_with("python3") {
                    folders.extend(package_folders(&python.join("site-packages")));
                }
            }
            folders.insert(0, named);
            folders
        })
        .collect()
}

/// The folders with NVIDIA's libraries that exist below a `site-packages`: TensorRT's, then `nvidia/*/lib` by name.
fn package_folders(site_packages: &Path) -> Vec<PathBuf> {
    let tensorrt = PYTHON_FOLDERS.iter().map(|name| site_packages.join(name));
    let cuda = folders_in(&site_packages.join("nvidia"));
    tensorrt
        .chain(cuda.into_iter().map(|package| package.join("lib")))
        .filter(|folder| folder.is_dir())
        .collect()
}

/// The folders in a folder, sorted; none if it can't be read.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort_unstable();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is searched in a folder with these folders, without the folder's own path.
    fn searched(folders: &[&str], named: &str) -> Vec<String> {
        let root = tempfile::tempdir().expect("a folder");
        for folder in folders {
            std::fs::create_dir_all(root.path().join(folder)).expect("made");
        }
        searched_folders(root.path().join(named).as_os_str())
            .iter()
            .map(|path| path.strip_prefix(root.path()).expect("inside"))
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn plain_folder_is_searched_alone() {
        assert_eq!(searched(&["libs/other/lib", "libs/lib"], "libs"), ["libs"]);
        assert_eq!(searched(&[], "absent"), ["absent"]);
    }

    #[test]
    fn virtual_environment_is_searched_in_its_packages() {
        let packages = "env/lib/python3.12/site-packages";
        let folders = [
            "tensorrt_rtx_libs",
            "tensorrt_libs",
            "numpy.libs",
            "nvidia/cuda_runtime/lib",
            "nvidia/cuda_nvrtc/lib",
            "nvidia/headers_only/include",
        ]
        .map(|folder| format!("{packages}/{folder}"));
        let folders: Vec<_> = folders.iter().map(String::as_str).collect();
        assert_eq!(
            searched(&folders, "env"),
            [
                "env".to_owned(),
                format!("{packages}/tensorrt_libs"),
                format!("{packages}/tensorrt_rtx_libs"),
                format!("{packages}/nvidia/cuda_nvrtc/lib"),
                format!("{packages}/nvidia/cuda_runtime/lib"),
            ]
        );
    }

    #[test]
    fn site_packages_is_searched_in_its_packages() {
        let folders = ["site/tensorrt_lean_libs", "site/nvidia/cu13/lib"];
        assert_eq!(
            searched(&folders, "site"),
            ["site", "site/tensorrt_lean_libs", "site/nvidia/cu13/lib"]
        );
    }

    #[test]
    fn folders_are_searched_in_the_named_order() {
        let root = tempfile::tempdir().expect("a folder");
        let (first, second) = (root.path().join("b"), root.path().join("a"));
        std::fs::create_dir_all(first.join("tensorrt_libs")).expect("made");
        let named = std::env::join_paths([&first, &second]).expect("no colon");
        assert_eq!(
            searched_folders(&named),
            [first.clone(), first.join("tensorrt_libs"), second]
        );
    }
}
