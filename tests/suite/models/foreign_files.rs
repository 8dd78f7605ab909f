//! Files that are no ONNX files, or not whole: refused with their kind and the remedy.

use nvr::detect::OutputFormat;

use super::{INPUT, ModelDir};
use crate::support::onnx::TinyNetwork;
use crate::support::tiny::OBJECTS;

#[test]
fn a_file_that_is_not_onnx_is_named_with_its_remedy() {
    let whole = TinyNetwork::finding(OutputFormat::Yolov8, INPUT, 2, &OBJECTS).onnx();
    let place = ModelDir::finding(OutputFormat::Yolov8);
    for (content, reason) in [
        (
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"[..],
            "it is a pointer of Git LFS and not the file itself; fetch the file with `git lfs pull`",
        ),
        (
            b"PK\x03\x04\x14\0\0\0best/data.pkl",
            "it is a file of PyTorch; export the model as ONNX (for Ultralytics: `yolo export format=onnx`)",
        ),
        (
            b"<!doctype html><html></html>",
            "it is a page in HTML; download the ONNX file again, by the address of the file itself",
        ),
        (b"", "it is empty; copy or download it again"),
        (&whole[..200], "it is cut off in the field at byte "),
    ] {
        std::fs::write(place.onnx(), content).expect("written");
        let error = place.import().expect_err("no ONNX").to_string();
        assert!(error.contains(reason), "{error}");
    }
    // The attempts leave no files.
    let left = std::fs::read_dir(place.models()).expect("models").count();
    assert_eq!(left, 0);
}
