//! What is outside the box: a broker with a login, cameras, and the desk; and what they hear of the box.

use nvr::base::Size;
use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use serde_json::Value;

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::device::{Device, PATIENCE};
use crate::support::process::Running;
use crate::support::site::Site;
use crate::support::vm::HOST;

/// The id that the provisioning file gives the box.
const DEVICE: &str = "gate-box";
/// Login of the box, and of the desk.
const LOGIN: (&str, &str) = ("gate", "open sesame");
/// What the cameras show, and the size of the wall's tiles.
pub(super) const PATTERN: TestPattern = TestPattern {
    size: Size::new(320, 240),
    fps: 5.0,
    objects: 2,
};
/// The camera that the processor analyses.
pub(super) const ANALYSED: u32 = 0;
/// The wall's own test pattern, whose colours are exact because it was not encoded.
pub(super) const EXACT: u32 = 2;
/// The camera that comes with the second document.
pub(super) const LATER: u32 = 3;

/// What is outside the box: a broker with a login, cameras, and the desk.
pub(super) struct Outside {
    pub(super) site: Site,
    cameras: Testcam,
    events: Running,
}

impl Outside {
    pub(super) fn new() -> Self {
        let broker = Broker::start_with(
            Kind::Mosquitto,
            Setup {
                login: Some(LOGIN),
                ..Setup::default()
            },
        );
        let camera = CameraOptions::new(Feed::Pattern(PATTERN));
        let cameras = TestcamOptions {
            cameras: vec![camera; 2],
            ..TestcamOptions::default()
        };
        let site = Site::on(broker, 0, "");
        let cameras = Testcam::start(&cameras).expect("cameras start");
        let events = site.broker.observe("nvr/detections/#");
        Self {
            site,
            cameras,
            events,
        }
    }

    /// The file on the stick. The fault is a port that no broker has, and a key that does not exist.
    pub(super) fn provisioning(&self, has_faults: bool) -> String {
        let port = if has_faults {
            0
        } else {
            self.site.broker.port()
        };
        let more = if has_faults { "colour = \"red\"\n" } else { "" };
        let (user, password) = LOGIN;
        // As editors on Windows save it.
        format!(
            "device = \"{DEVICE}\"\nname = \"Gate\"\n{more}[mqtt]\nhost = \"{HOST}\"\nport = {port}\nusername = \"{user}\"\n\
             password = {{ file = \"mqtt-password\" }}\n[files]\nmqtt-password = \"{password}\"\n[time]\nzone = \"Europe/Berlin\"\n"
        )
        .replace('\n', "\r\n")
    }

    /// Writes the fleet: the last camera is missing at first, and has a picture later.
    pub(super) fn write_fleet(&self, has_last: bool) {
        let camera = |id: usize| {
            let mut url = self.cameras.url(id);
            url.set_host(Some(&HOST.to_string())).expect("an address");
            url
        };
        let last = match has_last {
            true => camera(1).to_string(),
            false => format!("rtsp://{HOST}:1/gone"),
        };
        let (port, (user, password)) = (self.site.broker.port(), LOGIN);
        let analysed = camera(0);
        let text = format!(
            r#"
[broker]
host = "127.0.0.1"
port = {port}
username = "{user}"
password = "{password}"
[[device]]
id = "{DEVICE}"
role = "both"
probation = {{ limit = "30s" }}
processor.processor = {{ backend = "scripted", start_limit = "60s", stall_limit = "20s" }}
processor.camera = [{{ id = {ANALYSED}, uri = "{analysed}" }}]
wall.wall = {{ output = "kms", name = "Gate", tile_width = 320, tile_height = 240, start_limit = "60s", stall_limit = "20s" }}
wall.camera = [
  {{ id = {ANALYSED}, uri = "{analysed}" }},
  {{ id = 1, uri = "{second}", name = "Yard" }},
  {{ id = {EXACT}, uri = "test-pattern:?width=320&height=240&fps=5&objects=2" }},
  {{ id = {LATER}, uri = "{last}" }},
]
"#,
            second = camera(1),
        );
        std::fs::write(self.site.file(), text).expect("written");
    }

    /// `nvr fleet apply`, which ends when the box has applied the document.
    pub(super) fn apply(&self) {
        let (code, told) = self
            .site
            .run(&["apply", "--allow-plain-secrets", "--timeout", "5min"]);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("1 applied after"), "{told}");
    }

    /// Waits until the agent is online at the broker.
    pub(super) fn until_online(&self, device: &mut Device) {
        device.until("the box is online", PATIENCE, |_| {
            let (_, told) = self.site.run(&["status", "--format", "json"]);
            let status: Value = serde_json::from_str(&told).unwrap_or_default();
            match status["rows"][0]["presence"] == "online" {
                true => Ok(()),
                false => Err(told),
            }
        });
    }

    /// Waits for a further event of the box's processor that has objects in it.
    pub(super) fn until_event(&self, device: &mut Device) -> Value {
        let known = self.events.out().all().len();
        device.until("an event of the processor in the box", PATIENCE, |_| {
            let lines = self.events.out().all();
            let event = lines.iter().skip(known).find_map(|line| {
                let event: Value = serde_json::from_str(line.splitn(3, ' ').nth(2)?).ok()?;
                let has_objects = !event["detections"].as_array()?.is_empty();
                has_objects.then_some(event)
            });
            event.ok_or_else(|| format!("{} events without objects", lines.len() - known))
        })
    }
}
