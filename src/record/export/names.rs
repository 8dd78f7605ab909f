//! The names of the files of an export.

use std::path::{Path, PathBuf};

/// The ending of videos and of manifests.
const VIDEO: &str = "mp4";
const MANIFEST: &str = "json";

/// The names of an export, by the one that is asked for: `gate.mp4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// With the folder and without an ending: `gate`.
    stem: PathBuf,
}

impl Names {
    /// The names beside this video, which must end in `.mp4`.
    pub(super) fn of_video(video: &Path) -> Option<Self> {
        let ending = video.extension()?.to_str()?;
        let stem = video.with_extension("");
        let is_named = stem.file_name().is_some_and(|name| name.to_str().is_some());
        (ending.eq_ignore_ascii_case(VIDEO) && is_named).then_some(Self { stem })
    }

    /// The names beside this manifest.
    pub(super) fn of_manifest(manifest: &Path) -> Self {
        let is_manifest = manifest.extension().is_some_and(|it| it == MANIFEST);
        let stem = match is_manifest {
            true => manifest.with_extension(""),
            false => manifest.to_owned(),
        };
        Self { stem }
    }

    fn with(&self, ending: &str) -> PathBuf {
        let mut name = self.stem.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    }

    /// The video of this number, from 0: `gate.mp4`, `gate-2.mp4`.
    pub(super) fn video(&self, number: usize) -> PathBuf {
        match number {
            0 => self.with(".mp4"),
            number => self.with(&format!("-{}.mp4", number + 1)),
        }
    }

    /// The objects of the frames: `gate.boxes.jsonl`.
    pub(super) fn boxes(&self) -> PathBuf {
        self.with(".boxes.jsonl")
    }

    /// The manifest: `gate.json`.
    pub(super) fn manifest(&self) -> PathBuf {
        self.with(".json")
    }

    /// The public key: `gate.pub.pem`.
    pub(super) fn public_key(&self) -> PathBuf {
        self.with(".pub.pem")
    }
}

/// The signature of a manifest: `gate.json.sig`.
pub(super) fn signature(manifest: &Path) -> PathBuf {
    let mut name = manifest.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// The name of a file without its folder.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_beside_the_video() {
        let names = Names::of_video(Path::new("/usb/gate.3.MP4")).expect("a video");
        let path = |name: &str| Path::new("/usb").join(name);
        assert_eq!(names.video(0), path("gate.3.mp4"));
        assert_eq!(names.video(1), path("gate.3-2.mp4"));
        assert_eq!(names.boxes(), path("gate.3.boxes.jsonl"));
        assert_eq!(names.manifest(), path("gate.3.json"));
        assert_eq!(signature(&names.manifest()), path("gate.3.json.sig"));
        assert_eq!(names.public_key(), path("gate.3.pub.pem"));
        assert_eq!(Names::of_manifest(&path("gate.3.json")), names);
        for wrong in ["gate", "gate.mkv", ".mp4", "/", ""] {
            assert_eq!(Names::of_video(Path::new(wrong)), None, "{wrong}");
        }
    }
}
