use std::process::Command;

use proptest::prelude::*;

use super::super::testing::Folder;
use super::*;
use crate::base::{PrivateKey, write_key_pair};
use crate::record::testing::Camera;

/// An export with two videos.
fn exported() -> Folder {
    let folder = Folder::new();
    let mut camera = Camera::new();
    let first = camera.group(5);
    camera.format = crate::record::testing::format(1280);
    let second = camera.group(5);
    let until = second[4].captured_unix;
    let from = first[0].captured_unix;
    folder.record(&[first]);
    folder.record(&[second]);
    folder.export(from, until).expect("an export");
    folder
}

fn manifest(folder: &Folder) -> PathBuf {
    folder.exports.path().join("gate.json")
}

fn problems(folder: &Folder, key: Option<&Path>) -> Vec<String> {
    let verified = verify(&manifest(folder), key).expect("readable");
    let problems = verified.problems.into_iter();
    problems
        .map(|problem| format!("{}: {}", file_name(&problem.path), problem.reason))
        .collect()
}

#[test]
fn an_unchanged_export_has_no_problems() {
    let folder = exported();
    let verified = verify(&manifest(&folder), None).expect("readable");
    assert_eq!((verified.problems, verified.is_key_known), (vec![], false));
    let said = verified.said.expect("a manifest");
    assert_eq!((said.videos, said.frames, said.source.0), (2, 10, 3));
    assert_eq!(said.first_captured, "2026-11-28T08:30:00.323Z");
    assert_eq!(said.last_captured, "2026-11-28T08:30:02.123Z");
    let key = folder.exports.path().join("gate.pub.pem");
    let verified = verify(&manifest(&folder), Some(&key)).expect("readable");
    assert_eq!((verified.problems, verified.is_key_known), (vec![], true));
}

#[test]
fn an_export_of_another_box_is_told() {
    let folder = exported();
    let other = PrivateKey::generate().expect("a key");
    let file = folder.dir().join("other.pem");
    let public = write_key_pair(&other, &file).expect("written");
    let found = problems(&folder, Some(&public));
    let told = format!("not with the given key {}", other.public().id());
    assert!(
        matches!(&*found, [one] if one.ends_with(&told)),
        "{found:?}"
    );
}

#[test]
fn a_missing_file_is_told() {
    for name in [
        "gate-2.mp4",
        "gate.boxes.jsonl",
        "gate.json.sig",
        "gate.pub.pem",
    ] {
        let folder = exported();
        std::fs::remove_file(folder.exports.path().join(name)).expect("removed");
        let told = format!("{name}: can't be read: No such file or directory (os error 2)");
        assert_eq!(problems(&folder, None), [told]);
    }
    let folder = exported();
    std::fs::remove_file(manifest(&folder)).expect("removed");
    let error = verify(&manifest(&folder), None).expect_err("no manifest");
    assert!(
        error.to_string().starts_with("can't read the manifest"),
        "{error}"
    );
}

#[test]
fn a_manifest_leads_to_no_other_folder() {
    let folder = exported();
    let text = String::from_utf8(folder.exported("gate.json")).expect("UTF-8");
    let text = text.replace("\"gate.mp4\"", "\"../gate.mp4\"");
    std::fs::write(manifest(&folder), text).expect("written");
    let found = problems(&folder, None).join("\n");
    assert!(
        found.contains("lists `../gate.mp4`, which is not a name in its folder"),
        "{found}"
    );
}

#[test]
fn openssl_and_sha256sum_agree() {
    let folder = exported();
    let parsed = folder.manifest();
    for file in parsed.files() {
        let mut sum = Command::new("sha256sum");
        sum.arg(&file.file).current_dir(folder.exports.path());
        let out = sum.output().expect("sha256sum");
        let expected = format!("{}  {}\n", file.sha256, file.file);
        assert_eq!(String::from_utf8(out.stdout).expect("UTF-8"), expected);
    }
    let check = || {
        let mut openssl = Command::new("openssl");
        openssl.args([
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            "gate.pub.pem",
            "-rawin",
        ]);
        openssl.args(["-in", "gate.json", "-sigfile", "gate.json.sig"]);
        let out = openssl.current_dir(folder.exports.path()).output();
        let out = out.expect("openssl");
        (
            out.status.success(),
            String::from_utf8_lossy(&out.stdout).into_owned(),
        )
    };
    assert_eq!(
        check(),
        (true, "Signature Verified Successfully\n".to_owned())
    );
    let mut changed = folder.exported("gate.json");
    changed[30] ^= 1;
    std::fs::write(manifest(&folder), changed).expect("written");
    assert!(!check().0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Positions at random in each file, and both ends.
    #[test]
    fn any_flipped_byte_is_told_with_its_file(seed: u64, flip in 1_u8..) {
        let folder = exported();
        let mut random = fastrand::Rng::with_seed(seed);
        for name in folder.names() {
            let path = folder.exports.path().join(&name);
            let sound = folder.exported(&name);
            // No frame was analysed.
            if sound.is_empty() {
                continue;
            }
            let at = [0, sound.len() - 1, random.usize(..sound.len()), random.usize(..sound.len())];
            for at in at {
                let mut changed = sound.clone();
                changed[at] ^= flip;
                std::fs::write(&path, changed).expect("written");
                let found = problems(&folder, None);
                prop_assert!(found.iter().any(|one| one.contains(&name)), "{name} {at} {found:?}");
            }
            std::fs::write(&path, &sound).expect("written");
        }
        prop_assert_eq!(problems(&folder, None), Vec::<String>::new());
    }
}

#[test]
fn a_video_with_other_frames_than_the_manifest_says_is_told() {
    let folder = exported();
    let path = folder.exports.path().join("gate.mp4");
    let entry = folder.manifest().videos[0].file.clone();
    assert_eq!(check_file(&path, &entry, true), Ok(()));
    let more = FileEntry { frames: 6, ..entry };
    assert_eq!(
        check_file(&path, &more, true),
        Err("has 5 frames, not 6".to_owned())
    );
}
