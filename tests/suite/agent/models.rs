//! Models by URL, from a server with faults to the processor that runs them.

use nvr::base::Size;
use nvr::detect::{ImportRequest, OutputFormat, Range, import};
use nvr::fleet::DocumentHash;
use serde_json::{Value, json};

use super::stage::{FIRST, Stage, codes, document, sources};
use crate::support::file_server::{FileServer, Manner, Served};
use crate::support::onnx::TinyNetwork;
use crate::support::tiny::OBJECTS;
use crate::support::wait::{SOON, until_true};

/// A tar archive of a model's folder. Archives with different notes are different versions of the model.
fn archive(note: &str) -> Vec<u8> {
    packed(note, |graph| graph)
}

fn packed(note: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("tiny.onnx");
    let network = TinyNetwork::finding(OutputFormat::Yolov8, Size::new(96, 64), 2, &OBJECTS);
    std::fs::write(&file, network.onnx()).expect("written");
    let request = ImportRequest {
        file,
        id: "tiny".to_owned(),
        range: Some(Range::Unit),
        labels: Some(vec!["person".to_owned(), "van".to_owned()]),
        ..ImportRequest::default()
    };
    let model = import(&request, &[dir.path().join("models")])
        .expect("imported")
        .model;
    let graph = std::fs::read(model.onnx()).expect("a graph");
    let changed = change(graph.clone());
    let hash = |bytes: &[u8]| DocumentHash::of(bytes).to_string();
    let manifest = std::fs::read_to_string(&model.manifest_path).expect("a manifest");
    let manifest = manifest
        .replace(&hash(&graph), &hash(&changed))
        .replace(&format!("bytes = {}", graph.len()), "");
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in [
        ("model.toml", manifest.as_bytes()),
        ("model.onnx", &*changed),
        ("NOTE", note.as_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("tiny-folder/{name}"), content)
            .expect("in memory");
    }
    tar.into_inner().expect("in memory")
}

fn served(content: &[u8], manner: Manner) -> Served {
    Served {
        content: content.to_owned(),
        tag: Some("1"),
        manner,
    }
}

/// A document whose processor runs the model `tiny` from `url`.
fn with_model(generation: u64, ids: &[u32], url: &str, archive: &[u8]) -> Value {
    let mut body = sources(ids);
    body["processor"] = json!({"backend": "rten", "threads": 1, "model": "tiny"});
    let mut document = document(generation, body);
    document["models"] = json!([{
        "id": "tiny", "url": url, "sha256": DocumentHash::of(archive), "size": archive.len(),
    }]);
    document
}

/// The first model of a report: its phase, and the code of its error.
fn model(reported: &Value) -> (&str, Option<&str>) {
    let model = &reported["models"][0];
    (
        model["phase"].as_str().unwrap_or_default(),
        model["error"]["code"].as_str(),
    )
}

fn has_warning(reported: &Value, code: &str) -> bool {
    codes(&reported["warnings"]).contains(&code.to_owned())
}

/// Model and backend that the processor runs.
fn detector(stage: &Stage) -> Option<(String, String)> {
    let status = stage.control("processor", &["status"])?;
    let text = |key: &str| Some(status["detector"][key].as_str()?.to_owned());
    Some((text("model")?, text("backend")?))
}

fn runs(stage: &Stage, model: &str, backend: &str) {
    let wanted = Some((model.to_owned(), backend.to_owned()));
    until_true("the detector", FIRST, || detector(stage) == wanted);
}

