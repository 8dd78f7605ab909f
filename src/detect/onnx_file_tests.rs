//! Metadata and weights in files made for the tests.

use std::io::Cursor;

use super::*;
use proptest::prelude::*;

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let tag = usize::from(number) << 3 | 2;
    [varint(tag), varint(content.len()), content.to_vec()].concat()
}

fn entry(number: u8, key: &str, value: &str) -> Vec<u8> {
    field(
        number,
        &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat(),
    )
}

fn scanned(file: Vec<u8>) -> Result<OnnxFile, String> {
    let length = file.len() as u64;
    OnnxFile::scan(Cursor::new(file), length)
}

#[test]
fn metadata_is_found_behind_other_fields() {
    let file = [
        vec![1 << 3, 0x88, 0x01],
        entry(14, "stride", "32"),
        entry(14, "names", "{0: 'person'}"),
        field(14, &[field(1, b"broken"), field(2, &[0xff])].concat()),
    ]
    .concat();
    let found = scanned(file).expect("a protobuf");
    assert_eq!(found.text("names"), Some("{0: 'person'}"));
    assert_eq!(found.text("stride"), Some("32"));
    assert_eq!(found.metadata["broken"], Err("it is not UTF-8".to_owned()));
    assert_eq!(found.text("absent"), None);
}

#[test]
fn weights_are_found_wherever_a_tensor_can_stand() {
    let tensor = |name: &str, location: &str, offset: &str| {
        [
            field(8, name.as_bytes()),
            entry(13, "location", location),
            entry(13, "offset", offset),
            entry(13, "length", "16"),
            vec![14 << 3, 1],
        ]
        .concat()
    };
    let inside = field(9, b"raw");
    let attribute = |content: &[u8]| field(1, &field(5, content));
    let graph = [
        field(5, &tensor("a", "x.data", "64")),
        field(5, &tensor("b", "x.data", "0")),
        field(5, &inside),
        attribute(&field(5, &tensor("c", "sub/y.data", "0"))),
        attribute(&field(6, &field(5, &tensor("d", "z", "0")))),
        field(15, &field(1, &tensor("e", "sparse", "0"))),
    ]
    .concat();
    let found = scanned(
        [
            field(7, &graph),
            field(
                25,
                &field(7, &field(5, &field(5, &tensor("f", "local", "0")))),
            ),
        ]
        .concat(),
    )
    .expect("a protobuf");
    let names: Vec<&str> = found.external.keys().map(String::as_str).collect();
    assert_eq!(names, ["local", "sparse", "sub/y.data", "x.data", "z"]);
    assert_eq!(
        found.external["x.data"],
        ExternalFile {
            least_bytes: 80,
            tensor: "a".to_owned(),
            is_explicit: true
        }
    );
}

#[test]
fn what_is_cut_off_is_an_error() {
    assert_eq!(
        scanned(vec![7 << 3 | 2, 100, 0]),
        Err("it is cut off in the field at byte 2".to_owned())
    );
    assert!(scanned(b"no ONNX at all".to_vec()).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = scanned(bytes.clone());
        let _ = scanned(field(7, &field(5, &bytes)));
    }
}
