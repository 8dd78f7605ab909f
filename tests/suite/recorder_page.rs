//! The page of the recordings of a real processor in a real browser: Debian's chromium plays what was recorded, and each picture has
//! the boxes of its own frame.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nvr::base::{Pattern, PatternCode, Plane, Size};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::browser::Browser;
use crate::support::ports::free_port;
use crate::support::stage::{PATTERN, Stage, page};
use crate::support::wait::{SOON, until};

/// Pictures that are looked at.
const PICTURES: usize = 120;
/// Rows of the band with the frame's number, of a picture as wide as that of the cameras.
const BAND: u32 = 24;

/// The frames after an analysed one on which the page keeps its boxes: 200 ms.
const KEPT: u32 = (PATTERN.fps / 5.0) as u32;

/// Keeps of each picture that the page draws the band, the boxes, and whether its frame was analysed.
const WATCH: &str = "(window.seen = [], nvr.painted = player => {
  const from = player.canvas, to = document.createElement('canvas');
  const [wide, high, band] = [320, 240, 24];
  const scale = Math.min(from.width / wide, from.height / high);
  const [left, top] = [(from.width - wide * scale) / 2, (from.height - high * scale) / 2];
  [to.width, to.height] = [wide, band];
  const pen = to.getContext('2d', { willReadFrequently: true });
  pen.drawImage(from, left, top, wide * scale, band * scale, 0, 0, wide, band);
  const pixels = pen.getImageData(0, 0, wide, band).data;
  let luma = '';
  for (let at = 0; at < pixels.length; at += 4) luma += String.fromCharCode(pixels[at + 1]);
  seen.push([btoa(luma), player.shown && player.shown.drawn, player.shown && player.shown.objects !== null]);
}, true)";

/// The status and the body of an answer.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    let answer = page(address, path);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

