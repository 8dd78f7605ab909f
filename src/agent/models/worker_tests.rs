//! The thread from the list of jobs to installed models.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::super::fault::BAD_MODEL;
use super::super::library::Library;
use super::*;
use crate::fetch::codes;
use crate::fetch::file_server::{FileServer, Manner, Served};
use crate::fleet::DocumentHash;

/// Longest wait for an event.
const SOON: Duration = Duration::from_secs(20);

struct Site {
    _dir: tempfile::TempDir,
    places: Places,
    server: FileServer,
    worker: Worker,
    events: mpsc::Receiver<ModelEvent>,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let places = Places::new(dir.path());
        let (sender, events) = mpsc::channel(16);
        super::super::places::make(places.root()).expect("made");
        Self {
            worker: Worker::new(Tools {
                places: places.clone(),
                program: "/nonexistent/nvr".into(),
                ca: None,
                clock: Clock::system(),
                events: sender,
            }),
            _dir: dir,
            places,
            server: FileServer::start(),
            events,
        }
    }

    fn next(&mut self) -> (String, Progress) {
        let until = Instant::now() + SOON;
        loop {
            if let Ok(event) = self.events.try_recv() {
                return (event.version.id, event.progress);
            }
            assert!(Instant::now() < until, "no event");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_running(&self) -> bool {
        lock(&self.worker.shared.state).is_running
    }
}

/// A model's archive.
fn archive() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.tar.gz");
    let manifest = format!(
        "labels = [\"person\"]\nfiles = [{{ name = \"model.onnx\", sha256 = \"{}\" }}]\n\
         [input]\nwidth = 64\nheight = 64\n[output]\nformat = \"end2end\"\n",
        DocumentHash::of(b"graph")
    );
    let members = [
        ("model.toml".to_owned(), manifest),
        ("model.onnx".to_owned(), "graph".to_owned()),
    ];
    crate::base::archive::pack(&path, "m", &members, 0).expect("packed");
    std::fs::read(path).expect("a file")
}

fn job(id: &str, url: String, content: &[u8]) -> Job {
    Job {
        version: Version {
            id: id.to_owned(),
            sha256: DocumentHash::of(content),
        },
        url,
        size: None,
        builds_engine: false,
    }
}

fn served(content: &[u8], manner: Manner) -> Served {
    Served {
        content: content.to_owned(),
        tag: Some("1"),
        manner,
    }
}

#[test]
fn models_are_installed_one_after_the_other_and_the_thread_ends() {
    let mut site = Site::new();
    let content = archive();
    let missing = site.server.serve("x", served(b"", Manner::Refuse(404, "")));
    let good = site
        .server
        .serve("m", served(&content, Manner::Cut(100, 1)));
    let jobs = vec![job("x", missing, b"x"), job("m", good, &content)];
    let version = jobs[1].version.clone();
    site.worker.follow(jobs.clone(), Vec::new());
    let (id, progress) = site.next();
    let Progress::Failed(fault) = progress else {
        panic!("{progress:?}");
    };
    assert_eq!((&*id, fault.code), ("x", codes::FETCH));
    // The missing one is tried again meanwhile.
    let of_m = |site: &mut Site| loop {
        let (id, progress) = site.next();
        if id == "m" {
            return progress;
        }
    };
    assert_eq!(of_m(&mut site), Progress::Fetching);
    let mut progress = of_m(&mut site);
    while progress == Progress::Fetching {
        progress = of_m(&mut site);
    }
    assert_eq!(progress, Progress::Ready(None));
    assert!(Library::open(site.places.clone()).has(&version));
    assert!(!site.places.partial(&version).exists());
    assert!(site.is_running());
    site.worker.follow(jobs[1..].to_vec(), Vec::new());
    site.worker.follow(Vec::new(), Vec::new());
    let thread = site.worker.stop().expect("it was started");
    thread.join().expect("it ends");
    assert!(!site.is_running());
    // It starts again with the next job.
    let again = site.server.serve("n", served(&content, Manner::Right));
    site.worker
        .follow(vec![job("n", again, &content)], Vec::new());
    while site.next() != ("n".to_owned(), Progress::Ready(None)) {}
}

