//! An installed model: its manifest, the paths of its files, their check against its hashes, and its class names.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::labels::{self, Labels};
use super::{DetectError, LabelSource, Manifest};

/// A model with its manifest and all its files.
#[derive(Debug, Clone)]
pub struct InstalledModel {
    /// Its id.
    pub id: String,
    /// Its manifest.
    pub manifest: Manifest,
    /// The path of the manifest.
    pub manifest_path: PathBuf,
    /// The directory of its files.
    pub weights_dir: PathBuf,
}

impl InstalledModel {
    /// The path of its graph.
    pub fn onnx(&self) -> PathBuf {
        self.weights_dir.join(self.manifest.onnx())
    }

    /// Reads every file and compares its hash with the manifest.
    ///
    /// # Errors
    /// The file that differs, with both hashes.
    pub fn verify(&self) -> Result<(), DetectError> {
        for file in &self.manifest.files {
            let path = self.weights_dir.join(&file.name);
            if let Some(expected) = file.bytes {
                let found = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
                if found != expected {
                    return Err(DetectError::Length {
                        path,
                        expected,
                        found,
                    });
                }
            }
            let found = sha256_of(&path)?;
            if !found.eq_ignore_ascii_case(&file.sha256) {
                return Err(DetectError::Hash {
                    path,
                    expected: file.sha256.clone(),
                    found,
                });
            }
        }
        Ok(())
    }

    /// The hash of the graph's file in the manifest, which is compared with the file whenever a model is loaded. If its
    /// weights are external, the hash of the list of its files, because another training changes only those.
    ///
    /// # Errors
    /// If the manifest has no hash and the graph can't be read.
    pub(super) fn network_sha256(&self) -> Result<String, DetectError> {
        let manifest = &self.manifest;
        let name = manifest.onnx();
        let is_labels =
            |file: &str| matches!(&manifest.labels, LabelSource::File(known) if known.file == file);
        let mut listed: Vec<(&str, String)> = manifest
            .files
            .iter()
            .filter(|file| !is_labels(&file.name))
            .map(|file| (file.name.as_str(), file.sha256.to_ascii_lowercase()))
            .collect();
        listed.sort_unstable();
        match listed.as_slice() {
            [] => sha256_of(&self.onnx()),
            [(only, sha256)] if *only == name => Ok(sha256.clone()),
            several => {
                let text: String = several
                    .iter()
                    .map(|(name, sha256)| format!("{sha256}  {name}\n"))
                    .collect();
                Ok(format!("{:x}", Sha256::digest(text)))
            }
        }
    }

    /// The length of all its files together.
    pub(super) fn bytes(&self) -> u64 {
        let length = |path: PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let files = self.manifest.files.iter();
        files
            .map(|file| length(self.weights_dir.join(&file.name)))
            .sum()
    }

    /// The names of its classes.
    ///
    /// # Errors
    /// If its label file can't be read, or is not a list of names.
    pub fn labels(&self) -> Result<Labels, DetectError> {
        let names = match self.manifest.labels.names() {
            Ok(names) => names,
            Err(file) => labels::read_labels(&self.weights_dir.join(file))?,
        };
        Ok(labels::shared(names.iter().map(String::as_str)))
    }
}

/// The SHA-256 of a file in hexadecimal digits. The file is read in parts, because models can be larger than memory.
pub(super) fn sha256_of(path: &Path) -> Result<String, DetectError> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    File::open(path)
        .and_then(|mut file| {
            loop {
                match file.read(&mut piece)? {
                    0 => return Ok(()),
                    length => hasher.update(&piece[..length]),
                }
            }
        })
        .map_err(|error| DetectError::Io {
            action: "read",
            path: path.to_owned(),
            error,
            hint: "",
        })?;
    Ok(format!("{:x}", hasher.finalize()))
}
