//! The model that is run while the wanted one is missing.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::fleet::{DeviceRole, DocumentHash, ModelRef};

#[derive(Default)]
struct Shelf {
    fetched: BTreeSet<Version>,
    by_hand: Vec<Option<&'static str>>,
}

impl Stock for Shelf {
    fn has(&self, version: &Version) -> bool {
        self.fetched.contains(version)
    }

    fn any_of(&self, id: &str) -> Option<Version> {
        let mut fetched = self.fetched.iter();
        fetched.find(|version| version.id == id).cloned()
    }

    fn has_by_hand(&self, id: Option<&str>) -> bool {
        self.by_hand.contains(&id)
    }
}

/// A document whose model `m` comes from an archive with this content.
fn desired(content: &str) -> Desired {
    Desired {
        processor: Some(json!({ "processor": { "model": "m", "backend": "rten" } })),
        models: vec![ModelRef {
            id: "m".to_owned(),
            url: "https://models.example/m.tar".to_owned(),
            sha256: DocumentHash::of(content.as_bytes()),
            size: None,
        }],
        ..Desired::new(1, DeviceRole::Processor)
    }
}

fn choice(version: Option<&Version>, model: Option<&str>, backend: Option<&str>) -> Choice {
    Choice {
        version: version.cloned(),
        model: model.map(str::to_owned),
        backend: backend.map(str::to_owned),
    }
}

#[test]
fn the_wanted_version_comes_first_and_none_at_all_last() {
    let (new, old) = (Version::for_tests("m", "2"), Version::for_tests("m", "1"));
    let mut shelf = Shelf::default();
    let document = desired("2");
    let chosen = |shelf: &Shelf, in_use: Option<&Choice>| Choice::of(&document, shelf, in_use);
    let nothing = choice(None, Some("m"), Some("none"));
    assert_eq!(chosen(&shelf, None), nothing);
    // What runs goes on, if it is still there.
    let other = choice(None, Some("other"), Some("auto"));
    assert_eq!(chosen(&shelf, Some(&other)), nothing);
    shelf.by_hand.push(Some("other"));
    assert_eq!(chosen(&shelf, Some(&other)), other);
    let scripted = choice(None, None, Some("scripted"));
    assert_eq!(chosen(&shelf, Some(&scripted)), scripted);
    // The same model by hand, an earlier version of it, the version itself.
    let by_hand = choice(None, Some("m"), Some("rten"));
    shelf.by_hand.push(Some("m"));
    assert_eq!(chosen(&shelf, Some(&other)), by_hand);
    shelf.fetched.insert(old.clone());
    let earlier = choice(Some(&old), Some("m"), Some("rten"));
    assert_eq!(chosen(&shelf, Some(&other)), earlier);
    assert_eq!(chosen(&shelf, Some(&earlier)), earlier);
    shelf.fetched.insert(new.clone());
    let wanted = choice(Some(&new), Some("m"), Some("rten"));
    assert_eq!(chosen(&shelf, Some(&earlier)), wanted);
}

#[test]
fn a_document_without_a_model_by_url_is_left_as_it_is() {
    let mut document = desired("1");
    document.models.clear();
    let as_written = choice(None, Some("m"), Some("rten"));
    assert_eq!(Choice::of(&document, &Shelf::default(), None), as_written);
    let mut document = desired("1");
    document.processor = Some(json!({ "processor": { "backend": "scripted" } }));
    let scripted = choice(None, None, Some("scripted"));
    assert_eq!(Choice::of(&document, &Shelf::default(), None), scripted);
    assert_eq!(wanted(&document), None);
    assert!(
        !uses_engines(&document)
            && uses_engines(&Desired {
                processor: Some(json!({})),
                ..document
            })
    );
}

#[test]
fn the_default_model_may_come_by_url_as_well() {
    let mut document = desired("1");
    document.processor = Some(json!({}));
    document.models[0].id = PUBLISHED_DEFAULT.to_owned();
    let version = Version::for_tests(PUBLISHED_DEFAULT, "1");
    assert_eq!(wanted(&document), Some(version));
}

#[test]
fn a_choice_replaces_model_and_backend_of_a_configuration() {
    let mut config =
        json!({ "processor": { "model": "m", "backend": "rten", "threads": 2 }, "x": 1 });
    let stand_in = choice(None, None, Some("scripted"));
    stand_in.put_into(&mut config, vec!["/a".to_owned()]);
    let wanted = json!({
        "processor": { "backend": "scripted", "threads": 2 }, "x": 1, "models_dirs": ["/a"],
    });
    assert_eq!(config, wanted);
    let mut config = json!({});
    choice(None, Some("m"), None).put_into(&mut config, Vec::new());
    assert_eq!(config, json!({ "processor": { "model": "m" } }));
}

#[test]
fn what_runs_is_told_in_words() {
    let version = Version::for_tests("m", "1");
    for (choice, words) in [
        (choice(None, Some("m"), Some("none")), "no detector"),
        (choice(None, Some("m"), None), "m"),
        (choice(None, None, None), "the default model"),
        (choice(None, None, Some("scripted")), "the backend scripted"),
    ] {
        assert_eq!(choice.to_string(), words);
    }
    let fetched = choice(Some(&version), Some("m"), None).to_string();
    assert_eq!(fetched, version.to_string());
}
