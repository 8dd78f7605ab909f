//! A wall as a process without a monitor. Its page gives its state, its snapshots the picture.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use image::RgbaImage;
use nvr::base::{Size, cache_dir};
use nvr::config::TestPattern;
use serde_json::Value;
use tempfile::TempDir;

use super::broker::free_port;
use super::process::{Running, nvr};
use super::stage::try_page;
use super::tiles::tile;
use super::wait::{SOON, until};

/// The size of the small pattern's pictures, so tiles have exactly their pixels.
pub(crate) const TILE: Size = Size::new(320, 240);

/// Common settings of tests: short retries, and pictures are stale after a second.
pub(crate) const SOONER: &str =
    "[wall]\nretry_first = \"100ms\"\nretry_longest = \"500ms\"\nstale_after = \"1s\"\n";

/// A running wall.
pub(crate) struct Wall {
    pub(crate) process: Running,
    address: String,
    dir: TempDir,
    tile: Size,
}

/// Options of a wall.
pub(crate) struct WallOptions<'a> {
    /// Port of its broker on this machine.
    pub(crate) broker: u16,
    /// Its file.
    pub(crate) file: &'a str,
    /// Pixels of a tile.
    pub(crate) tile: Size,
    /// Variables of its environment.
    pub(crate) environment: Vec<(&'a str, String)>,
}

impl Wall {
    /// A wall of tiles of [`TILE`] that reads events at `broker`, with further options.
    pub(crate) fn start(broker: u16, options: &[&str]) -> Self {
        Self::start_with(&WallOptions::of(broker), options)
    }

    /// A wall with the given settings and further options.
    pub(crate) fn start_with(settings: &WallOptions<'_>, options: &[&str]) -> Self {
        let dir = TempDir::new().expect("a folder");
        let file = dir.path().join("nvr.toml");
        std::fs::write(&file, settings.file).expect("the folder is writable");
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = nvr();
        command
            .args(["wall", "--output", "headless", "--http", &address])
            .args(["--mqtt-host", "127.0.0.1"])
            .args(["--mqtt-port", &settings.broker.to_string()])
            .args([
                "--instance-id",
                &format!("wall-{address}").replace(':', "-"),
            ])
            .args(["--tile-width", &settings.tile.width.to_string()])
            .args(["--tile-height", &settings.tile.height.to_string()])
            .arg("--config")
            .arg(&file)
            .arg("--snapshot")
            .arg(dir.path().join("wall.png"))
            .args(options)
            // As its unit is started.
            .env("MALLOC_ARENA_MAX", "2")
            .env("MALLOC_MMAP_THRESHOLD_", "131072")
            .env("MALLOC_TRIM_THRESHOLD_", "131072")
            .envs(
                settings
                    .environment
                    .iter()
                    .map(|(name, value)| (*name, value)),
            );
        let mut wall = Self {
            process: Running::start(command),
            address,
            dir,
            tile: settings.tile,
        };
        until("the wall's page is served", SOON * 2, || {
            let ended = wall.process.has_ended();
            assert!(!ended, "{:#?}", wall.process.err().all());
            TcpStream::connect(&wall.address).ok()
        });
        wall
    }

