//! The page of a wall in a real browser, while cameras fail and return.

use nvr::base::Size;
use serde_json::json;

use super::{cameras_at, sources};
use crate::support::browser::Browser;
use crate::support::stage::Stage;
use crate::support::wall::Wall;

#[test]
fn the_page_of_a_wall_follows_its_cameras() {
    let mut stage = Stage::start(2, &[]);
    let port = stage.cameras.port();
    let shown = [0, 1].map(|id| format!("{id}={}", stage.cameras.url(id)));
    let mut options = sources(&shown);
    options.extend(["--name", "Gate"]);
    let wall = Wall::start(stage.broker.port(), &options);
    let mut browser = Browser::open(&wall.url(), Size::new(1000, 800));
    browser.expect(json!({ "says": "Gate", "in": "h1" }));
    browser.expect(json!({ "says": "2 of 2 cameras live", "in": "#tally", "within_ms": 30_000 }));
    browser.expect(json!({ "says": "live picture", "in": "#picture-state" }));
    browser.expect(json!({ "changes": 5 }));
    browser.expect(json!({ "hidden": "#trouble" }));

    stage.cameras.silence(0, true);
    browser.expect(json!({ "says": "STALE", "in": "li[data-source='0'].ill" }));
    browser.expect(json!({ "says": "1 of 2 cameras live", "in": "#tally" }));
    // The picture of the other camera still moves.
    browser.expect(json!({ "changes": 3 }));
    stage.cameras.silence(0, false);
    browser.expect(json!({ "says": "2 of 2 cameras live", "in": "#tally", "within_ms": 30_000 }));
    browser.expect(json!({ "says": "LIVE", "in": "li[data-source='0']" }));

    // All cameras are gone. The page continues and shows the reason.
    let gone = std::mem::replace(&mut stage.cameras, cameras_at(0, 0));
    gone.stop();
    browser.expect(json!({ "says": "STALE", "in": "li[data-source='1'].ill" }));
    browser.expect(json!({
        "says": port.to_string(), "in": "li[data-source='1'].ill", "within_ms": 30_000,
    }));
    browser.expect(json!({ "says": "0 of 2 cameras live", "in": "#tally" }));
    browser.shot("wall-stale.png");
    stage.cameras = cameras_at(port, 2);
    browser.expect(json!({ "says": "2 of 2 cameras live", "in": "#tally", "within_ms": 30_000 }));
    browser.expect(json!({ "changes": 3 }));

    stage.broker.kill();
    browser.expect(json!({ "says": "NO BROKER", "in": "#broker.ill" }));
    browser.expect(json!({ "says": "NO BROKER", "in": "li[data-source='0'].warn" }));
    browser.expect(json!({ "calm": true }));
}
