//! Where models are found, and the errors for missing ones.

use sha2::{Digest as _, Sha256};

use super::*;

fn install(dir: &Path, id: &str, manifest: bool, weights: Option<&[u8]>) {
    let dir = dir.join(id);
    std::fs::create_dir_all(&dir).expect("a directory");
    if manifest {
        let text = format!(
            "labels = [\"person\"]\nfiles = [{{ name = \"model.onnx\", sha256 = \"{:x}\" }}]\n\
                 [input]\nwidth = 64\nheight = 64\n[output]\nformat = \"end2end\"\n",
            Sha256::digest(b"weights")
        );
        std::fs::write(dir.join("model.toml"), text).expect("a manifest");
    }
    if let Some(weights) = weights {
        std::fs::write(dir.join("model.onnx"), weights).expect("weights");
    }
}

fn store(dirs: &[&tempfile::TempDir]) -> ModelStore {
    ModelStore::new(dirs.iter().map(|dir| dir.path().to_owned()).collect())
}

#[test]
fn manifest_and_weights_may_lie_in_two_directories() {
    let (checkout, cache) = (
        tempfile::tempdir().expect("t"),
        tempfile::tempdir().expect("t"),
    );
    install(checkout.path(), "small", true, None);
    install(cache.path(), "small", false, Some(b"weights"));
    let model = store(&[&checkout, &cache])
        .find("small")
        .expect("it is there");
    assert_eq!(model.onnx(), cache.path().join("small/model.onnx"));
    assert!(model.manifest_path.starts_with(checkout.path()));
    model.verify().expect("its hash is right");
}

#[test]
fn a_model_that_is_not_there_is_answered_with_those_that_are() {
    let dir = tempfile::tempdir().expect("t");
    install(dir.path(), "small", true, Some(b"weights"));
    install(dir.path(), "without-weights", true, None);
    let store = store(&[&dir]);
    let path = dir.path().display();
    assert_eq!(
        store.find("large").expect_err("not there").to_string(),
        format!(
            "model large is not installed: no manifest large/model.toml in {path}; installed are small; \
                 add one with `nvr model import FILE.onnx --id large`"
        )
    );
    assert_eq!(
        store
            .find("without-weights")
            .expect_err("not whole")
            .to_string(),
        format!(
            "model without-weights is not installed: its manifest is {path}/without-weights/model.toml, but \
                 model.onnx is in none of {path}/without-weights; installed are small; add one with \
                 `nvr model import FILE.onnx --id without-weights`"
        )
    );
}

#[test]
fn a_damaged_file_is_told_with_both_hashes() {
    let dir = tempfile::tempdir().expect("t");
    install(dir.path(), "small", true, Some(b"weightz"));
    let model = store(&[&dir]).find("small").expect("it is there");
    assert_eq!(
        model.verify().expect_err("damaged").to_string(),
        format!(
            "{}/small/model.onnx is damaged or another file: expected SHA-256 {:x}, found {:x}; fetch it again, \
                 or reinstall it with `nvr model import`",
            dir.path().display(),
            Sha256::digest(b"weights"),
            Sha256::digest(b"weightz")
        )
    );
}

#[test]
fn another_model_stands_in_only_where_the_published_default_is_not_there() {
    let dir = tempfile::tempdir().expect("t");
    let store = store(&[&dir]);
    install(dir.path(), "small", true, Some(b"weights"));
    let error = store.choose(&ModelChoice::Default).expect_err("no default");
    assert!(
        error.to_string().contains("nvr model default ID"),
        "{error}"
    );
    let file = store
        .set_default("small", &[dir.path().to_owned()])
        .expect("it can be written");
    let chosen = store.choose(&ModelChoice::Default).expect("a default");
    assert_eq!(
        (chosen.model.id.as_str(), chosen.named_by),
        ("small", Some(file))
    );
    install(dir.path(), PUBLISHED_DEFAULT, true, Some(b"weights"));
    let chosen = store.choose(&ModelChoice::Default).expect("the default");
    assert_eq!(
        (chosen.model.id.as_str(), chosen.named_by),
        (PUBLISHED_DEFAULT, None)
    );
}

#[test]
fn a_named_model_has_no_substitute() {
    let dir = tempfile::tempdir().expect("t");
    install(dir.path(), "small", true, Some(b"weights"));
    let store = store(&[&dir]);
    store
        .set_default("small", &[dir.path().to_owned()])
        .expect("it can be written");
    let named = ModelChoice::Named(PUBLISHED_DEFAULT.to_owned());
    assert!(matches!(
        store.choose(&named),
        Err(DetectError::NotInstalled { .. })
    ));
}

#[test]
fn a_directory_that_cannot_be_made_is_a_clear_error() {
    let dir = tempfile::tempdir().expect("t");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let below = file.join("models");
    let error = writable(std::slice::from_ref(&below)).expect_err("not writable");
    assert_eq!(
        error.to_string(),
        format!(
            "could not write {}: Not a directory (os error 20); name a directory that can be written with \
                 --models-dir DIR, or set NVR_CACHE to one",
            below.display()
        )
    );
    let dirs = [below, dir.path().join("other")];
    assert_eq!(writable(&dirs).expect("the second one"), dirs[1]);
}

#[test]
fn an_id_cannot_lead_out_of_its_directory() {
    for id in ["", "..", "a/b", ".hidden", "a b", &"x".repeat(65)] {
        assert!(matches!(check_id(id), Err(DetectError::Id { .. })), "{id}");
    }
    check_id("yolov8x-640").expect("a good id");
}