    /// The address of its page.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its configuration file, which it reads again on SIGHUP.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("nvr.toml")
    }

    /// The whole answer of its page to a GET. If there is none, its own words tell why.
    fn page(&self, path: &str) -> String {
        try_page(&self.address, path).unwrap_or_else(|error| {
            let said = self.process.err().all();
            panic!("{}{path}: {error}; the wall said {said:#?}", self.address)
        })
    }

    /// Its state.
    pub(crate) fn state(&self) -> Value {
        let answer = self.page("/state.json");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|err| panic!("{err}: {answer}"))
    }

    /// The state of camera `id`; null if it is unknown.
    pub(crate) fn camera(&self, id: u32) -> Value {
        let mut state = self.state();
        let tiles = state["tiles"].as_array_mut().map(std::mem::take);
        let mut tiles = tiles.unwrap_or_default().into_iter();
        tiles
            .find(|tile| tile["source_id"] == id)
            .unwrap_or_default()
    }

    /// The texts of its tiles, from its state.
    pub(crate) fn words(&self) -> Vec<String> {
        let state = self.state();
        let tiles = state["tiles"].as_array();
        let tiles = tiles.unwrap_or_else(|| panic!("tiles in {state:#}"));
        let text = |tile: &Value| tile["text"].as_str().unwrap_or_default().to_owned();
        tiles.iter().map(text).collect()
    }

    /// Waits until the state of camera `id` is as wanted, and returns it.
    pub(crate) fn until_camera(
        &self,
        id: u32,
        what: &str,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Value {
        let (mut last, deadline) = (self.camera(id), Instant::now() + SOON * 2);
        while !wanted(&last) {
            assert!(
                Instant::now() < deadline,
                "camera {id}: {what}: not in time; {last:#}\n{:#?}",
                self.process.err().all()
            );
            std::thread::sleep(Duration::from_millis(20));
            last = self.camera(id);
        }
        last
    }

    /// Waits until the tile of camera `id` has this text, from the wall's state.
    pub(crate) fn until_says(&self, id: u32, words: &str) -> Value {
        self.until_camera(id, words, |tile| tile["text"] == words)
    }

    /// A metric of its page; zero if it is missing.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        let metrics = self.page("/metrics");
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix("{} "));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Its newest scene, pixel for pixel.
    pub(crate) fn picture(&self) -> RgbaImage {
        let file = self.dir.path().join("wall.png");
        let _ = std::fs::remove_file(&file);
        self.process.signal("USR1");
        until("a snapshot", SOON, || file.exists().then_some(()));
        // Pictures are private to the user.
        let meta = std::fs::metadata(&file).expect("it is there");
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        // The file is renamed when it is complete.
        image::open(&file).expect("a picture").into_rgba8()
    }

    /// Tile `index` of its newest scene.
    pub(crate) fn tile(&self, index: u32) -> RgbaImage {
        tile(&self.picture(), self.tile, index)
    }

    /// Checks scenes until one passes `check`, which describes what is missing in the others.
    pub(crate) fn until_picture(&self, check: impl Fn(&RgbaImage) -> Result<(), String>) {
        let deadline = Instant::now() + SOON * 2;
        loop {
            let picture = self.picture();
            let Err(missing) = check(&picture) else {
                return;
            };
            if Instant::now() >= deadline {
                let name = self.address.replace(':', "-");
                let kept = cache_dir().join(format!("pictures/wall-{name}.png"));
                let _ = std::fs::create_dir_all(kept.with_file_name(""));
                let _ = picture.save(&kept);
                let (state, log) = (self.state(), self.process.err().all());
                panic!("{missing} ({})\n{state:#}\n{log:#?}", kept.display());
            }
        }
    }

    /// The same with tile `index` alone.
    pub(crate) fn until_shown(&self, index: u32, check: impl Fn(&RgbaImage) -> Result<(), String>) {
        self.until_picture(|picture| {
            check(&tile(picture, self.tile, index)).map_err(|err| format!("tile {index}: {err}"))
        });
    }
}

impl<'a> WallOptions<'a> {
    /// The default wall of most tests.
    pub(crate) fn of(broker: u16) -> Self {
        Self {
            broker,
            file: SOONER,
            tile: TILE,
            environment: Vec::new(),
        }
    }
}

/// The configuration of source `id` with a test pattern that the wall paints itself.
pub(crate) fn painted(id: u32, pattern: &TestPattern) -> String {
    let TestPattern { size, fps, objects } = pattern;
    let Size { width, height } = size;
    format!("{id}=test-pattern:?width={width}&height={height}&fps={fps}&objects={objects}")
}
