//! The time to the first picture of a seek in a day of recordings of 16 cameras, 1440 files each, through the page of a processor.
//!
//! A seek is what a player does: it loads the playlist of an hour, the head of the file, and the group of pictures at the
//! place. Cold: a window that nobody has asked for, and what the system keeps of its files in memory is given back before. Warm: another
//! place in the same window directly after. The processor itself runs, its index is complete.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nvr::base::cache_dir;
use rustix::fs::{Advice, fadvise, sync};

use crate::day;
use crate::process::{Process, figure, free_port, nvr};
use crate::table::Table;

const CAMERAS: u32 = 16;
/// Seeks, each in another hour of a camera.
const SEEKS: u32 = 64;
/// Segments of an hour.
const SEGMENTS: usize = 3600 / 2;
/// The longest time until all recordings are in the index.
const INDEX_LIMIT: Duration = Duration::from_secs(600);
/// The longest time to the first picture, in milliseconds.
const LIMIT_MS: f64 = 200.0;

/// Prints the times of seeks.
pub(crate) fn measure() {
    let dir = tempfile::tempdir_in(cache_dir()).expect("a folder for recordings");
    let start = Instant::now();
    day::record(dir.path(), CAMERAS);
    sync();
    println!(
        "a day of {CAMERAS} cameras, made in {:.0} s",
        start.elapsed().as_secs_f64()
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    let http = free_port();
    let _processor = processor(dir.path(), file.path(), http);
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", http)).is_err()
        || figure(http, "nvr_recordings_indexed") < 1.0
    {
        assert!(start.elapsed() < INDEX_LIMIT, "the index is not complete");
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("in the index after {:.0} s", start.elapsed().as_secs_f64());
    sync();
    // The pages, names and inodes of all files. Only root may.
    let is_dropped = fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    println!(
        "cold: {}\n",
        match is_dropped {
            true => "all caches of the system are dropped once",
            false => "the contents of the files are not in memory; names and inodes may be",
        }
    );
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for number in 0..SEEKS {
        // No hour of a camera twice.
        let (camera, hour) = (number % CAMERAS, (number * 7 + number / CAMERAS) % 24);
        let hour_dir = format!("{camera}/2026-01-01/{hour:02}");
        let place = number as usize * 37 % SEGMENTS;
        let folder = dir.path().join(hour_dir);
        cold.push(seek(http, camera, hour, place, Some(&folder)));
        warm.push(seek(http, camera, hour, (place + 900) % SEGMENTS, None));
    }
    let mut table = Table::default();
    for (what, times) in [("cold", cold), ("warm", warm)] {
        judge(what, times, &mut table);
    }
    table.print();
}

/// The parts of a seek, in milliseconds.
struct Seek {
    playlist_ms: f64,
    /// Playlist included.
    picture_ms: f64,
}

fn judge(what: &str, mut times: Vec<Seek>, table: &mut Table) {
    let at = |times: &[Seek], part: f64| ((times.len() - 1) as f64 * part).round() as usize;
    times.sort_by(|one, other| one.playlist_ms.total_cmp(&other.playlist_ms));
    let playlist = [0.5, 0.95].map(|part| times[at(&times, part)].playlist_ms);
    times.sort_by(|one, other| one.picture_ms.total_cmp(&other.picture_ms));
    let picture = [0.5, 0.95, 1.0].map(|part| times[at(&times, part)].picture_ms);
    println!(
        "{what}: playlist p50 {:.1} ms, p95 {:.1} ms; first picture p50 {:.1} ms, p95 {:.1} ms, longest {:.1} ms",
        playlist[0], playlist[1], picture[0], picture[1], picture[2]
    );
    table.at_most(
        format!("{what}: first picture, p50 in ms"),
        picture[0],
        LIMIT_MS,
    );
    table.at_most(
        format!("{what}: first picture, p95 in ms"),
        picture[1],
        LIMIT_MS,
    );
}

/// A processor of these recordings. Its only camera is missing, so nothing is recorded.
fn processor(dir: &Path, file: &Path, http: u16) -> Process {
    let document = format!(
        "[processor]\nbackend = \"none\"\nhttp = \"127.0.0.1:{http}\"\n\
         [record]\ndir = \"{}\"\nmin_free = \"0 B\"\naccept_wear = true\n\
         [[camera]]\nid = 0\nuri = \"rtsp://127.0.0.1:{}/live0.stream\"\n",
        dir.display(),
        free_port()
    );
    fs::write(file, document).expect("it can be written");
    Process::start(
        nvr()
            .args(["processor", "--config"])
            .arg(file)
            .args(["--mqtt-port", &free_port().to_string()])
            .env("NVR_LOG", "error")
            .stdout(Stdio::null()),
    )
}

/// Seeks to a segment of an hour. The files of a cold hour are those in `cold`.
fn seek(http: u16, camera: u32, hour: u32, place: usize, cold: Option<&Path>) -> Seek {
    let from_ms = day::STARTED_UNIX.as_millis() + u128::from(hour) * 3_600_000;
    let to_ms = from_ms + 3_600_000;
    forget(cold);
    let start = Instant::now();
    let path = format!("/playlist.m3u8?source={camera}&from={from_ms}&to={to_ms}");
    let playlist = String::from_utf8(fetch(http, &path, None)).expect("a playlist is text");
    let playlist_time = start.elapsed();
    let segments = segments(&playlist);
    // The first day begins a moment late in the first hour, and ends so in the last one.
    assert!(
        segments.len() >= SEGMENTS - 2,
        "an hour has {} segments: {playlist:.300}",
        segments.len()
    );
    let segment = &segments[place.min(segments.len() - 1)];
    // Real files are so long that their pictures are not in memory after their tail was read.
    forget(cold);
    let start = Instant::now();
    for range in [&segment.head, &segment.range] {
        let found = fetch(http, &format!("/{}", segment.uri), Some(range));
        assert!(!found.is_empty(), "a segment has bytes");
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Seek {
        playlist_ms: ms(playlist_time),
        picture_ms: ms(playlist_time + start.elapsed()),
    }
}

/// Gives back what the system keeps in memory of the files in a folder.
fn forget(folder: Option<&Path>) {
    let entries = folder.map(|folder| fs::read_dir(folder).expect("an hour of recordings"));
    for entry in entries.into_iter().flatten().flatten() {
        let file = File::open(entry.path()).expect("a recording");
        fadvise(&file, 0, None, Advice::DontNeed).expect("it is a file");
    }
}

/// A segment of a playlist, with the ranges of bytes as a request names them.
struct Segment {
    uri: String,
    head: String,
    range: String,
}

fn segments(playlist: &str) -> Vec<Segment> {
    let (mut head, mut range) = (String::new(), String::new());
    let mut segments = Vec::new();
    for line in playlist.lines() {
        if let Some(map) = line.strip_prefix("#EXT-X-MAP:") {
            let place = map.split("BYTERANGE=\"").nth(1).expect("a map has a range");
            head = requested(place.trim_end_matches('"'));
        } else if let Some(place) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            range = requested(place);
        } else if !line.starts_with('#') {
            segments.push(Segment {
                uri: line.to_owned(),
                head: head.clone(),
                range: range.clone(),
            });
        }
    }
    segments
}

/// `length@offset` of a playlist as a range of HTTP.
fn requested(place: &str) -> String {
    let (length, offset) = place.split_once('@').expect("a range has an offset");
    let numbers = [length, offset].map(|number| number.parse::<u64>().expect("a number"));
    format!("bytes={}-{}", numbers[1], numbers[1] + numbers[0] - 1)
}

/// The body of a successful answer.
fn fetch(port: u16, path: &str, range: Option<&str>) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the page");
    let range = range.map_or(String::new(), |range| format!("range: {range}\r\n"));
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{range}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let body = answer.split_off(end.expect("an answer has a head") + 4);
    let head = String::from_utf8_lossy(&answer);
    assert!(head.starts_with("HTTP/1.1 20"), "{path}: {head}");
    body
}