pub(crate) fn json_at(address: &str, path: &str) -> Value {
    let (status, body) = get(address, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// A camera that is recorded, in a folder, and the address of its page.
fn recorder() -> (TempDir, Stage, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let dir = tempfile::tempdir().expect("a folder");
    let record = dir.path().join("rec").display().to_string();
    let stage = Stage::start(1, &["--http", &address, "--record", &record]);
    stage.wait_for("nvr/sources/0", "it is recorded", |status| {
        status["recording"]["state"] == "recording"
    });
    (dir, stage, address)
}

/// Waits until so many seconds of the camera are in the index, and returns the beginning and the end.
fn recorded(address: &str, seconds: u64) -> (u64, u64) {
    until("they are in the index", SOON * 6, || {
        let camera = &json_at(address, "/cameras.json")["cameras"][0];
        let oldest = camera["oldest_ms"].as_u64()?;
        let newest = camera["newest_ms"].as_u64()?;
        assert_eq!(camera["state"], "recording");
        (newest > oldest + seconds * 1000).then_some((oldest, newest))
    })
}

/// The boxes that the pattern has in a frame, as fractions of it: left, top, width and height.
fn boxes_of(number: u32) -> Vec<[f64; 4]> {
    let pattern = Pattern::new(PATTERN.size, PATTERN.objects).expect("a pattern");
    let (wide, high) = (
        f64::from(PATTERN.size.width),
        f64::from(PATTERN.size.height),
    );
    let objects = pattern.objects(number).into_iter().map(|object| {
        let [left, top, right, bottom] = object.bbox.corners().map(f64::from);
        [
            left / wide,
            top / high,
            (right - left) / wide,
            (bottom - top) / high,
        ]
    });
    objects.collect()
}

/// Whether the boxes that were drawn are those of the frame, within half a pixel.
fn are_of(number: u32, drawn: &Value) -> bool {
    let Some(drawn) = drawn.as_array() else {
        return false;
    };
    let wanted = boxes_of(number);
    let is = |object: &Value, wanted: &[f64; 4]| {
        let sides = (2..6).map(|at| object[at].as_f64().unwrap_or(f64::NAN));
        sides
            .zip(wanted)
            .all(|(is, wanted)| (is - wanted).abs() < 0.5 / 320.0)
    };
    drawn.len() == wanted.len()
        && wanted
            .iter()
            .all(|wanted| drawn.iter().any(|object| is(object, wanted)))
}

/// Asserts that a frame is shown until the next one: at its time, which Chromium tells, and at any time of it, which Firefox tells.
fn shows_each_frame_until_the_next(browser: &mut Browser) {
    let at = "at => frameShown([{ file: 'a', start: 0, end: 0.12, offset: 0 }], [0, 3600, 7200].map(tick => ({ file: 'a', tick })), at)";
    let shown = format!("[0.019, 0.0389, 0.0399, 0.1, 0.13].map({at}).join()");
    let shown = browser.expect(json!({ "holds": shown }));
    assert_eq!(shown, "0,0,1,2,-1");
}

/// Asserts that nearly all pictures have a readable number and the boxes of their own frame.
fn have_their_own_boxes(seen: &[Value]) {
    let size = PATTERN.size;
    let (mut numbers, mut wrong, mut analysed) = (Vec::new(), Vec::new(), 0);
    for picture in seen {
        let luma = STANDARD
            .decode(picture[0].as_str().unwrap_or_default())
            .expect("base64");
        assert_eq!(luma.len() as u32, size.width * BAND);
        let plane = Plane {
            bytes: &luma,
            stride: size.width as usize,
        };
        // A label can lie over a part of the number.
        let Some(code) = PatternCode::read_luma(plane, size) else {
            continue;
        };
        let (number, drawn) = (code.frame_number, &picture[1]);
        numbers.push(number);
        // On a busy machine some frames were not analysed: they have the boxes of the last one that was, or none.
        let is_right = if picture[2] == true {
            analysed += 1;
            are_of(number, drawn)
        } else {
            let before = number.saturating_sub(KEPT)..number;
            drawn == &json!([]) || before.into_iter().any(|number| are_of(number, drawn))
        };
        if !is_right {
            wrong.push((number, drawn.clone()));
        }
    }
    assert!(
        numbers.len() * 10 > seen.len() * 8,
        "the number is read in {} of {} pictures",
        numbers.len(),
        seen.len()
    );
    assert!(
        analysed * 2 > numbers.len(),
        "{analysed} of {} were analysed",
        numbers.len()
    );
    let mut apart = numbers.clone();
    apart.dedup();
    assert!(apart.len() > 50, "it plays: {numbers:?}");
    assert!(
        wrong.len() * 100 <= numbers.len(),
        "{} of {} pictures have other boxes: {wrong:?}",
        wrong.len(),
        numbers.len()
    );
}

#[test]
fn what_was_recorded_plays_with_the_boxes_on_their_own_frames() {
    let (_dir, _stage, address) = recorder();
    let (oldest_ms, _) = recorded(&address, 15);
    let events = json_at(&address, "/events.json?source=0&limit=10");
    assert_eq!(events["classes"], json!(["car", "person"]), "{events:#}");

    let url = format!("http://{address}/#sources=0&at={oldest_ms}");
    let mut browser = Browser::open(&url, Size::new(1280, 900));
    let frame = json!({ "holds": "nvr.players[0]?.shown && nvr.players[0].captured" });
    let captured_ms = browser.expect(frame).as_f64().expect("a time");
    shows_each_frame_until_the_next(&mut browser);
    assert!((captured_ms - oldest_ms as f64).abs() < 1000.0);
    browser.expect(json!({ "holds": WATCH }));
    browser.expect(json!({ "key": " " }));
    let enough = format!("seen.length >= {PICTURES} && seen");
    let seen = browser.expect(json!({ "holds": enough, "within_ms": 60_000 }));
    browser.expect(json!({ "key": " " }));
    have_their_own_boxes(seen.as_array().expect("pictures"));

    // An export of the shown second.
    let export = |from: &str, to: &str| {
        let press = "document.getElementById('export').click(), true";
        json!({ "holds": format!("(view = {{ from: {from}, to: {to} }}, {press})") })
    };
    browser.expect(export("nvr.play.at", "nvr.play.at + 1000"));
    browser.expect(json!({ "says": "is downloaded", "in": "#export-note" }));
    let day = "(setView(shownDay, dayPlus(shownDay, 1)), true)";
    browser.expect(json!({ "holds": day }));

    // By events, by frames, and on a phone.
    browser.expect(json!({ "says": "person", "in": "#events" }));
    let thumbnails = "[...document.querySelectorAll('#events img')].filter(one => one.naturalWidth === 240).length === 2";
    browser.expect(json!({ "holds": thumbnails, "within_ms": 30_000 }));
    // It stays in the page: as text of a number it would not be the same to the last digit.
    browser.expect(json!({ "holds": "window.before = nvr.players[0].captured" }));
    browser.expect(json!({ "key": "." }));
    let step = "nvr.players[0].captured > before && nvr.players[0].captured - before";
    let step_ms = browser.expect(json!({ "holds": step })).as_f64();
    let step_ms = step_ms.expect("a number");
    assert!((50.0..200.0).contains(&step_ms), "one frame: {step_ms} ms");
    browser.shot("recorder.png");
    browser.expect(json!({ "size": [360, 740] }));
    browser.shot("recorder-phone.png");
    browser.expect(json!({ "calm": true }));
    browser.expect(export("1000", "2000"));
    let refused = "Not exported: nothing of source 0 was recorded";
    browser.expect(json!({ "says": refused, "in": "#export-note" }));
}

#[test]
fn the_page_of_recordings_plays_elsewhere_and_refuses_strangers() {
    let (dir, _stage, address) = recorder();
    let (from, to) = recorded(&address, 5);
    // Another player, below the path of a proxy.
    let list = format!("http://{address}/cam/nvr/playlist.m3u8?source=0&from={from}&to={to}");
    let mut ffprobe = std::process::Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-count_packets", "-show_entries"]);
    ffprobe.args(["stream=codec_name,nb_read_packets", "-of", "csv=p=0", &list]);
    let played = ffprobe.output().expect("ffprobe runs");
    let said = String::from_utf8_lossy(&played.stdout).into_owned();
    // Once for the programme and once for its stream.
    let frames = said.lines().find_map(|line| {
        let number = line.strip_prefix("h264,")?;
        number.trim_end_matches(',').parse::<u64>().ok()
    });
    assert!(frames.is_some_and(|frames| frames > 40), "{played:?}");
    for (path, status, word) in [
        ("/timeline.json?source=9&from=0&to=1", 404, "source=9"),
        ("/timeline.json?source=0&from=x&to=1", 400, "from=x"),
        (
            "/media.mp4?source=0&file=..%2F..%2Fetc%2Fpasswd",
            400,
            "file",
        ),
        ("/playlist.m3u8?source=0&from=0&to=1000", 404, "recorded"),
        ("/export?source=0&from=0&to=1000", 404, "recorded"),
        ("/export?source=0&from=0&to=99999999", 400, "limit 21600 s"),
    ] {
        let (is, body) = get(&address, path);
        assert_eq!(is, status, "{path}: {body}");
        assert!(body.contains(word), "{path}: {body}");
    }

    // An export, which other programs unpack.
    let unpacked = dir.path().join("unpacked");
    let url = format!("http://{address}/export?source=0&from={from}&to={to}");
    let script = "import io, sys, urllib.request, zipfile
archive = zipfile.ZipFile(io.BytesIO(urllib.request.urlopen(sys.argv[1]).read()))
assert archive.testzip() is None
archive.extractall(sys.argv[2])";
    let mut python = std::process::Command::new("python3");
    let done = python.args(["-c", script, &url]).arg(&unpacked).output();
    let done = done.expect("python3 runs");
    assert!(done.status.success(), "{done:?}");
    let files = std::fs::read_dir(&unpacked).expect("a folder");
    let files = files.map(|file| file.expect("a file").path());
    let manifest = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "json"))
        .collect::<Vec<_>>();
    let verified = std::process::Command::new(env!("CARGO_BIN_EXE_nvr"))
        .args(["record", "verify"])
        .args(&manifest)
        .output();
    let verified = verified.expect("nvr runs");
    assert!(
        manifest.len() == 1 && verified.status.success(),
        "{verified:?}"
    );
}