#[test]
fn a_download_that_is_not_wanted_any_more_ends_at_once() {
    let mut site = Site::new();
    let content = archive();
    let url = site.server.serve("m", served(&content, Manner::Silent));
    site.worker
        .follow(vec![job("m", url, &content)], Vec::new());
    assert_eq!(site.next(), ("m".to_owned(), Progress::Fetching));
    let begun = Instant::now();
    let thread = site.worker.stop().expect("it was started");
    thread.join().expect("it ends");
    // The time limit of a silent server is longer.
    assert!(begun.elapsed() < SOON);
    assert!(site.events.try_recv().is_err());
}

#[test]
fn a_file_that_is_no_model_is_not_fetched_again() {
    let mut site = Site::new();
    let text = b"\x1f\x8bno archive";
    let url = site.server.serve("m", served(text, Manner::Right));
    let job = job("m", url, text);
    site.worker.follow(vec![job.clone()], Vec::new());
    assert_eq!(site.next(), ("m".to_owned(), Progress::Fetching));
    let (_, progress) = site.next();
    let Progress::Failed(fault) = progress else {
        panic!("{progress:?}");
    };
    assert_eq!((fault.code, fault.retry), (BAD_MODEL, Retry::Never));
    let thread = site.worker.thread.take().expect("it was started");
    thread.join().expect("it ends by itself");
    assert_eq!(site.server.requests("m").len(), 1);
    assert!(!site.places.partial(&job.version).exists());
}

#[test]
fn models_that_no_document_names_make_room() {
    let site = Site::new();
    let spare = Version::for_tests("old", "1");
    let folder = site.places.version(&spare);
    std::fs::create_dir_all(&folder).expect("made");
    lock(&site.worker.shared.state).spare = vec![spare.clone()];
    let job = job("m", String::new(), b"");
    let mut attempt = Attempt {
        tools: &site.worker.tools,
        shared: &site.worker.shared,
        job: &job,
        has_received: false,
    };
    attempt.make_room(0).expect("there is room");
    assert!(folder.exists());
    let fault = attempt
        .make_room(u64::MAX)
        .expect_err("no disk is so large");
    assert!(fault.message.contains("; free some"), "{fault}");
    assert!(!folder.exists());
    let mut events = site.events;
    let event = events.try_recv().expect("it is told");
    assert_eq!((event.version, event.progress), (spare, Progress::Removed));
}

#[test]
fn what_was_put_away_is_removed_by_the_thread_and_makes_room_for_a_download() {
    let mut site = Site::new();
    let old = Version::for_tests("old", "old");
    let put_away = |site: &Site| {
        let folder = site.places.version(&old);
        std::fs::create_dir_all(folder.join("old")).expect("made");
        std::fs::write(folder.join("old/model.onnx"), [0; 4096]).expect("written");
        super::super::places::put_away(&site.places, &folder).expect("moved");
        assert!(!folder.exists());
    };
    let is_empty = |site: &Site| {
        std::fs::read_dir(site.places.removed()).is_ok_and(|mut entries| entries.next().is_none())
    };
    put_away(&site);
    assert!(!is_empty(&site));
    site.worker.remove();
    let until = Instant::now() + SOON;
    while !is_empty(&site) || site.is_running() {
        assert!(Instant::now() < until, "it is not removed");
        std::thread::sleep(Duration::from_millis(5));
    }
    // A download that finds too little space removes it first.
    put_away(&site);
    lock(&site.worker.shared.state).has_removed = true;
    let job = job("m", "http://127.0.0.1:1/m.tar".to_owned(), b"m");
    let mut attempt = Attempt {
        tools: &site.worker.tools,
        shared: &site.worker.shared,
        job: &job,
        has_received: false,
    };
    attempt.make_room(u64::MAX).expect_err("more than any disk");
    assert!(is_empty(&site));
}
