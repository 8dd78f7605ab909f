//! What is told of models, which one is chosen, and which are removed.

use serde_json::json;
use tokio::sync::mpsc;

use super::super::library::{Record, install};
use super::*;
use crate::fleet::{DeviceRole, DocumentHash, ModelRef};

const DAY: Duration = Duration::from_secs(86_400);

struct Site {
    _dir: tempfile::TempDir,
    _events: mpsc::Receiver<ModelEvent>,
    models: Models,
}

impl Site {
    fn new(dirs: Option<Vec<PathBuf>>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (sender, events) = mpsc::channel(16);
        let options = ModelOptions {
            state_dir: dir.path().to_owned(),
            configs: dir.path().join("roles"),
            program: "/nonexistent/nvr".into(),
            keep: 7 * DAY,
            dirs,
            ca: None,
        };
        Self {
            models: Models::open(options, Clock::system(), sender),
            _dir: dir,
            _events: events,
        }
    }

    fn event(&mut self, version: &Version, progress: Progress) {
        if matches!(progress, Progress::Ready(_)) {
            let (places, id) = (&self.models.places, &version.id);
            std::fs::create_dir_all(places.staging().join(id)).expect("made");
            let record = Record::new(version.clone());
            install(places, &places.staging(), &record).expect("installed");
        }
        let version = version.clone();
        self.models.event(ModelEvent { version, progress });
    }

    fn state(&self, desired: &Desired) -> (ModelPhase, Option<String>) {
        let state = self.models.states(desired).remove(0);
        (state.phase, state.error.map(|error| error.to_string()))
    }
}

/// A document whose model `m` has this content. No server has it.
fn desired(content: &str) -> Desired {
    Desired {
        processor: Some(json!({
            "models_dirs": ["/other"],
            "processor": { "model": "m", "backend": "rten" },
        })),
        models: vec![ModelRef {
            id: "m".to_owned(),
            url: "http://127.0.0.1:1/m.tar".to_owned(),
            sha256: DocumentHash::of(content.as_bytes()),
            size: None,
        }],
        ..Desired::new(1, DeviceRole::Processor)
    }
}

fn at(days: i64) -> Option<Timestamp> {
    Timestamp::from_second(1_800_000_000 + days * 86_400).ok()
}

#[test]
fn a_model_is_told_from_its_fetching_to_its_end() {
    let mut site = Site::new(None);
    let document = desired("1");
    let version = Version::of(&document.models[0]);
    site.models.follow(&[&document], std::iter::empty(), None);
    assert_eq!(site.state(&document), (ModelPhase::Fetching, None));
    assert!(site.models.has_changed() && !site.models.has_changed());
    site.event(&version, Progress::Failed(Fault::fetch("no route")));
    let told = "models[0]: no route (fetch-failed)".to_owned();
    assert_eq!(site.state(&document), (ModelPhase::Failed, Some(told)));
    site.event(&version, Progress::Building);
    assert_eq!(site.state(&document), (ModelPhase::Building, None));
    let stand_in = site.models.choose(&document);
    assert_eq!(stand_in.to_string(), "no detector");
    let warnings = site.models.warnings(&document, Some(&stand_in));
    let wanted = format!(
        "processor.processor.model: the model {version} is not in use yet; until then no detector runs (model-not-ready)"
    );
    assert_eq!(warnings[0].to_string(), wanted);
    site.event(&version, Progress::Ready(Some("no GPU".to_owned())));
    assert_eq!(site.state(&document), (ModelPhase::Ready, None));
    let choice = site.models.choose(&document);
    assert_eq!(choice.version.as_ref(), Some(&version));
    let warnings = site.models.warnings(&document, Some(&choice));
    let codes: Vec<&str> = warnings.iter().map(|warning| &*warning.code).collect();
    assert_eq!(codes, ["engine-not-built"]);
    site.models.condemn(&version, "no such operator");
    let (phase, told) = site.state(&document);
    assert_eq!(phase, ModelPhase::Failed);
    assert!(told.is_some_and(|told| told.contains("no such operator") && told.ends_with("(not-loaded)")));
    assert_eq!(site.models.choose(&document), stand_in);
    // It is not fetched again by the same document.
    site.models.follow(&[&document], std::iter::empty(), None);
    assert_eq!(site.models.jobs, []);
}

#[test]
fn the_folder_of_the_version_comes_first_then_those_of_the_environment_or_the_document() {
    for (dirs, others) in [
        (None, json!(["/other"])),
        (Some(vec!["/set".into()]), json!(["/set"])),
    ] {
        let mut site = Site::new(dirs);
        let document = desired("1");
        let version = Version::of(&document.models[0]);
        let mut config = document.processor.clone().expect("a body");
        let choice = site.models.choose(&document);
        site.models.put_into(&mut config, &document, &choice);
        assert_eq!(config["models_dirs"], others);
        site.event(&version, Progress::Ready(None));
        let choice = site.models.choose(&document);
        site.models.put_into(&mut config, &document, &choice);
        let first = site.models.places.version(&version);
        let wanted = json!([first, others[0]]);
        assert_eq!(config["models_dirs"], wanted);
    }
}

#[test]
fn a_model_that_no_document_names_is_removed_by_its_age_unless_it_runs() {
    let mut site = Site::new(None);
    let (old, other, third) = (desired("1"), desired("2"), desired("3"));
    let (a, b) = (Version::of(&old.models[0]), Version::of(&other.models[0]));
    let kept = [old, other];
    site.models.follow(&[], kept.iter(), at(0));
    site.event(&a, Progress::Ready(None));
    site.event(&b, Progress::Ready(None));
    let runs = site.models.choose(&kept[1]);
    site.models.runs(&runs);
    site.models.follow(&[], std::iter::empty(), at(1));
    site.models.follow(&[], [third].iter(), at(7));
    assert!(site.models.library.has(&a) && site.models.library.has(&b));
    site.models.follow(&[], std::iter::empty(), at(8));
    assert!(!site.models.library.has(&a) && site.models.library.has(&b));
    assert!(!site.models.places.version(&a).exists());
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while site.models.library.has_removed() {
        assert!(std::time::Instant::now() < until, "its files stay");
        std::thread::sleep(Duration::from_millis(5));
    }
    let failed = bad_model("bad").with(Retry::Never);
    site.event(&a, Progress::Failed(failed));
    assert!(site.models.is_final(&a));
}