/// The folder that the processor searches first.
fn first_dir(stage: &Stage) -> String {
    let path = stage.runtime.join("roles-box-1/processor.json");
    let text = std::fs::read_to_string(path).expect("a configuration");
    let config: Value = serde_json::from_str(&text).expect("JSON");
    config["models_dirs"][0]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_model_is_fetched_over_an_interruption_and_a_new_version_is_swapped_in() {
    let server = FileServer::start();
    let mut stage = Stage::new();
    stage.start();
    let (first, second) = (archive("1"), archive("2"));
    let url = server.serve("tiny.tar", served(&first, Manner::Silent));
    stage.desire(&with_model(1, &[0], &url, &first));
    // The rest of the document is applied without the model.
    let applied = stage.phase(1, "applied");
    assert_eq!(model(&applied), ("fetching", None), "{applied}");
    assert!(has_warning(&applied, "model-not-ready"), "{applied}");
    runs(&stage, "none", "none");
    let status = stage.control("processor", &["status"]).expect("it runs");
    assert_eq!(status["sources"][0]["state"], "paused");
    // Half of it has come when the agent ends; the next one fetches the rest.
    stage.agent().signal("TERM");
    stage.agent().end(SOON);
    server.serve("tiny.tar", served(&first, Manner::Cut(100, 1)));
    stage.start();
    let is_ready = |reported: &Value| {
        reported["generation"] == 1
            && model(reported) == ("ready", None)
            && !has_warning(reported, "model-not-ready")
    };
    stage.reported(is_ready);
    runs(&stage, "tiny", "rten");
    stage.flows(0);
    let half = first.len() / 2;
    let starts = [half, half + 100].map(|at| Some(format!("bytes={at}-")));
    let requests = server.requests("tiny.tar");
    assert_eq!(requests[requests.len() - 2..], starts, "{requests:?}");
    // Another version of the same model. Until it can be had, the old one runs.
    let process = stage.role_process();
    let url = server.serve("new.tar", served(&second, Manner::Refuse(404, "")));
    let old_dir = first_dir(&stage);
    stage.desire(&with_model(2, &[0], &url, &second));
    let failed = stage.reported(|reported| {
        reported["generation"] == 2 && model(reported) == ("failed", Some("fetch-failed"))
    });
    assert_eq!(
        failed["phase"], "applied",
        "nothing but the model has changed"
    );
    assert!(has_warning(&failed, "model-not-ready"), "{failed}");
    assert_eq!(first_dir(&stage), old_dir);
    server.serve("new.tar", served(&second, Manner::NoParts));
    stage.reported(|reported| {
        reported["generation"] == 2
            && model(reported) == ("ready", None)
            && !has_warning(reported, "model-not-ready")
    });
    let hash = DocumentHash::of(&second).to_string();
    until_true("the new folder", FIRST, || {
        first_dir(&stage).ends_with(&hash)
    });
    assert_eq!(stage.role_process(), process, "the role was not restarted");
    runs(&stage, "tiny", "rten");
    stage.flows(0);
    // The same once more: nothing is fetched.
    let before = server.requests("new.tar").len();
    stage.desire(&with_model(3, &[0, 1], &url, &second));
    stage.phase(3, "applied");
    assert_eq!(server.requests("new.tar").len(), before);
}

#[test]
fn a_model_that_cant_be_had_does_not_hold_up_the_rest() {
    let server = FileServer::start();
    let mut stage = Stage::applied(&[0]);
    let wanted = archive("1");
    let url = server.serve("tiny.tar?token=hunter2", Served::default());
    let mut other = wanted.clone();
    other[600] ^= 1;
    server.serve("tiny.tar", served(&other, Manner::Right));
    let mut desired = with_model(2, &[0, 1], &url, &wanted);
    let endless = server.serve("endless.tar", served(b"", Manner::Endless));
    let models = desired["models"].as_array_mut().expect("a list");
    let sha256 = DocumentHash::of(b"");
    models.push(json!({"id": "endless", "url": endless, "sha256": sha256, "size": 5000}));
    stage.desire(&desired);
    let applied = stage.phase(2, "applied");
    let second = &applied["models"][1];
    assert_eq!(second["error"]["code"], "wrong-content", "{applied}");
    assert_eq!(
        model(&applied),
        ("failed", Some("wrong-content")),
        "{applied}"
    );
    let error = &applied["models"][0]["error"];
    assert_eq!(error["path"], "models[0]");
    let told = error["message"].as_str().expect("a text");
    assert!(
        told.contains(&DocumentHash::of(&other).to_string()),
        "{told}"
    );
    assert!(!applied.to_string().contains("hunter2"), "{applied}");
    assert!(has_warning(&applied, "model-not-ready"), "{applied}");
    // What ran before stands in, also after a restart.
    runs(&stage, "scripted", "scripted");
    stage.flows(1);
    stage.agent().signal("TERM");
    stage.agent().end(SOON);
    stage.start();
    stage.flows(1);
    runs(&stage, "scripted", "scripted");
    // A document without the model takes all of it back.
    stage.desire(&document(3, sources(&[1])));
    let applied = stage.phase(3, "applied");
    assert_eq!(applied["models"], Value::Null);
    assert!(!has_warning(&applied, "model-not-ready"), "{applied}");
}

#[test]
fn a_model_that_cant_be_loaded_leaves_the_former_one_in_use() {
    let server = FileServer::start();
    let mut stage = Stage::new();
    stage.start();
    let good = archive("1");
    let url = server.serve("tiny.tar", served(&good, Manner::Right));
    stage.desire(&with_model(1, &[0], &url, &good));
    stage.phase(1, "applied");
    runs(&stage, "tiny", "rten");
    let process = stage.role_process();
    let bad = packed("2", |graph| graph[..graph.len() / 2].to_vec());
    let url = server.serve("bad.tar", served(&bad, Manner::Right));
    stage.desire(&with_model(2, &[0], &url, &bad));
    let refused = stage.reported(|reported| {
        reported["generation"] == 2 && model(reported) == ("failed", Some("not-loaded"))
    });
    assert_eq!(refused["phase"], "applied");
    assert!(has_warning(&refused, "model-not-ready"), "{refused}");
    let hash = DocumentHash::of(&good).to_string();
    until_true("the former model", FIRST, || {
        first_dir(&stage).ends_with(&hash)
    });
    runs(&stage, "tiny", "rten");
    assert_eq!(stage.role_process(), process, "the role was not restarted");
    // Its files are gone, and it is not fetched again.
    let folder = stage.state.join("models/installed");
    let installed = std::fs::read_dir(folder).expect("a folder").count();
    assert_eq!((installed, server.requests("bad.tar").len()), (1, 1));
}

#[test]
fn a_bare_onnx_file_behind_a_redirect_is_imported() {
    let server = FileServer::start();
    let mut stage = Stage::new();
    stage.start();
    let mut network = TinyNetwork::finding(OutputFormat::Yolov8, Size::new(96, 64), 2, &OBJECTS);
    network.metadata = vec![("names".to_owned(), "{0: 'person', 1: 'van'}".to_owned())];
    let onnx = network.onnx();
    let there = server.serve("tiny.onnx", served(&onnx, Manner::Right));
    let url = server.serve("latest", served(b"", Manner::Moved(there)));
    stage.desire(&with_model(1, &[0], &url, &onnx));
    stage.reported(|reported| model(reported) == ("ready", None) && reported["phase"] == "applied");
    runs(&stage, "tiny", "rten");
}
