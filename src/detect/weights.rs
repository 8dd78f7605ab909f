//! An ONNX file and its external weight files: which must be present, how large they may be, and how they are copied
//! into the store.
//!
//! Graphs of more than 2 GB must have their weights in other files, and PyTorch's exporter does this for much smaller
//! ones (`model.onnx.data`). The graph names them by paths relative to its directory; none may lead out of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::DetectError;
use super::manifest::{ModelFile, plain_path};
use super::onnx_file::OnnxFile;
use crate::base::{free_bytes, shown_bytes as size};

/// The graph's name in the store.
pub(super) const GRAPH: &str = "model.onnx";
/// The manifest's name in the store.
const MANIFEST: &str = "model.toml";

/// Maximum length of a model: a larger one is not a detector for a recorder, and would fill its disk.
const LARGEST_MODEL_BYTES: u64 = 8 << 30;
/// Maximum number of missing files that a message names.
const MOST_NAMED: usize = 5;

/// A graph and its weights, before they are copied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Weights {
    /// The graph is the first.
    files: Vec<ModelPart>,
}

#[derive(Debug, PartialEq, Eq)]
struct ModelPart {
    source: PathBuf,
    /// Its name in the store, with folders.
    name: String,
    bytes: u64,
}

/// The file `graph` and its weight files.
///
/// # Errors
/// The file that is missing, too short or too large, or outside the graph's directory.
pub(super) fn of(graph: &Path, known: Option<&OnnxFile>) -> Result<Weights, String> {
    let mut files = vec![ModelPart {
        source: graph.to_owned(),
        name: GRAPH.to_owned(),
        bytes: length_of(graph).map_err(|reason| format!("it can't be read: {reason}"))?,
    }];
    let dir = graph.parent().unwrap_or(Path::new(""));
    let shown_dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let (mut taken, mut missing) = (BTreeMap::new(), Vec::new());
    for (location, needed) in known.iter().flat_map(|known| &known.external) {
        let name = stored_name(location)?;
        let source = dir.join(location);
        if !source.exists() {
            missing.push(location.as_str());
            continue;
        }
        let bytes = length_of(&source)
            .map_err(|reason| format!("its weights in `{location}` can't be read: {reason}"))?;
        if bytes < needed.least_bytes {
            return Err(format!(
                "`{location}` with its weights has {bytes} bytes, but tensor `{}` needs it to have {}; copy the whole \
                 file, or export the model again",
                needed.tensor, needed.least_bytes
            ));
        }
        if taken.insert(name.clone(), ()).is_none() {
            files.push(ModelPart {
                source,
                name,
                bytes,
            });
        }
    }
    if !missing.is_empty() {
        let rest = missing.len().saturating_sub(MOST_NAMED);
        let mut named = missing[..missing.len() - rest].join("`, `");
        if rest > 0 {
            named = format!("{named}` and `{rest} others");
        }
        return Err(format!(
            "its weights lie in files beside it, and `{named}` is not in {}; copy what the exporter wrote there too, or \
             export the model into one file",
            shown_dir.display()
        ));
    }
    Ok(Weights { files })
}

impl Weights {
    fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, file| sum.saturating_add(file.bytes))
    }

    /// Checks that the files are not too large, and that `dir` has space for them.
    ///
    /// # Errors
    /// With their size and the limit.
    pub(super) fn fit(&self, dir: &Path) -> Result<(), String> {
        let bytes = self.bytes();
        if bytes > LARGEST_MODEL_BYTES {
            return Err(format!(
                "it has {} with its weights (limit {})",
                size(bytes),
                size(LARGEST_MODEL_BYTES)
            ));
        }
        match free_bytes(dir) {
            Some(free) if free < bytes => Err(format!(
                "it has {}, but the file system of {} has {} free; free some, or name another directory with \
                 --models-dir DIR",
                size(bytes),
                dir.display(),
                size(free)
            )),
            _ => Ok(()),
        }
    }

    /// Copies the files into `dir`, and returns their entries for a manifest.
    ///
    /// # Errors
    /// The file that can't be read or written.
    pub(super) fn copy_to(&self, dir: &Path) -> Result<Vec<ModelFile>, DetectError> {
        self.files.iter().map(|part| part.copy_to(dir)).collect()
    }
}

impl ModelPart {
    fn copy_to(&self, dir: &Path) -> Result<ModelFile, DetectError> {
        let target = dir.join(&self.name);
        let write = |error| DetectError::write(&target, error);
        let read = |error| DetectError::Io {
            action: "read",
            path: self.source.clone(),
            error,
            hint: "",
        };
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(write)?;
        }
        // A file that grows while it is copied must not fill the disk.
        let mut from = File::open(&self.source).map_err(read)?.take(self.bytes);
        let mut to = File::create(&target).map_err(write)?;
        let (mut hasher, mut bytes) = (Sha256::new(), 0);
        let mut piece = vec![0; 256 * 1024];
        loop {
            let length = from.read(&mut piece).map_err(read)?;
            if length == 0 {
                break;
            }
            hasher.update(&piece[..length]);
            to.write_all(&piece[..length]).map_err(write)?;
            bytes += length as u64;
        }
        to.sync_all().map_err(write)?;
        Ok(ModelFile {
            name: self.name.clone(),
            sha256: format!("{:x}", hasher.finalize()),
            bytes: Some(bytes),
        })
    }
}

