//! Recognises files that are taken for ONNX files: those of other tools, archives, and what a failed download leaves. The
//! engines report only that they can't parse them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The bytes of a file that are looked at.
const HEAD_BYTES: u64 = 4096;

/// The reason why the file at `path` is no ONNX file, with the remedy; none if it may be one or can't be read.
pub(super) fn reason(path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?;
    // To open a pipe would block.
    if !metadata.is_file() {
        return Some("it can't be read: it is not a regular file".to_owned());
    }
    let mut head = Vec::new();
    let file = File::open(path).ok()?;
    file.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    let (kind, remedy) = kind_of(&head)?;
    Some(format!("it is {kind}; {remedy}"))
}

/// The kind of a file by its first bytes, and the remedy.
fn kind_of(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const EXPORT: &str = "export the model as ONNX (for Ultralytics: `yolo export format=onnx`)";
    const UNPACK: &str = "unpack it, and import the ONNX file in it";
    const AGAIN: &str = "download the ONNX file again, by the address of the file itself";
    let has = |text: &[u8]| head.windows(text.len()).any(|found| found == text);
    let at =
        |place: usize, text: &[u8]| head.get(place..).is_some_and(|rest| rest.starts_with(text));
    let text = head.trim_ascii_start().to_ascii_lowercase();
    Some(match head {
        [] => ("empty", "copy or download it again"),
        [b'P', b'K', 3, 4, ..] if has(b".pkl") => ("a file of PyTorch", EXPORT),
        [b'P', b'K', 3, 4, ..] => ("a ZIP archive", UNPACK),
        [0x80, 2..=5, ..] => ("a file of PyTorch or Python", EXPORT),
        [0x1f, 0x8b, ..] => ("compressed with gzip", UNPACK),
        [0x89, b'H', b'D', b'F', ..] => ("a file of Keras (HDF5)", EXPORT),
        [b'f', b't', b'r', b't', ..] => (
            "an engine of TensorRT",
            "import the ONNX file from which it was built, and build the engine with `nvr model build`",
        ),
        _ if at(4, b"TFL3") => ("a file of TensorFlow Lite", EXPORT),
        _ if at(8, b"{\"") => ("a file of weights alone (safetensors)", EXPORT),
        _ if at(257, b"ustar") => ("a tar archive", UNPACK),
        _ if text.starts_with(b"version https://git-lfs") => (
            "a pointer of Git LFS and not the file itself",
            "fetch the file with `git lfs pull`",
        ),
        _ if text.starts_with(b"<!doctype html") || text.starts_with(b"<html") => {
            ("a page in HTML", AGAIN)
        }
        _ if text.starts_with(b"<?xml") || text.starts_with(b"<net") => {
            ("XML, as OpenVINO writes it", EXPORT)
        }
        _ if text.starts_with(b"{\"") => ("JSON", AGAIN),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_named() {
        let tar = [&[b'm'; 257][..], b"ustar\x0000"].concat();
        for (head, wanted) in [
            (&b""[..], "empty"),
            (b"PK\x03\x04\x14\0best/data.pkl", "a file of PyTorch"),
            (b"PK\x03\x04\x14\0model.onnx", "a ZIP archive"),
            (b"\x80\x02}q\0.", "a file of PyTorch or Python"),
            (b"\x1f\x8b\x08\0", "compressed with gzip"),
            (b"\x89HDF\r\n\x1a\n", "a file of Keras (HDF5)"),
            (b"ftrt\0\0", "an engine of TensorRT"),
            (b"\x1c\0\0\0TFL3", "a file of TensorFlow Lite"),
            (
                b"\x40\0\0\0\0\0\0\0{\"a\":{}}",
                "a file of weights alone (safetensors)",
            ),
            (&tar[..], "a tar archive"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "a pointer of Git LFS and not the file itself",
            ),
            (b"\n<!DOCTYPE html>", "a page in HTML"),
            (b"<?xml version=\"1.0\"?>", "XML, as OpenVINO writes it"),
            (b"{\"message\":\"Not Found\"}", "JSON"),
        ] {
            assert_eq!(kind_of(head).map(|(kind, _)| kind), Some(wanted));
        }
        // The start of an ONNX file of PyTorch.
        assert_eq!(kind_of(b"\x08\x08\x12\x07pytorch\x1a\x052.1.0"), None);
        assert_eq!(kind_of(b"text"), None);
    }
}
