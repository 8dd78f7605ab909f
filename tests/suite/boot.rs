//! A box from power-on to a picture: the image of `tools/lib/boot.sh` in a virtual machine, whose cameras and broker are on this machine.
//! `tools/test boot` runs it; docs/building.md describes it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use image::RgbaImage;
use nvr::base::Size;
use nvr::config::TestPattern;
use nvr::media::testcam::{CameraOptions, Feed, Testcam, TestcamOptions};
use serde_json::Value;

use crate::support::broker::{Broker, Kind, Setup};
use crate::support::device::{Device, Disks, PATIENCE, SCREEN};
use crate::support::process::Running;
use crate::support::site::Site;
use crate::support::tiles::{FAULT, has_boxes, has_exact_colours, has_warning, says, tile};
use crate::support::vm::HOST;
use crate::support::wall::{Wall, WallOptions};

/// The id that the provisioning file gives the box.
const DEVICE: &str = "gate-box";
/// Login of the box, and of the desk.
const LOGIN: (&str, &str) = ("gate", "open sesame");
/// Longest first picture after the start of the kernel: the goal where the machine has nothing else to do is 60 s.
const FIRST_PICTURE: Duration = Duration::from_secs(240);
/// Longest repair of a processor that hangs: the agent's limit of 60 s, its end and its start.
const REPAIR: Duration = Duration::from_secs(240);
/// What the cameras show, and the size of the wall's tiles.
const PATTERN: TestPattern = TestPattern {
    size: Size::new(320, 240),
    fps: 5.0,
    objects: 2,
};
/// The camera that the processor analyses.
const ANALYSED: u32 = 0;
/// The wall's own test pattern, whose colours are exact because it was not encoded.
const EXACT: u32 = 2;
/// The camera that comes with the second document.
const LATER: u32 = 3;

/// What is outside the box: a broker with a login, cameras, and the desk.
struct Outside {
    site: Site,
    cameras: Testcam,
    events: Running,
}