/// The name in the store for weights that the graph expects at `location`.
fn stored_name(location: &str) -> Result<String, String> {
    let name = plain_path(location).ok_or_else(|| {
        format!(
            "its weights should lie in `{location}`, which is no path below its own directory; export the model again \
             with its weights beside it, or into one file"
        )
    })?;
    let is_taken = name == MANIFEST || name.to_ascii_lowercase().ends_with(".onnx");
    if is_taken {
        return Err(format!(
            "its weights lie in `{location}`, which can't be the name of weights in the store; export the model again with \
             another name for them, or into one file"
        ));
    }
    Ok(name)
}

/// The length of a regular file.
fn length_of(path: &Path) -> Result<u64, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_file() {
        Ok(metadata.len())
    } else {
        Err("it is not a regular file".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::onnx_file::ExternalFile;
    use super::*;

    fn external(files: &[(&str, u64)]) -> OnnxFile {
        let external = files.iter().map(|(location, least_bytes)| {
            let file = ExternalFile {
                least_bytes: *least_bytes,
                tensor: "w".to_owned(),
                is_explicit: true,
            };
            ((*location).to_owned(), file)
        });
        OnnxFile {
            external: external.collect(),
            ..OnnxFile::default()
        }
    }

    #[test]
    fn paths_that_leave_the_directory_are_none() {
        for (location, wanted) in [
            ("w.data", Some("w.data")),
            ("./w.data", Some("w.data")),
            ("sub/./deep//w.data", Some("sub/deep/w.data")),
            ("..data", Some("..data")),
            ("../w.data", None),
            ("sub/../../w.data", None),
            ("sub/../w.data", None),
            ("/etc/passwd", None),
            ("", None),
            (".", None),
            ("a\nb", None),
        ] {
            assert_eq!(plain_path(location).as_deref(), wanted, "{location:?}");
        }
    }

    #[test]
    fn missing_short_and_misplaced_weights_are_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let graph = dir.path().join("a.onnx");
        fs::write(&graph, "graph").expect("written");
        fs::write(dir.path().join("short.data"), "123").expect("written");
        fs::create_dir(dir.path().join("folder")).expect("made");
        let refused = |files: &[(&str, u64)]| {
            of(&graph, Some(&external(files)))
                .expect_err("it can't be installed")
                .replace(&dir.path().display().to_string(), "DIR")
        };
        assert_eq!(
            refused(&[("a.data", 1), ("sub/b.data", 1), ("short.data", 3)]),
            "its weights lie in files beside it, and `a.data`, `sub/b.data` is not in DIR; copy what the exporter wrote \
             there too, or export the model into one file"
        );
        assert_eq!(
            refused(&[("short.data", 4)]),
            "`short.data` with its weights has 3 bytes, but tensor `w` needs it to have 4; copy the whole file, or \
             export the model again"
        );
        assert!(refused(&[("../x.data", 0)]).contains("no path below its own directory"));
        assert!(refused(&[("model.toml", 0)]).contains("can't be the name of weights"));
        assert!(refused(&[("w.onnx", 0)]).contains("can't be the name of weights"));
        assert_eq!(
            refused(&[("folder", 0)]),
            "its weights in `folder` can't be read: it is not a regular file"
        );
        assert_eq!(
            of(Path::new("/dev/zero"), None),
            Err("it can't be read: it is not a regular file".to_owned())
        );
    }

    #[test]
    fn a_model_that_would_fill_the_disk_is_refused_before_a_byte_is_copied() {
        let dir = tempfile::tempdir().expect("a folder");
        let (graph, data) = (dir.path().join("a.onnx"), dir.path().join("a.data"));
        fs::write(&graph, "graph").expect("written");
        let sparse = File::create(&data).expect("made");
        sparse.set_len(LARGEST_MODEL_BYTES).expect("a sparse file");
        let weights = of(&graph, Some(&external(&[("a.data", 1)]))).expect("it is there");
        assert_eq!(
            weights.fit(dir.path()),
            Err("it has 8.6 GB with its weights (limit 8.6 GB)".to_owned())
        );
    }

    #[test]
    fn copied_files_have_their_size_hash_and_folders() {
        let dir = tempfile::tempdir().expect("a folder");
        let graph = dir.path().join("a.onnx");
        fs::write(&graph, "graph").expect("written");
        fs::create_dir(dir.path().join("sub")).expect("made");
        fs::write(dir.path().join("sub/w"), "weights").expect("written");
        let weights = of(&graph, Some(&external(&[("./sub/w", 7), ("sub/w", 7)])));
        let target = dir.path().join("store");
        let files = weights
            .expect("they are there")
            .copy_to(&target)
            .expect("copied");
        let names: Vec<_> = files
            .iter()
            .map(|file| (file.name.as_str(), file.bytes))
            .collect();
        assert_eq!(names, [("model.onnx", Some(5)), ("sub/w", Some(7))]);
        let copied = fs::read(target.join("sub/w")).expect("it is there");
        assert_eq!(copied, b"weights");
        assert_eq!(files[1].sha256, format!("{:x}", Sha256::digest("weights")));
    }
}
