//! Snapshots of a wall.

use nvr::base::Size;
use nvr::config::TestPattern;

use super::sources;
use crate::support::broker::{Broker, Kind, Setup};
use crate::support::wall::{Wall, WallOptions, painted};

/// Large enough that a snapshot is still being written when the next one is asked for.
const LARGE: Size = Size::new(1280, 720);

#[test]
fn snapshots_that_are_asked_for_at_once_are_each_whole() {
    let broker = Broker::absent(Kind::Mosquitto, Setup::default());
    let moving = TestPattern {
        size: LARGE,
        fps: 10.0,
        objects: 5,
    };
    let shown = [painted(0, &moving)];
    let options = WallOptions {
        tile: LARGE,
        ..WallOptions::of(broker.port())
    };
    let wall = Wall::start_with(&options, &sources(&shown));
    for _ in 0..20 {
        for _ in 0..3 {
            wall.process.signal("USR1");
        }
        let picture = wall.picture();
        assert_eq!(picture.dimensions(), (LARGE.width, LARGE.height));
    }
}
