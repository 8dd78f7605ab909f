//! Downloads from a server with the faults of real ones.

use std::time::Duration;

use super::super::fault::codes;
use super::super::file_server::{FileServer, Manner, Served};
use super::super::http::TimeLimits;
use super::*;
use crate::bus::Trust;

const LARGEST: u64 = 1 << 30;

fn hash(content: &[u8]) -> String {
    format!("{:x}", Sha256::digest(content))
}

/// The disk, and what was told.
struct Room {
    has_received: bool,
    asked: Vec<u64>,
    is_full: bool,
}

impl Host for Room {
    fn received(&mut self, bytes: u64, total: Option<u64>) {
        assert!(total.is_none_or(|total| bytes <= total));
        self.has_received = true;
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), Fault> {
        self.asked.push(bytes);
        match self.is_full {
            true => Err(Fault::disk("full")),
            false => Ok(()),
        }
    }
}

/// A folder, a server, and the hash of `content`.
struct Place {
    dir: tempfile::TempDir,
    server: FileServer,
    sha256: Option<String>,
    content: Vec<u8>,
    size: Option<u64>,
    room: Room,
    stop: Stop,
}

impl Place {
    fn new() -> Self {
        let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            server: FileServer::start(),
            sha256: Some(hash(&content)),
            content,
            size: None,
            room: Room {
                has_received: false,
                asked: Vec::new(),
                is_full: false,
            },
            stop: Stop::default(),
        }
    }

    fn serve(&self, manner: Manner) -> String {
        self.serve_other(self.content.clone(), Some("1"), manner)
    }

    fn serve_other(&self, content: Vec<u8>, tag: Option<&'static str>, manner: Manner) -> String {
        let served = Served {
            content,
            tag,
            manner,
        };
        self.server.serve("m.tar", served)
    }

    fn fetch(&mut self, url: &str) -> Result<PathBuf, Fault> {
        let limits = TimeLimits {
            silence: Duration::from_millis(300),
            ..TimeLimits::default()
        };
        let wanted = Wanted {
            name: "m",
            sha256: self.sha256.as_deref(),
            url,
            size: self.size,
            largest: LARGEST,
            is_unpacked: true,
            listing: Listing::DOCUMENT,
        };
        let part = Part {
            file: self.dir.path().join("partial/m"),
            validator: self.dir.path().join("partial/m.validator"),
        };
        let client = Client::new(Trust::of(None), limits);
        fetch(wanted, &part, &client, &self.stop, &mut self.room)
    }

    fn fetched(&mut self, url: &str) {
        let path = self.fetch(url).expect("it is fetched");
        assert!(fs::read(path).expect("a file") == self.content);
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.server.requests("m.tar")
    }
}

#[test]
fn a_file_is_fetched_and_its_space_is_asked_for_before() {
    let mut place = Place::new();
    let url = place.serve(Manner::Right);
    place.fetched(&url);
    let length = place.content.len() as u64;
    assert_eq!(place.room.asked, [2 * length]);
    // It is complete: the server is not asked again.
    place.size = Some(length);
    place.fetched(&url);
    assert_eq!(place.ranges(), [None]);
    let moved = Manner::Moved(url.clone());
    let elsewhere = Served {
        manner: moved,
        ..Served::default()
    };
    let mut other = Place::new();
    let elsewhere = place.server.serve("old.tar", elsewhere);
    other.fetched(&elsewhere);
}

#[test]
fn a_connection_that_is_cut_is_continued_also_by_another_agent() {
    let mut place = Place::new();
    let url = place.serve(Manner::Cut(300_000, 2));
    for _ in 0..2 {
        let fault = place.fetch(&url).expect_err("it is cut");
        assert_eq!(fault.retry, Retry::Backoff(Duration::ZERO), "{fault}");
    }
    assert!(place.room.has_received);
    place.fetched(&url);
    let ranges = place.ranges();
    let starts = ["bytes=300000-", "bytes=600000-"].map(|range| Some(range.to_owned()));
    assert_eq!(ranges[0], None);
    assert_eq!(ranges[1..], starts);
}