impl Outside {
    fn new() -> Self {
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
    fn provisioning(&self, has_faults: bool) -> String {
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
    fn write_fleet(&self, has_last: bool) {
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
    fn apply(&self) {
        let (code, told) = self
            .site
            .run(&["apply", "--allow-plain-secrets", "--timeout", "5min"]);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("1 applied after"), "{told}");
    }

    /// Waits until the agent is online at the broker.
    fn until_online(&self, device: &mut Device) {
        until_in(device, "the box is online", || {
            let (_, told) = self.site.run(&["status", "--format", "json"]);
            let status: Value = serde_json::from_str(&told).unwrap_or_default();
            (status["rows"][0]["presence"] == "online").then_some(())
        });
    }

    /// Waits for a further event of the box's processor that has objects in it.
    fn until_event(&self, device: &mut Device) -> Value {
        let known = self.events.out().all().len();
        until_in(device, "an event of the processor in the box", || {
            let lines = self.events.out().all();
            lines.iter().skip(known).find_map(|line| {
                let event: Value = serde_json::from_str(line.splitn(3, ' ').nth(2)?).ok()?;
                let has_objects = !event["detections"].as_array()?.is_empty();
                has_objects.then_some(event)
            })
        })
    }
}

/// As [`until`], and fails with the journal of the box.
fn until_in<T>(device: &mut Device, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        if Instant::now() >= deadline {
            panic!("{what}: not within {PATIENCE:?}\n{}", device.journal());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The lines of the notice that the box shows, from the configuration of its wall.
fn notice(device: &mut Device) -> Vec<String> {
    let found = device.run("cat /run/nvr/roles-*/wall.json");
    let config: Value = serde_json::from_str(&found.out).unwrap_or_default();
    let lines = config["wall"]["notice"].as_array();
    let lines = lines.into_iter().flatten().filter_map(Value::as_str);
    lines.map(str::to_owned).collect()
}

/// Waits until the monitor shows a notice with these beginnings of lines, exactly as a wall on this machine draws it.
fn until_notice(device: &mut Device, label: &str, limit: Duration, beginnings: &[&str]) {
    let has_all = |lines: &[String]| {
        lines.len() == beginnings.len()
            && lines
                .iter()
                .zip(beginnings)
                .all(|(line, start)| line.starts_with(start))
    };
    let deadline = Instant::now() + limit;
    loop {
        let lines = notice(device);
        if has_all(&lines) {
            let drawn = drawn(&lines);
            device.until_shown(label, PATIENCE, |picture| is_like(picture, &drawn));
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the notice is {lines:#?}, not {beginnings:#?}\n{}",
            device.journal()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What a wall draws for a notice on a screen of the same size.
fn drawn(lines: &[String]) -> RgbaImage {
    let list = serde_json::to_string(lines).expect("text");
    // Nothing listens at the port discard.
    let options = WallOptions {
        file: &format!("camera = []\n[wall]\nnotice = {list}\n"),
        tile: Size::new(SCREEN.0, SCREEN.1),
        ..WallOptions::of(9)
    };
    let wall = Wall::start_with(&options, &[]);
    wall.picture()
}

fn is_like(picture: &RgbaImage, wanted: &RgbaImage) -> Result<(), String> {
    if picture.dimensions() != wanted.dimensions() {
        let sizes = (picture.dimensions(), wanted.dimensions());
        return Err(format!("the screen has {:?}, not {:?}", sizes.0, sizes.1));
    }
    let colours: BTreeSet<[u8; 4]> = wanted.pixels().map(|pixel| pixel.0).collect();
    assert!(colours.len() > 1, "an empty notice proves nothing");
    let other = std::iter::zip(picture.pixels(), wanted.pixels())
        .filter(|(is, wanted)| is.0[..3] != wanted.0[..3])
        .count();
    match other {
        0 => Ok(()),
        _ => Err(format!("{other} pixels differ from the notice")),
    }
}

/// Every tile: boxes round what was detected, exact colours without boxes, a live camera, and one that is missing or has come.
fn shows_all(picture: &RgbaImage, has_last: bool) -> Result<(), String> {
    if picture.dimensions() != SCREEN {
        return Err(format!("a screen of {:?}", picture.dimensions()));
    }
    let tile = |index| tile(picture, PATTERN.size, index);
    has_boxes(&tile(ANALYSED), &PATTERN)?;
    has_exact_colours(&tile(EXACT), &PATTERN)?;
    has_warning(&tile(1))?;
    has_warning(&tile(EXACT))?;
    match has_last {
        true => has_warning(&tile(LATER)),
        false => says(&tile(LATER), FAULT, "NO CAMERA"),
    }
}

/// The process id of the box's processor.
fn processor(device: &mut Device) -> String {
    device.run("pgrep -f '^/usr/bin/nvr processor'").out
}

/// Waits for another processor than the one with the id `before`, and for boxes on the monitor again.
fn until_repaired(device: &mut Device, outside: &Outside, label: &str, before: &str) {
    let deadline = Instant::now() + REPAIR;
    loop {
        let now = processor(device);
        if !now.is_empty() && now != before {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{label}: no other processor than {before} within {REPAIR:?}\n{}",
            device.journal()
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    outside.until_event(device);
    device.until_shown(label, PATIENCE, |picture| shows_all(picture, true));
}

#[test]
#[ignore = "boots a virtual machine: `tools/test boot` runs it"]
fn a_box_is_set_up_by_a_stick_configured_from_a_desk_and_outlives_crashes_and_power_cuts() {
    let (outside, disks) = (Outside::new(), Disks::new());
    outside.write_fleet(false);
    let mut device = Device::power_on("box", &disks, true);
    let unset = [
        "NOT SET UP",
        "device nvr-",
        "address 10.0.2.15",
        "next: plug in a USB stick",
    ];
    until_notice(&mut device, "not-set-up", FIRST_PICTURE, &unset);

    // A stick with faults changes nothing but the screen.
    let wrong = disks.stick("wrong", &outside.provisioning(true));
    device.plug_in(&wrong);
    let told = [
        "NOT SET UP",
        "device nvr-",
        "address 10.0.2.15",
        "problem: nvr-provision.toml: colour: unknown key",
        "problem: nvr-provision.toml: mqtt.port: ",
        "next: correct the file",
    ];
    until_notice(&mut device, "wrong-stick", PATIENCE, &told);
    device.pull_out(&wrong);
    assert_eq!(wrong.files(), ["nvr-provision.toml"]);

    let stick = disks.stick("right", &outside.provisioning(false));
    device.plug_in(&stick);
    outside.until_online(&mut device);
    device.pull_out(&stick);
    assert_eq!(
        stick.files(),
        Vec::<String>::new(),
        "its passwords are left on the stick"
    );

    outside.apply();
    device.until_shown("configured", PATIENCE, |picture| shows_all(picture, false));
    let event = outside.until_event(&mut device);
    assert_eq!(event["source_id"], ANALYSED);
    assert_eq!(
        (&event["frame_width"], &event["frame_height"]),
        (&320.into(), &240.into())
    );

    // The next document changes the picture.
    outside.write_fleet(true);
    outside.apply();
    device.until_shown("changed", PATIENCE, |picture| shows_all(picture, true));

    // The processor is not root, and is started again after a crash, and when it hangs.
    let user = device.ok("ps -o user= -p $(pgrep -f '^/usr/bin/nvr processor')");
    assert_eq!(user, "nvr\n");
    let before = processor(&mut device);
    device.ok(&format!("kill -KILL {before}"));
    until_repaired(&mut device, &outside, "after-crash", &before);
    let before = processor(&mut device);
    device.ok(&format!("kill -STOP {before}"));
    until_repaired(&mut device, &outside, "after-hang", &before);
    device.cut_power();

    // No network, no broker, no camera: the last configuration is on the screen all the same.
    let mut device = Device::power_on("box-offline", &disks, false);
    device.until_shown("offline", FIRST_PICTURE, |picture| {
        let tile = |index| tile(picture, PATTERN.size, index);
        has_exact_colours(&tile(EXACT), &PATTERN)?;
        for index in [ANALYSED, 1, LATER] {
            says(&tile(index), FAULT, "NO CAMERA")?;
        }
        Ok(())
    });
    // The fault is the box's own, and it says so.
    device.ok("journalctl -b -u nvr-agent.service | grep -q 'this machine has no route to it'");
    report(&mut device);
    device.plug_cable(true);
    device.until_shown("online-again", PATIENCE * 2, |picture| {
        shows_all(picture, true)
    });
    outside.until_event(&mut device);
    outside.until_online(&mut device);
}

/// Prints how long the start took: the whole, the kernel's, and ours.
fn report(device: &mut Device) {
    let (whole, kernel) = (device.age(), device.kernel_age());
    let agent = seconds(
        device,
        "systemctl show --value -p ExecMainStartTimestampMonotonic nvr-agent.service",
    );
    let agent = agent / 1e6;
    // [   69.024976] nvr[216]: wall: … first picture is on the display
    let ready = "journalctl -b -o short-monotonic -u nvr-agent.service | sed -n 's/^\\[ *\\([0-9.]*\\)\\].*first picture is on the display.*/\\1/p' | head -n 1";
    let ready = seconds(device, ready);
    println!(
        "power-on to the last configuration on the screen: {:.1} s",
        whole.as_secs_f64()
    );
    println!(
        "  kernel started to the first picture: {ready:.1} s; to all of its tiles: {:.1} s",
        kernel.as_secs_f64()
    );
    println!(
        "  agent started to the first picture: {:.1} s",
        ready - agent
    );
    println!(
        "{}",
        device.ok("systemd-analyze time && systemd-analyze critical-chain nvr-agent.service")
    );
}

/// The number that a command in the box prints.
fn seconds(device: &mut Device, line: &str) -> f64 {
    let told = device.ok(line);
    told.trim()
        .parse()
        .unwrap_or_else(|err| panic!("{err}: {told:?}"))
}
