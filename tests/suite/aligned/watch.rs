//! Walls in this process, each with a thread that reads every scene.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nvr::base::{Clock, PatternObject, SourceId};
use nvr::config::{
    ConfigSource, Environment, HeadSettings, Layout, Settings, Sync, WallFlags, WallSettings,
};
use nvr::control::wall_state::{SyncMetrics, WallState};
use nvr::media::testcam::Testcam;
use nvr::render::{Canvas, Rect};
use nvr::role::{PageSettings, Role};
use nvr::wall::Wall;
use nvr::web::Page;
use nvr::web::wall::WallView;
use tokio::runtime::Runtime;
use url::Url;

use super::SIZE;
use super::record::Record;
use super::tile_reading::{TileReading, has_mark, pattern};
use crate::support::broker::Broker;
use crate::support::process::Running;
use crate::support::stage::documents;
use crate::support::wait::{SOON, until_true};

/// Letter size with which labels are wider than a tile. Labels without a free place are omitted, so that only lines are drawn.
const NO_LABELS: f32 = 5.0;
/// Upper limit for the number of frames of a run.
const MOST_FRAMES: u32 = 4_000;
/// Longest wait for one scene.
const SCENE: Duration = Duration::from_secs(1);

/// Broker, cameras and processor.
pub(super) struct Site {
    pub(super) processor: Running,
    pub(super) broker: Broker,
    /// Receives every event.
    pub(super) reader: Running,
    pub(super) _servers: Vec<Testcam>,
    /// The cameras' addresses, by id.
    pub(super) urls: Vec<Url>,
}

/// A wall with its records.
pub(super) struct Watched {
    pub(super) name: &'static str,
    pub(super) sources: Vec<u32>,
    /// Whether its boxes have labels.
    has_labels: bool,
    wall: Arc<Wall>,
    runtime: Runtime,
    records: Arc<Mutex<Vec<Record>>>,
    stop: Arc<AtomicBool>,
    watcher: Mutex<Option<JoinHandle<()>>>,
}

impl Site {
    /// The analysed frames of a camera, in order.
    pub(super) fn looked_at(&self, id: u32) -> Vec<u32> {
        let pattern = pattern();
        let mut next = 0;
        let mut looked_at = Vec::new();
        for event in documents(&self.reader, &format!("nvr/detections/{id}")) {
            let found: Vec<[f64; 2]> = event["detections"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| {
                    let along = |key: &str| one["bbox"][key].as_f64();
                    Some([along("x")?, along("y")?])
                })
                .collect();
            let is_here = |number: &u32| {
                let objects = pattern.objects(*number);
                let near = |(object, [x, y]): (&PatternObject, &[f64; 2])| {
                    (f64::from(object.bbox.x) - x).abs() < 0.5
                        && (f64::from(object.bbox.y) - y).abs() < 0.5
                };
                found.len() == objects.len() && objects.iter().zip(&found).all(near)
            };
            if let Some(number) = (next..next + MOST_FRAMES).find(is_here) {
                looked_at.push(number);
                next = number + 1;
            }
        }
        looked_at
    }

    /// A wall of some of the cameras, without labels, names and rates. `change` may modify the settings.
    pub(super) fn wall(
        &self,
        name: &'static str,
        sources: &[u32],
        change: impl FnOnce(&mut WallSettings),
    ) -> Watched {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads");
        let mut settings = self.settings(name, sources);
        change(&mut settings.wall);
        let has_labels = settings.wall.label_font_scale < NO_LABELS;
        let wall = Wall::start(settings, runtime.handle().clone(), Clock::system());
        Watched {
            name,
            sources: sources.to_vec(),
            has_labels,
            wall: wall.expect("it starts"),
            runtime,
            records: Arc::new(Mutex::new(vec![Record::default(); sources.len()])),
            stop: Arc::default(),
            watcher: Mutex::default(),
        }
    }

    fn settings(&self, name: &str, sources: &[u32]) -> Settings {
        let mut document = format!(
            "instance_id = \"wall-{name}-{port}\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[wall]\noutput = \"headless\"\n",
            port = self.broker.port()
        );
        for id in sources {
            document += &format!(
                "[[camera]]\nid = {id}\nuri = \"{}\"\n",
                self.urls[*id as usize]
            );
        }
        let source = ConfigSource::new(WallFlags::default(), Environment::default());
        let mut settings = source.with_toml(document).load().expect("good settings");
        let wall = &mut settings.wall;
        wall.tile = SIZE;
        wall.heads = vec![HeadSettings {
            layout: Layout::Grid { columns: Some(2) },
            ..HeadSettings::default()
        }];
        wall.box_thickness = 1;
        wall.label_font_scale = NO_LABELS;
        (wall.display_name, wall.display_fps, wall.display_latency) = (false, false, false);
        settings
    }
}

impl Watched {
    /// Starts reading scenes when the events of every camera are drawn, with `by_ntp` matched by NTP time.
    pub(super) fn watch_once_fed(&self, by_ntp: bool) {
        until_true(
            &format!("events on the wall {}", self.name),
            SOON * 2,
            || {
                self.sources.iter().all(|id| {
                    let sync = self.sync(*id);
                    sync.mode != Sync::Auto && (!by_ntp || sync.matched_share > Some(0.0))
                })
            },
        );
        let (wall, records, stop) = (self.wall.clone(), self.records.clone(), self.stop.clone());
        let has_labels = self.has_labels;
        let watcher = std::thread::spawn(move || watch(&wall, has_labels, &records, &stop));
        *lock(&self.watcher) = Some(watcher);
    }

    /// The records so far, in the order of the sources.
    pub(super) fn records(&self) -> Vec<Record> {
        lock(&self.records).clone()
    }

    pub(super) fn state(&self) -> WallState {
        self.wall.state()
    }

    /// The wall's synchronisation figures of a camera.
    pub(super) fn sync(&self, id: u32) -> SyncMetrics {
        let tiles = self.state().tiles;
        let tile = tiles
            .into_iter()
            .find(|tile| tile.source_id == SourceId(id));
        tile.expect("it has a tile").sync
    }

    /// The wall's page, on a separate port.
    pub(super) fn serve(&self) -> Page {
        let address = ([127, 0, 0, 1], 0).into();
        let wanted = PageSettings::open(address);
        let page = self.runtime.block_on(self.wall.serve(&wanted));
        page.expect("a free port")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(watcher) = lock(&self.watcher).take() {
            let seen = watcher.join();
            assert!(
                seen.is_ok() || std::thread::panicking(),
                "the watcher panicked"
            );
        }
        self.runtime.block_on(self.wall.stop(SOON));
    }
}

fn watch(wall: &Wall, has_labels: bool, records: &Mutex<Vec<Record>>, stop: &AtomicBool) {
    let mut before: Option<Arc<Canvas>> = None;
    while !stop.load(Ordering::Acquire) {
        let Some(picture) = wall.picture(0, SCENE) else {
            continue;
        };
        if before
            .as_ref()
            .is_some_and(|before| Arc::ptr_eq(before, &picture))
        {
            continue;
        }
        let columns = picture.size().width / SIZE.width;
        let tiles = lock(records).len();
        for index in 0..tiles {
            let (column, row) = (index as u32 % columns, index as u32 / columns);
            let (x, y) = (column * SIZE.width, row * SIZE.height);
            let place = Rect::new(x as i32, y as i32, SIZE.width, SIZE.height);
            let reading = TileReading::of(&picture, &place, has_labels);
            let marked = has_mark(&picture, &place);
            lock(records)[index].add(reading.as_ref(), marked);
        }
        before = Some(picture);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
