//! Boxes on their own frames, from end to end: cameras whose pictures contain the frame number, a processor that analyses five
//! of their 25 frames per second, a broker, and walls whose composed pictures are analysed.
//!
//! Every frame that a wall displays is judged, in every scene that shows it. The frame rate is not judged.

mod record;
mod tile_reading;
mod watch;

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use nvr::base::Size;
use nvr::config::{ReferenceChoice, Sync, TestPattern};
use nvr::control::wall_state::{AnalysisState, SyncMetrics};
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};

use crate::support::broker::{Broker, Kind};
use crate::support::stage::{page, processor};
use crate::support::wait::{SOON, until_true};
use record::Record;
use tile_reading::Line;
use watch::{Site, Watched};

/// The size of the tiles. Objects move per frame by a sixth of the width of the narrowest one.
const SIZE: Size = Size::new(640, 360);
const PATTERN: TestPattern = TestPattern {
    size: SIZE,
    fps: 25.0,
    objects: 3,
};
/// Viewers share its RTP stream.
const SHARED: u32 = 0;
/// Shared too, and five hours fast.
const FAST: u32 = 1;
/// Shared too, without RTCP sender reports.
const UNTOLD: u32 = 2;
/// Each viewer has an RTP stream of its own.
const SEPARATE: u32 = 3;
/// Separate too, and seven hours slow.
const SLOW: u32 = 4;
/// Number of displayed frames that are judged per camera.
const JUDGED: usize = 800;
/// A processor with five frames per second analyses every fifth of 25 frames, or one more or less. If this machine delays it for
/// longer, the frames between are not judged, because the movement between them is unknown.
const FARTHEST: u32 = 6;
/// Minimum mean IoU of objects and boxes.
const MEAN_IOU: f64 = 0.85;
/// Minimum share of frames in which every object overlaps its box.
const GOOD: f64 = 0.99;
/// Time limit for all frames. Two cores have enough to do with four walls: where they are to be had, it takes one minute, and on a
/// machine with other load several.
const PATIENCE: Duration = Duration::from_secs(240);

fn camera(index: u64, clock_offset_ms: i64) -> CameraOptions {
    CameraOptions {
        // No two are at the same place.
        offset: Duration::from_millis(3_300 * index),
        clock_offset_ms,
        ..CameraOptions::new(Feed::Pattern(PATTERN))
    }
}

