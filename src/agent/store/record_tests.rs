use proptest::prelude::*;

use super::*;
use crate::agent::attempts::{Failure, Verdict};
use crate::agent::codes;
use crate::fleet::DocumentError;
use crate::fleet::DocumentHash;

/// Golden files: written by version 1.0, and as a later minor version will write them.
const DOCUMENT_1_0: &[u8] = include_bytes!("golden/document-1.0.bin");
const ATTEMPTS_1_0: &[u8] = include_bytes!("golden/attempts-1.0.bin");
const DOCUMENT_1_9: &[u8] = include_bytes!("golden/document-1.9.bin");
const ATTEMPTS_1_9: &[u8] = include_bytes!("golden/attempts-1.9.bin");

fn id(generation: u64, payload: &[u8]) -> DocumentId {
    DocumentId {
        generation,
        sha256: DocumentHash::of(payload),
    }
}

fn golden_document() -> StoredDocument {
    let bytes = br#"{"schema": 1, "generation": 17, "role": "processor"}"#;
    StoredDocument {
        id: id(17, bytes),
        received: Some("2026-10-25T10:30:00.5Z".parse().expect("a time")),
        bytes: Arc::from(&bytes[..]),
    }
}

fn golden_attempts() -> Attempts {
    let mut attempts = Attempts::default();
    attempts.begin(&id(16, b"good"));
    attempts.promote(&id(16, b"good"));
    attempts.begin(&id(17, b"bad"));
    let problem = DocumentError::new(
        "processor.camera[1]",
        codes::SOURCE_LOST,
        "source 1 stopped",
    );
    let failure = Failure {
        errors: vec![problem],
        log: vec!["WARN no RTP packet for 5 s".to_owned()],
    };
    attempts.fail(&id(17, b"bad"), failure);
    attempts.begin(&id(18, b"now"));
    attempts
}

/// A record as newer firmware may write it: a higher minor version, reserved bytes in use, and added keys.
fn newer(record: &[u8], edit: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let (metadata, body): (serde_json::Value, _) = decode(record).expect("a record");
    let mut metadata = metadata;
    edit(&mut metadata);
    let mut record = encode(&metadata, body);
    record[9] = 9;
    record[10] = 0x5a;
    let crc = checksum(&record);
    record[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    record
}

/// Compares each golden file with what is written today. With `NVR_UPDATE` set, files that do not exist yet are written, for a new
/// version; those of published versions never change.
#[test]
fn the_golden_files_are_what_is_written() {
    let document = of_document(&golden_document());
    let attempts = of_attempts(&golden_attempts());
    let newer_document = newer(&document, |metadata| {
        metadata["origin"] = serde_json::json!({"broker": "b", "retained": true});
    });
    let newer_attempts = newer(&attempts, |metadata| {
        metadata["epoch"] = 7.into();
        metadata["entries"][2]["outcome"] = "postponed".into();
        metadata["entries"][2]["until"] = "2027-01-01T00:00:00Z".into();
    });
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/agent/store/golden");
    for (name, written) in [
        ("document-1.0.bin", document),
        ("attempts-1.0.bin", attempts),
        ("document-1.9.bin", newer_document),
        ("attempts-1.9.bin", newer_attempts),
    ] {
        let path = std::path::Path::new(folder).join(name);
        if std::env::var_os("NVR_UPDATE").is_some() && !path.exists() {
            std::fs::write(&path, &written).expect("the folder is writable");
        }
        let golden = std::fs::read(&path).unwrap_or_default();
        assert!(
            golden == written,
            "{name} is not what is written today; if it is the file of a new version, write it with NVR_UPDATE=1"
        );
    }
}

#[test]
fn the_published_version_is_read() {
    assert_eq!(document(DOCUMENT_1_0), Ok(golden_document()));
    assert_eq!(attempts(ATTEMPTS_1_0), Ok(golden_attempts()));
}

#[test]
fn records_of_newer_firmware_are_readable_after_a_rollback() {
    assert_eq!(DOCUMENT_1_9[9], 9);
    assert_eq!(document(DOCUMENT_1_9), Ok(golden_document()));
    let read = attempts(ATTEMPTS_1_9).expect("readable");
    assert_eq!(read.highest, 18);
    assert!(read.is_good(&id(16, b"good")));
    // An outcome that this version does not know counts as failed.
    let verdict = read.verdict(&id(18, b"now"), 9);
    assert_eq!(verdict, Verdict::Failed(Failure::default()));
}

#[test]
fn another_major_version_is_named() {
    let mut record = DOCUMENT_1_0.to_vec();
    record[8] = 2;
    let crc = checksum(&record);
    record[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    let error = document(&record).expect_err("another version");
    assert_eq!(error, RecordError::Version { found: 2 });
    assert_eq!(
        error.to_string(),
        "it has format 2, and this firmware reads format 1; newer firmware wrote it"
    );
}

#[test]
fn every_flipped_bit_and_every_missing_byte_is_detected() {
    for golden in [DOCUMENT_1_0, DOCUMENT_1_9] {
        for bit in 0..golden.len() * 8 {
            let mut record = golden.to_vec();
            record[bit / 8] ^= 1 << (bit % 8);
            document(&record).expect_err(&format!("bit {bit} was flipped"));
        }
        for length in 0..golden.len() {
            document(&golden[..length]).expect_err(&format!("cut to {length} bytes"));
            let mut zeros = golden.to_vec();
            zeros[length..].fill(0);
            document(&zeros).expect_err(&format!("zeros from byte {length}"));
        }
    }
}

#[test]
fn an_attempts_record_is_no_document() {
    let error = document(ATTEMPTS_1_0).expect_err("another kind");
    assert!(matches!(error, RecordError::Metadata(_)), "{error}");
}

proptest! {
    #[test]
    fn any_document_reads_back(
        generation: u64,
        bytes in proptest::collection::vec(any::<u8>(), 0..2048),
        seconds in proptest::option::of(0_i64..4_000_000_000),
    ) {
        let stored = StoredDocument {
            id: id(generation, &bytes),
            received: seconds.map(|at| Timestamp::from_second(at).expect("in range")),
            bytes: Arc::from(bytes),
        };
        prop_assert_eq!(document(&of_document(&stored)), Ok(stored));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256), start in 0..3_usize) {
        let mut record = [&MAGIC[..], &[1, 0, 0, 0]].concat();
        record.truncate([0, 8, 12][start]);
        record.extend(bytes);
        let _ = document(&record);
        let _ = attempts(&record);
    }
}
