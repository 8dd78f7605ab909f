//! A wall of four cameras to which others are added, from which they are removed, and whose settings change: the untouched tiles
//! lose no frame. Counted in frames, so that it does not depend on how busy the machine is; the rate is in `make bench`, changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::broker::{Broker, Kind};
use crate::support::wait::{SOON, until};
use crate::support::wall::{Wall, WallOptions};

/// Frames per second of the cameras.
const FPS: u32 = 5;
/// Longest time without a new frame on a tile. A machine that is busy delays frames; a session that starts anew would count its
/// frames from the beginning.
const LATE: Duration = Duration::from_secs(2);

/// Screens whose tiles keep their size when a camera comes, and whose tiles become smaller.
const SCREENS: [&str; 2] = ["", "[[wall.head]]\nmode = \"640x480\"\n"];

/// A file with these cameras, each with a number of objects in its picture.
fn file(name: &str, screen: &str, cameras: &[(u32, u32)]) -> String {
    let mut text = format!("[wall]\nname = \"{name}\"\n{screen}");
    for (id, objects) in cameras {
        text += &format!(
            "[[camera]]\nid = {id}\nuri = \"test-pattern:?width=160&height=120&fps={FPS}&objects={objects}\"\n"
        );
    }
    text
}

/// What a tile has shown.
#[derive(Debug, Clone, Copy)]
struct Seen {
    frames: u64,
    drops: u64,
    at: Instant,
}

/// Frames that were decoded, and neither shown nor counted as dropped: those that wait, and those that were lost.
fn missing(tile: &Value) -> u64 {
    let [decoded, frames, drops] = ["decoded", "frames", "drops"].map(|name| number(tile, name));
    decoded - frames - drops
}

/// The number of frames that a tile has lost since the start.
fn lost(wall: &Wall, id: u32) -> u64 {
    // A frame waits for a moment only, because no processor delays the video: three frames later it was seen without one.
    let first = wall.camera(id);
    let mut least = missing(&first);
    wall.until_camera(id, "three frames more", |tile| {
        least = least.min(missing(tile));
        number(tile, "frames") >= number(&first, "frames") + 3
    });
    least
}

fn number(tile: &Value, name: &str) -> u64 {
    tile[name].as_u64().unwrap_or_default()
}

/// Watches tiles until `stop`, and checks that their frames go on.
fn watch(wall: &Wall, ids: &[u32], stop: &AtomicBool) {
    let look = |id: u32| {
        let tile = wall.camera(id);
        assert_eq!(number(&tile, "reconnects"), 0, "{tile:#}");
        Seen {
            frames: number(&tile, "frames"),
            drops: number(&tile, "drops"),
            at: Instant::now(),
        }
    };
    let mut last: Vec<Seen> = ids.iter().map(|id| look(*id)).collect();
    while !stop.load(Ordering::Acquire) {
        for (id, last) in ids.iter().zip(&mut last) {
            let now = look(*id);
            assert!(
                now.frames >= last.frames,
                "camera {id} started anew: {last:?}, then {now:?}"
            );
            // Two frames that are dropped one after the other are a gap of three frame intervals.
            assert!(
                now.drops - last.drops <= now.frames - last.frames,
                "camera {id} has a gap: {last:?}, then {now:?}"
            );
            if now.frames > last.frames {
                *last = now;
            }
            let still = now.at - last.at;
            assert!(still < LATE, "camera {id} stood still for {still:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `change` while the tiles are watched.
fn unbroken(wall: &Wall, ids: &[u32], change: impl FnOnce()) {
    let before: Vec<u64> = ids.iter().map(|id| lost(wall, *id)).collect();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(wall, ids, &stop));
        change();
        stop.store(true, Ordering::Release);
        if let Err(panic) = watcher.join() {
            std::panic::resume_unwind(panic);
        }
    });
    let after: Vec<u64> = ids.iter().map(|id| lost(wall, *id)).collect();
    assert_eq!(before, after, "lost frames of cameras {ids:?}");
}

#[test]
fn untouched_tiles_go_on_while_cameras_come_go_and_change() {
    SCREENS.into_iter().for_each(change_cameras);
}

/// Adds a camera, removes it, and changes a setting of all and the address of one.
fn change_cameras(screen: &str) {
    let broker = Broker::start(Kind::Mosquitto);
    let four = [(0, 1), (1, 1), (2, 1), (3, 1)];
    let options = WallOptions {
        file: &file("one", screen, &four),
        ..WallOptions::of(broker.port())
    };
    let wall = Wall::start_with(&options, &[]);
    let reload = |name: &str, cameras: &[(u32, u32)]| {
        std::fs::write(wall.file(), file(name, screen, cameras)).expect("written");
        wall.process.signal("HUP");
    };
    let applied = || {
        let lines = wall.process.err().all();
        let applied = lines
            .iter()
            .filter(|line| line.contains("configuration applied"));
        applied.count()
    };
    let shows = |id: u32| {
        wall.until_camera(id, "frames", |tile| number(tile, "frames") > 3);
    };
    (0..4).for_each(shows);
    unbroken(&wall, &[0, 1, 2, 3], || {
        reload("one", &[&four[..], &[(4, 1)]].concat());
        shows(4);
        // On the same page as the others.
        assert_eq!(wall.state()["heads"][0]["pages"], 1);
        reload("one", &four);
        until("the fifth is gone", SOON, || {
            wall.camera(4).is_null().then_some(())
        });
        let before = applied();
        reload("two", &four);
        until("the new name", SOON, || (applied() > before).then_some(()));
        let before = number(&wall.camera(0), "frames");
        wall.until_camera(0, "frames", |tile| number(tile, "frames") > before + 5);
    });
    unbroken(&wall, &[0, 1, 2], || {
        reload("two", &[(0, 1), (1, 1), (2, 1), (3, 4)]);
        wall.until_camera(3, "the other address", |tile| {
            let uri = tile["uri"].as_str().unwrap_or_default();
            uri.contains("objects=4") && number(tile, "frames") > 3
        });
    });
}