fn site() -> Site {
    const HOUR_MS: i64 = 3_600_000;
    let untold = CameraOptions {
        sender_reports: false,
        ..camera(2, 0)
    };
    let shared = TestcamOptions {
        cameras: vec![camera(0, 0), camera(1, 5 * HOUR_MS + 12_345), untold],
        ..TestcamOptions::default()
    };
    let separate = TestcamOptions {
        cameras: vec![camera(3, 0), camera(4, -7 * HOUR_MS)],
        shared: false,
        ..TestcamOptions::default()
    };
    let broker = Broker::start(Kind::Mosquitto);
    let servers =
        [shared, separate].map(|options| Testcam::start(&options).expect("cameras start"));
    let urls: Vec<_> = servers
        .iter()
        .flat_map(|server| (0..server.cameras()).map(|id| server.url(id)))
        .collect();
    let mut arguments: Vec<String> = ["processor", "--backend", "scripted", "--max-fps", "5"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend(["--instance-id".to_owned(), format!("box-{}", broker.port())]);
    arguments.extend(["--mqtt-port".to_owned(), broker.port().to_string()]);
    for (id, url) in urls.iter().enumerate() {
        arguments.extend(["--source".to_owned(), format!("{id}={url}")]);
    }
    Site {
        reader: broker.observe("nvr/detections/#"),
        processor: processor(&arguments),
        broker,
        _servers: servers.into(),
        urls,
    }
}

/// Five cameras and four walls at the same time, because each needs half a minute.
#[test]
fn every_displayed_frame_has_its_own_boxes() {
    let mut site = site();
    let auto = site.wall("auto", &[SHARED, FAST, SEPARATE, SLOW], |wall| {
        wall.reference_time = ReferenceChoice::Meta;
    });
    let by_reports = site.wall("rtcp", &[SHARED, SLOW], |wall| {
        wall.sync = Sync::Aligned;
        wall.reference_time = ReferenceChoice::Rtcp;
    });
    let latest = site.wall("latest", &[SHARED], |wall| wall.sync = Sync::Latest);
    // Its tile says something, in small letters: those of the others are so large that no label finds a place.
    let untold = site.wall("untold", &[UNTOLD], |wall| wall.label_font_scale = 0.2);
    let walls = [&auto, &by_reports, &latest, &untold];
    for wall in walls {
        wall.watch_once_fed(wall.sources != [UNTOLD] && wall.name != "latest");
    }
    let mut wanted = JUDGED;
    until_true("enough frames were displayed", PATIENCE, || {
        let records = walls.iter().flat_map(|wall| wall.records());
        let displayed = records.map(|record| record.judged()).min();
        if displayed < Some(wanted) {
            return false;
        }
        wanted += JUDGED / 10;
        let mut records = walls.iter().flat_map(|wall| judged(&site, wall));
        records.all(|record| record.judged() >= JUDGED)
    });
    report(&site, &walls);

    for wall in [&auto, &by_reports] {
        for (id, record) in wall.sources.iter().zip(judged(&site, wall)) {
            let told = format!("{} of camera {id}: {record:?}", wall.name);
            assert!(record.mean() >= MEAN_IOU, "{told}");
            assert!(record.share() >= GOOD, "{told}");
            // A frame in a thousand may be torn by a viewer that comes just then; none is.
            assert_eq!(record.unread, 0, "{told}");
            assert_eq!(record.marked, 0, "{told}");
            let sync = wall.sync(*id);
            assert_eq!(sync.mode, Sync::Aligned, "{told}");
            // The first events come before the first sender report.
            assert!(sync.matched_share >= Some(0.9), "{told} {sync:?}");
            // The same frames, in each session's RTP ticks of 11 µs, and half a frame at the very most.
            assert!(sync.skew_p50_ms <= Some(1.0), "{told} {sync:?}");
            assert!(sync.skew_p95_ms <= Some(1.0), "{told} {sync:?}");
            assert!(
                sync.skew_p50_ms.is_some() && sync.delay_ms > 200.0,
                "{sync:?}"
            );
        }
    }
    for id in &by_reports.sources {
        let (meta, rtcp) = (auto.sync(*id), by_reports.sync(*id));
        let told = format!("camera {id} by metas {meta:?}, by reports {rtcp:?}");
        let apart = |one: Option<f32>, other: Option<f32>| {
            (one.expect("known") - other.expect("known")).abs()
        };
        assert!(
            apart(meta.matched_share, rtcp.matched_share) <= 0.1,
            "{told}"
        );
        assert!(apart(meta.skew_p50_ms, rtcp.skew_p50_ms) <= 1.0, "{told}");
        assert!(apart(meta.skew_p95_ms, rtcp.skew_p95_ms) <= 1.0, "{told}");
    }

    let newest = &judged(&site, &latest)[0];
    // Two frames after its event the narrowest object overlaps its box by half while it goes across.
    assert!(newest.mean() < 0.8, "latest: {newest:?}");
    assert!(newest.share() < 0.5, "latest: {newest:?}");
    // Its boxes are those of one event, unchanged, and none is drawn for longer than the next one takes to come.
    assert!(newest.of_one_event() >= GOOD, "latest: {newest:?}");
    let sync = latest.sync(SHARED);
    assert_eq!((sync.mode, sync.delay_ms), (Sync::Latest, 0.0));
    // Boxes stay for a detection interval, which is five frames.
    assert!(
        sync.matched_share.is_some() && sync.skew_p95_ms >= Some(100.0),
        "{sync:?}"
    );

    let all = &untold.records()[0];
    let estimated = all.between(&site.looked_at(UNTOLD), FARTHEST);
    let sync = untold.sync(UNTOLD);
    assert_eq!((sync.mode, sync.matched_share), (Sync::Aligned, Some(0.0)));
    assert_eq!(sync.skew_p95_ms, None, "nobody knows");
    assert_eq!(all.marked, all.judged(), "{all:?}");
    // Clocks of arrival are off by what the machine's load delays frames and events.
    assert!(estimated.mean() >= 0.8, "untold: {estimated:?}");
    assert!(estimated.share() >= 0.9, "untold: {estimated:?}");

    figures_are_served(&auto);
    figures_are_served(&latest);

    guesses_are_dashed_and_end(&mut site, &auto);
}

/// The records of a wall's cameras while the processor kept its rate.
fn judged(site: &Site, wall: &Watched) -> Vec<Record> {
    let all = wall.sources.iter().zip(wall.records());
    all.map(|(id, record)| record.between(&site.looked_at(*id), FARTHEST))
        .collect()
}

/// Prints the results with their margins.
fn report(site: &Site, walls: &[&Watched]) {
    let mut text = String::new();
    for wall in walls {
        let all = wall.records().into_iter().zip(judged(site, wall));
        for (id, (all, record)) in wall.sources.iter().zip(all) {
            let (share, share_of_all) = (record.share() * 100.0, all.share() * 100.0);
            let mean = record.mean();
            let SyncMetrics {
                matched_share,
                skew_p50_ms,
                skew_p95_ms,
                delay_ms,
                ..
            } = wall.sync(*id);
            let _ = writeln!(
                text,
                "{} camera {id}: mean IoU {mean:.3}, {share:.2} % of {} frames good ({share_of_all:.2} % of {}), {} dashed, {} without, {} unread; matched {matched_share:?}, \
                 skew {skew_p50_ms:?} {skew_p95_ms:?} ms, delay {delay_ms:.0} ms, bad {:?}",
                wall.name,
                record.judged(),
                all.judged(),
                record.lines(Line::Dashed),
                record.lines(Line::None),
                record.unread,
                record.bad(&site.looked_at(*id)),
            );
        }
    }
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Checks that `/state.json` and `/metrics` have the wall's figures of synchronisation.
fn figures_are_served(wall: &Watched) {
    let served = wall.serve();
    let address = served.address().to_string();
    let json = |answer: &str| {
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str::<serde_json::Value>(body).ok()
    };
    let state = json(&page(&address, "/state.json")).expect("JSON");
    let metrics = page(&address, "/metrics");
    for (index, id) in wall.sources.iter().enumerate() {
        let sync = &state["tiles"][index]["sync"];
        for (key, metric) in [
            (
                "matched_share",
                format!("nvr_wall_matched_ratio{{source_id=\"{id}\"}}"),
            ),
            (
                "skew_p50_ms",
                format!("nvr_wall_skew_seconds{{source_id=\"{id}\",quantile=\"0.5\"}}"),
            ),
            (
                "skew_p95_ms",
                format!("nvr_wall_skew_seconds{{source_id=\"{id}\",quantile=\"0.95\"}}"),
            ),
        ] {
            assert!(sync[key].is_f64(), "{key} of camera {id}: {sync}");
            assert!(
                metrics.contains(&metric),
                "{metric} is missing in {metrics}"
            );
        }
    }
}

/// While a processor hangs, boxes move on along their tracks, dashed, for the time to live of the last event. When it is killed,
/// the tile shows it.
fn guesses_are_dashed_and_end(site: &mut Site, wall: &Watched) {
    let ttl = Duration::from_secs(1).as_millis() as u32 / 40;
    let before: Vec<u32> = wall.records().iter().map(Record::newest).collect();
    // A dead one's tiles say NO PROCESSOR at once, over the very code that tells frames apart.
    site.processor.signal("STOP");
    until_true("no frame has boxes", SOON, || {
        let records = wall.records();
        records.iter().all(|record| record.ended(15))
    });
    for ((record, before), id) in wall.records().iter().zip(before).zip(&wall.sources) {
        let last = |line| record.last(line).expect("there was one");
        let (found, guessed) = (last(Line::Solid), last(Line::Dashed));
        let looked_at = site.looked_at(*id);
        let looked = *looked_at.last().expect("it looked");
        assert!(
            found >= before && guessed > found,
            "{found} {guessed} {before}"
        );
        // Counted from the frame of the last event: where the machine left that one out, the last solid box is of one before.
        // Where it left a frame out at the end, the one before that may have been the last.
        assert!(
            found <= looked && (ttl - 8..=ttl).contains(&(guessed - looked)),
            "from {found}, analysed {looked}, to {guessed}"
        );
        let dashed = record.counted(Line::Dashed, found..=guessed);
        assert!(dashed >= 10, "{dashed} frames with guesses");
    }
    site.processor.kill();
    until_true("the tiles say that nobody looks", SOON, || {
        let tiles = wall.state().tiles;
        tiles.iter().all(|tile| {
            tile.analysis.state == AnalysisState::NoProcessor && tile.text == "NO PROCESSOR"
        })
    });
}