#[test]
fn a_file_that_has_changed_meanwhile_or_a_server_without_parts_begins_anew() {
    for (tag, manner) in [(Some("2"), Manner::Right), (Some("1"), Manner::NoParts)] {
        let mut place = Place::new();
        let old = vec![1; place.content.len()];
        let url = place.serve_other(old, Some("1"), Manner::Cut(1000, 1));
        place.fetch(&url).expect_err("it is cut");
        place.serve_other(place.content.clone(), tag, manner);
        place.fetched(&url);
    }
    // Without a tag only the hash tells.
    let mut place = Place::new();
    let url = place.serve_other(vec![1; 800_000], None, Manner::Cut(1000, 1));
    place.fetch(&url).expect_err("it is cut");
    place.serve_other(place.content.clone(), None, Manner::Right);
    let fault = place.fetch(&url).expect_err("it is a mixture");
    assert_eq!(fault.retry, Retry::AtOnce, "{fault}");
    place.fetched(&url);
    // What is kept may be longer than the file.
    let mut place = Place::new();
    let url = place.serve_other(vec![1; 900_000], None, Manner::Cut(850_000, 1));
    place.fetch(&url).expect_err("it is cut");
    place.serve_other(place.content.clone(), None, Manner::Right);
    let fault = place.fetch(&url).expect_err("there is no such part");
    assert_eq!(fault.retry, Retry::AtOnce, "{fault}");
    place.fetched(&url);
}

#[test]
fn a_file_without_a_known_hash_is_continued_only_if_the_server_knows_it_again() {
    let mut place = Place::new();
    place.sha256 = None;
    let url = place.serve(Manner::Cut(300_000, 1));
    place.fetch(&url).expect_err("it is cut");
    place.fetched(&url);
    let continued = Some("bytes=300000-".to_owned());
    assert_eq!(place.ranges(), [None, continued]);
    // Without a tag the rest may be that of another file.
    let mut place = Place::new();
    place.sha256 = None;
    let url = place.serve_other(vec![1; 800_000], None, Manner::Cut(1000, 1));
    place.fetch(&url).expect_err("it is cut");
    place.serve_other(place.content.clone(), None, Manner::Right);
    place.fetched(&url);
    assert_eq!(place.ranges(), [None, None]);
}

#[test]
fn another_file_is_refused_with_both_hashes_or_lengths_and_not_kept() {
    let mut place = Place::new();
    let url = place.serve_other(b"other".to_vec(), None, Manner::Right);
    let fault = place.fetch(&url).expect_err("another file");
    assert_eq!((fault.code, fault.retry), (codes::CONTENT, Retry::Rarely));
    let (found, wanted) = (hash(b"other"), hash(&place.content));
    let begin = format!("the file at {url} has the SHA-256 {found}, the document names {wanted};");
    assert!(fault.message.starts_with(&begin), "{fault}");
    place.size = Some(7);
    let fault = place.fetch(&url).expect_err("another length");
    assert!(
        fault.message.contains("has 5 bytes, the document names 7"),
        "{fault}"
    );
    assert_eq!(fault.retry, Retry::Rarely);
    // A length that the server does not tell, too.
    let url = place.serve_other(Vec::new(), None, Manner::Endless);
    let fault = place.fetch(&url).expect_err("endless");
    assert!(fault.message.contains("has more than 7 bytes"), "{fault}");
    assert_eq!(fault.retry, Retry::Rarely);
    let left = fs::read_dir(place.dir.path().join("partial")).expect("a folder");
    assert_eq!(left.count(), 0);
}

#[test]
fn what_the_server_says_is_told_and_its_wait_is_kept() {
    let mut place = Place::new();
    let url = place.serve(Manner::Refuse(503, "retry-after: 120\r\n"));
    let fault = place.fetch(&url).expect_err("it is busy");
    assert_eq!(fault.retry, Retry::Backoff(Duration::from_secs(120)));
    let wanted = format!(
        "can't fetch {url}: the server answers 503 Service Unavailable; check the address and the network"
    );
    assert_eq!(fault.message, wanted);
    let url = place.serve(Manner::Moved("ftp://other.example/m.tar".to_owned()));
    let fault = place.fetch(&url).expect_err("another scheme");
    assert!(fault.message.contains("ftp"), "{fault}");
    let fault = place.fetch("http://127.0.0.1:1/m.tar").expect_err("nobody");
    assert!(fault.message.contains("refused"), "{fault}");
    assert!(!place.room.has_received);
}

#[test]
fn silence_a_full_disk_and_a_stop_end_it() {
    let mut place = Place::new();
    let url = place.serve(Manner::Silent);
    let fault = place.fetch(&url).expect_err("silence");
    assert_eq!(fault.retry, Retry::Backoff(Duration::ZERO), "{fault}");
    place.room.is_full = true;
    let url = place.serve(Manner::Right);
    let fault = place.fetch(&url).expect_err("full");
    assert_eq!(fault.code, codes::DISK);
    place.room.is_full = false;
    place.stop.raise();
    assert_eq!(place.fetch(&url), Err(Fault::stopped()));
}
