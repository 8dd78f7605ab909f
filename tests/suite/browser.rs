//! The wall's page in a real browser, with a wall that shows what a test says.

mod proxies;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nvr::base::{Clock, Heartbeats, Size, SourceId};
use nvr::config::{Secret, Sync};
use nvr::control::wall_state::{
    Analysis, AnalysisState, Broker, Head, Identity, SyncMetrics, Tile, Video, VideoState,
    WallState,
};
use nvr::health::{MetricsSource, Sample};
use nvr::render::{Canvas, Color, Rect};
use nvr::web::Page;
use nvr::web::wall::{WallView, samples, serve};
use serde_json::json;

use crate::bus::runtime;
use crate::support::broker::free_port;
use crate::support::browser::Browser;
use crate::support::wait::{SOON, until};

/// A wall that shows what a test says.
struct Staged {
    state: Mutex<WallState>,
    scene: Mutex<Arc<Canvas>>,
    moves: std::sync::atomic::AtomicBool,
}

const SCENE: Size = Size::new(1280, 720);

impl Staged {
    fn new(tiles: Vec<Tile>) -> Arc<Self> {
        let state = WallState {
            wall: Identity {
                instance_id: "lobby-1".to_owned(),
                name: Some("Gate <b>& yard".to_owned()),
                version: "0.1.0".to_owned(),
                uptime_s: 4000.0,
            },
            broker: Broker {
                connected: true,
                address: "mqtt://broker:1883".to_owned(),
                ..Broker::default()
            },
            heads: vec![Head {
                name: "headless".to_owned(),
                output: "headless".to_owned(),
                width: SCENE.width,
                height: SCENE.height,
                layout: "grid".to_owned(),
                page: 1,
                pages: 1,
                ..Head::default()
            }],
            tiles,
            alarm_classes_missing: Vec::new(),
            stuck: Vec::new(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            scene: Mutex::new(Arc::new(Canvas::new(SCENE, Color::BLACK))),
            moves: true.into(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, WallState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(self: &Arc<Self>, address: SocketAddr, token: Option<&str>) -> Option<Page> {
        runtime_of_pages().block_on(async {
            let heartbeats = Heartbeats::new(Clock::system());
            let token = token.map(Secret::new);
            serve(address, token, &[], self.clone(), self.clone(), heartbeats)
                .await
                .ok()
        })
    }
}

fn runtime_of_pages() -> &'static tokio::runtime::Runtime {
    static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(runtime)
}

impl WallView for Staged {
    fn heads(&self) -> Vec<String> {
        vec!["headless".to_owned()]
    }

    fn picture(&self, _head: usize, _limit: Duration) -> Option<Arc<Canvas>> {
        let mut scene = self.scene.lock().unwrap_or_else(PoisonError::into_inner);
        if self.moves.load(std::sync::atomic::Ordering::Acquire) {
            let mut state = self.lock();
            state.heads[0].scenes += 1;
            let mut canvas = Canvas::new(SCENE, Color::rgb(30, 60, 90));
            let left = (state.heads[0].scenes * 37 % 1200) as i32;
            canvas.fill(&Rect::new(left, 200, 80, 300), Color::rgb(230, 159, 0));
            *scene = Arc::new(canvas);
        }
        Some(scene.clone())
    }

    fn state(&self) -> WallState {
        self.lock().clone()
    }
}

impl MetricsSource for Staged {
    fn samples(&self) -> Vec<Sample> {
        samples(&self.lock())
    }
}

fn live(id: u32, name: &str) -> Tile {
    Tile {
        source_id: SourceId(id),
        name: name.to_owned(),
        uri: format!("rtsp://camera-{id}.example:554/stream1?channel=1&subtype=0"),
        video: Video {
            state: VideoState::Live,
            age_s: Some(0.02),
            ..Video::default()
        },
        analysis: Analysis {
            state: AnalysisState::Ok,
            instance_id: Some("edge-7".to_owned()),
        },
        fps: Some(25.0),
        latency_ms: Some(84.0),
        sync: SyncMetrics {
            mode: Sync::Aligned,
            matched_share: Some(0.998),
            skew_p50_ms: Some(0.0),
            skew_p95_ms: Some(4.0),
            delay_ms: 180.0,
        },
        frames: 90_000,
        ..Tile::default()
    }
}

#[test]
fn the_page_shows_what_the_wall_shows_and_says_when_it_does_not() {
    let tiles = (0..6).map(|id| live(id, "Ramp")).collect();
    let wall = Staged::new(tiles);
    wall.lock().tiles[1].name = "<img src=x onerror=alert(1)>".to_owned();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let page = wall.page(address, None).expect("a free port");
    let mut browser = Browser::open(&format!("http://{address}/"), Size::new(1280, 900));

    // All is well.
    browser.expect(json!({ "says": "Gate <b>& yard", "in": "h1" }));
    browser.expect(json!({ "says": "6 of 6 cameras live", "in": "#tally" }));
    browser.expect(json!({ "says": "1 · <img src=x onerror=alert(1)>", "in": "li h2" }));
    let picture = browser.expect(json!({ "changes": 5 }));
    assert_eq!(
        picture["size"],
        json!([1280, 720]),
        "as wide as the window needs"
    );
    browser.expect(json!({ "says": "live picture", "in": "#picture-state" }));
    browser.expect(json!({ "hidden": "#trouble" }));
    browser.shot("page-wide.png");

    // Cameras fail, one by one, and a phone looks.
    {
        let mut state = wall.lock();
        let since = "2025-10-25T10:30:00Z".parse().ok();
        state.tiles[2].video = Video {
            state: VideoState::Stale,
            since,
            age_s: Some(12.4),
            code: Some("stalled".to_owned()),
            message: Some("no access unit since 12 s (limit 2 s)".to_owned()),
        };
        state.tiles[2].text = "STALE 12 s".to_owned();
        state.tiles[3].video = Video {
            state: VideoState::NoCamera,
            since,
            age_s: None,
            code: Some("unauthorized".to_owned()),
            message: Some(
                "401: the camera refuses the login; check its user and password".to_owned(),
            ),
        };
        state.tiles[4].analysis.state = AnalysisState::NoProcessor;
        state.tiles[5] = Tile {
            source_id: SourceId(5),
            ..Tile::default()
        };
        state.tiles[5].analysis.state = AnalysisState::Paused;
    }
    browser.expect(json!({ "says": "STALE 12 s, since", "in": "li[data-source='2'].ill" }));
    browser.expect(json!({ "says": "no access unit since 12 s", "in": "li[data-source='2']" }));
    browser
        .expect(json!({ "says": "check its user and password", "in": "li[data-source='3'].ill" }));
    browser.expect(json!({ "says": "NO PROCESSOR", "in": "li[data-source='4'].warn" }));
    browser.expect(json!({ "says": "CONNECTING", "in": "li[data-source='5'].warn" }));
    browser.expect(json!({ "says": "3 of 6 cameras live", "in": "#tally" }));
    browser.expect(json!({ "size": [360, 740] }));
    browser.expect(json!({ "changes": 3 }));
    browser.shot("page-phone.png");
    {
        let mut state = wall.lock();
        state.broker.connected = false;
        state.broker.reason = Some("connection refused".to_owned());
    }
    browser.expect(json!({ "says": "NO BROKER: connection refused", "in": "#broker.ill" }));

    // The picture stands.
    wall.moves
        .store(false, std::sync::atomic::Ordering::Release);
    browser
        .expect(json!({ "says": "the picture has not changed for", "in": "#picture-state.warn" }));
    wall.moves.store(true, std::sync::atomic::Ordering::Release);
    browser.expect(json!({ "says": "live picture", "in": "#picture-state.well" }));
    browser.expect(json!({ "calm": true }));

    // The wall goes, and comes back.
    drop(page);
    browser.expect(
        json!({ "says": "No answer from the wall since", "in": "#trouble", "within_ms": 6000 }),
    );
    browser.expect(json!({ "says": "last received picture", "in": "#picture-state" }));
    browser.shot("page-gone.png");
    let _page = until("the port is free again", SOON, || wall.page(address, None));
    browser.expect(json!({ "hidden": "#trouble" }));
    browser.expect(json!({ "changes": 3, "within_ms": 30_000 }));
}

#[test]
fn a_viewer_gives_the_token_and_sees_the_wall() {
    let wall = Staged::new(vec![live(0, "Ramp")]);
    let page = wall
        .page(([127, 0, 0, 1], 0).into(), Some("open; sesame"))
        .expect("a free port");
    let url = format!("http://{}/", page.address());
    let mut browser = Browser::open(&url, Size::new(800, 600));
    browser.expect(json!({ "says": "This wall needs a token", "in": "h1" }));
    browser.shot("page-token.png");
    browser.expect(json!({ "fill": "input", "with": "open; sesame" }));
    browser.expect(json!({ "says": "1 of 1 cameras live", "in": "#tally" }));
    browser.expect(json!({ "at": "/" }));
    browser.expect(json!({ "changes": 2 }));
}

#[test]
fn a_wall_of_two_monitors_shows_either() {
    let wall = Staged::new(vec![live(0, "Ramp")]);
    {
        let mut state = wall.lock();
        let other = Head {
            name: "DP-1".to_owned(),
            output: "DP-1, 1920x1080@60".to_owned(),
            ..state.heads[0].clone()
        };
        state.heads.push(other);
    }
    let page = wall
        .page(([127, 0, 0, 1], 0).into(), None)
        .expect("a free port");
    let url = format!("http://{}/", page.address());
    let mut browser = Browser::open(&url, Size::new(800, 600));
    browser.expect(json!({ "says": "headless · 1280×720", "in": "#output" }));
    browser.expect(json!({ "says": "DP-1", "in": "nav button" }));
    let shown = json!({ "says": "DP-1, 1920x1080@60", "in": "#output" });
    browser.expect(json!({ "press": "nav button:nth-child(2)", "then": shown }));
    // This one has no picture of it: the page says so and goes on asking.
    browser.expect(json!({ "says": "waiting for the first picture", "in": "#picture-state" }));
}

#[test]
fn a_viewer_too_many_sees_single_pictures() {
    let wall = Staged::new(vec![live(0, "Ramp")]);
    let page = wall
        .page(([127, 0, 0, 1], 0).into(), None)
        .expect("a free port");
    let look = |_| {
        let mut viewer = TcpStream::connect(page.address()).expect("it listens");
        let question = b"GET /wall.mjpg?fps=0.1 HTTP/1.0\r\nHost: localhost\r\n\r\n";
        viewer.write_all(question).expect("it reads");
        let mut first = [0; 12];
        viewer.read_exact(&mut first).expect("it answers");
        assert_eq!(&first, b"HTTP/1.0 200", "there is a place");
        viewer
    };
    let _viewers: Vec<TcpStream> = (0..8).map(look).collect();
    let url = format!("http://{}/", page.address());
    let mut browser = Browser::open(&url, Size::new(800, 600));
    browser.expect(json!({ "says": "live picture (single pictures)", "in": "#picture-state" }));
    browser.expect(json!({ "changes": 3 }));
}
