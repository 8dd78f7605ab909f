//! Updates of the firmware through a real agent and real roles: a stand-in for the installer and the bootloader switches slots in a
//! folder, and a restart of the machine is one of the agent.

mod power;
mod swupdate;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nvr::fleet::{DocumentHash, Envelope, PayloadType, PrivateKey};
use serde_json::{Value, json};

use super::stage::{FIRST, Stage, document, sources};
use crate::support::file_server::{FileServer, Manner, Served};
use crate::support::ports::free_port;
use crate::support::process::nvr;
use crate::support::scratch::fresh;
use crate::support::wait::{SOON, until_true};

/// Time for a whole update on a busy machine.
const UPDATED: Duration = Duration::from_secs(150);
/// The images: the first word is the version, the second the behaviour of the roles of that system.
const GOOD: &[u8] = b"2.0 good";
const CRASHES: &[u8] = b"3.0 crashes";
const NO_BOOT: &[u8] = b"4.0 does-not-boot";

/// A box with two slots.
struct Slots {
    stage: Stage,
    server: FileServer,
    dir: PathBuf,
    boots: u32,
}

impl Slots {
    fn new() -> Self {
        Self::with(Stage::new())
    }

    fn with(stage: Stage) -> Self {
        let dir = fresh();
        fs::create_dir_all(&dir).expect("a folder");
        let slots = Self {
            stage,
            server: FileServer::start(),
            dir,
            boots: 0,
        };
        for (file, text) in [("current", "a"), ("active", "a"), ("image-a", "1.0 good")] {
            slots.write(file, text);
        }
        slots.write("tool", TOOL);
        let tool = slots.dir.join("tool");
        let command =
            |word: &str, more: &str| format!("{word} = [\"sh\", {tool:?}, \"{word}\"{more}]\n");
        let text = [
            command("install", ", \"{file}\""),
            command("slot", ""),
            command("version", ""),
            command("set-next", ""),
            command("confirm", ""),
            command("rollback", ""),
            "confirm_within = \"25s\"\n".to_owned(),
        ];
        fs::write(slots.stage.config.join("firmware.toml"), text.concat()).expect("written");
        slots
    }

    /// At once, for a command that was under way when the power went.
    fn write(&self, file: &str, text: &str) {
        let new = self.dir.join(format!("{file}.new"));
        fs::write(&new, text).expect("written");
        fs::rename(new, self.dir.join(file)).expect("renamed");
    }

    fn read(&self, file: &str) -> Option<String> {
        let text = fs::read_to_string(self.dir.join(file)).ok()?;
        Some(text.trim().to_owned())
    }

    /// The machine starts: the bootloader tries a new slot once, and returns if it does not boot.
    fn boot(&mut self) {
        self.boots += 1;
        self.write("boot-id", &self.boots.to_string());
        let _ = fs::remove_file(self.dir.join("reboot"));
        let trial = self.read("trial");
        let _ = fs::remove_file(self.dir.join("trial"));
        let image =
            |slots: &Self, slot: &str| slots.read(&format!("image-{slot}")).unwrap_or_default();
        let trial = trial.filter(|slot| !image(self, slot).contains("does-not-boot"));
        let slot = trial.or_else(|| self.read("active")).expect("a slot");
        self.write("current", &slot);
        let reboot = format!("sh {} reboot", self.dir.join("tool").display());
        let boot_id = self.dir.join("boot-id");
        let boot_id = boot_id.to_str().expect("text");
        let mut arguments = vec!["--boot-id", boot_id, "--reboot-command", &reboot];
        let broken = self.dir.join("broken");
        if image(self, &slot).contains("crashes") {
            fs::write(&broken, "#!/bin/sh\nexit 3\n").expect("written");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&broken, mode).expect("executable");
            arguments.extend(["--role-program", broken.to_str().expect("text")]);
        }
        self.stage.start_with(&arguments);
    }

    /// Waits for the order to restart the machine, and restarts it.
    fn reboot(&mut self) {
        let file = self.dir.join("reboot");
        let before = self.firmware_now();
        until_true("the order to restart", UPDATED, || {
            let now = self.firmware_now();
            // One that failed before is not this one.
            let is_older = now["generation"] == before["generation"];
            assert!(now["phase"] != "failed" || is_older, "{now:#}");
            file.exists()
        });
        self.stage.agent().signal("TERM");
        self.stage.agent().end(SOON);
        self.boot();
    }

    /// Serves an image from now on, and returns its address.
    fn serve(&self, generation: u64, image: &[u8], manner: Manner) -> String {
        let served = Served {
            content: image.to_vec(),
            tag: None,
            manner,
        };
        self.server.serve(&format!("image-{generation}"), served)
    }

    /// Serves an image, and adds it to a document.
    fn with_firmware(&self, document: Value, generation: u64, image: &[u8]) -> Value {
        let text = String::from_utf8_lossy(image);
        let version = text.split(' ').next().unwrap_or_default();
        self.with_version(document, generation, image, version)
    }

    /// The same with an image of another form.
    fn with_version(
        &self,
        mut document: Value,
        generation: u64,
        image: &[u8],
        version: &str,
    ) -> Value {
        let url = self.serve(generation, image, Manner::Right);
        document["firmware"] = json!({
            "url": url,
            "sha256": DocumentHash::of(image),
            "version": version,
            "generation": generation,
        });
        document
    }

    fn firmware(&self, phase: &str, generation: u64) -> Value {
        let reported = self.stage.reported_within(UPDATED, |reported| {
            let firmware = &reported["firmware"];
            firmware["phase"] == phase && firmware["generation"] == generation
        });
        reported["firmware"].clone()
    }

    /// A box that runs one document, with its cameras.
    fn runs(&mut self, processor: Value) {
        self.boot();
        self.stage.desire(&document(1, processor));
        self.stage.phase(1, "applied");
    }

    /// The firmware of the newest report that names a slot.
    fn firmware_now(&self) -> Value {
        let reported = self
            .stage
            .reported_within(FIRST, |reported| reported["firmware"]["slot"].is_string());
        reported["firmware"].clone()
    }

    fn command(&self, word: &str) -> std::process::Output {
        let mut command = nvr();
        command
            .args(["firmware", word, "--config-dir"])
            .arg(&self.stage.config)
            .arg("--state-dir")
            .arg(&self.stage.state);
        command.output().expect("it runs")
    }
}

/// The commands of the image's maker. The folder of the script is that of the slots. As with a real bootloader, each setting changes
/// at once: a command may be under way when the power goes.
const TOOL: &str = r#"
set -e
cd "$(dirname "$0")"
current=$(cat current)
if [ "$current" = a ]; then other=b; else other=a; fi
put() { echo "$2" > "$1.$$" && mv "$1.$$" "$1"; }
case $1 in
install) if [ -e slow ]; then sleep 2; fi; cp "$2" "image.$$" && mv "image.$$" "image-$other" ;;
slot) echo "$current" ;;
version) cut -d' ' -f1 "image-$current" ;;
set-next) put trial "$other" ;;
confirm) put active "$current" ;;
rollback) put active "$other" ;;
reboot) touch reboot ;;
esac
"#;

#[test]
fn a_good_update_is_confirmed_and_people_may_take_it_back() {
    let mut slots = Slots::new();
    slots.runs(sources(&[0]));
    slots.stage.flows(0);
    let first = slots.firmware_now();
    assert_eq!(
        (&first["image"], &first["slot"]),
        (&json!("1.0"), &json!("a"))
    );
    assert_eq!(first.get("phase"), None, "nothing is ordered yet");
    let update = slots.with_firmware(document(2, sources(&[0])), 1, GOOD);
    slots.stage.desire(&update);
    slots.reboot();
    slots.firmware("confirming", 1);
    let confirmed = slots.firmware("confirmed", 1);
    assert_eq!(
        (
            &confirmed["image"],
            &confirmed["slot"],
            &confirmed["target"]
        ),
        (&json!("2.0"), &json!("b"), &json!("2.0"))
    );
    assert_eq!(confirmed.get("error"), None);
    assert_eq!(slots.read("active").as_deref(), Some("b"));
    slots.stage.flows(0);
    // The same document again, and one with another body, install nothing again.
    let mut other = update.clone();
    other["generation"] = 3.into();
    slots.stage.desire(&other);
    slots.stage.phase(3, "applied");
    assert_eq!(slots.server.requests("image-1").len(), 1);
    let output = slots.command("status");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("phase    confirmed") && text.contains("former   1.0 in slot a"),
        "{text}"
    );
    assert!(
        !slots.command("confirm").status.success(),
        "there is nothing to confirm"
    );
    assert!(slots.command("rollback").status.success());
    slots.reboot();
    let returned = slots.firmware("rolled-back", 1);
    assert_eq!(
        (&returned["slot"], &returned["error"]["code"]),
        (&json!("a"), &json!("by-hand"))
    );
}

#[test]
fn a_bad_image_is_left_with_its_reason_and_stays_failed() {
    let mut slots = Slots::new();
    slots.runs(sources(&[0]));
    slots.stage.flows(0);
    slots
        .stage
        .desire(&slots.with_firmware(document(2, sources(&[0])), 1, CRASHES));
    slots.reboot();
    slots.firmware("confirming", 1);
    slots.reboot();
    let back = slots.firmware("rolled-back", 1);
    let message = back["error"]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(message.contains("the processor does not run"), "{message}");
    assert_eq!(
        (&back["slot"], &back["image"]),
        (&json!("a"), &json!("1.0"))
    );
    slots.stage.flows(0);
    // One that does not boot at all.
    slots
        .stage
        .desire(&slots.with_firmware(document(3, sources(&[0])), 2, NO_BOOT));
    slots.reboot();
    let back = slots.firmware("rolled-back", 2);
    assert_eq!(back["error"]["code"], "did-not-boot");
    assert_eq!(slots.server.requests("image-2").len(), 1);
}

#[test]
fn cameras_that_are_off_before_and_after_do_not_roll_an_image_back() {
    let mut slots = Slots::new();
    let dead = json!({
        "camera": [{"id": 7, "uri": format!("rtsp://127.0.0.1:{}/", free_port())}],
        "processor": {"backend": "scripted"},
    });
    slots.runs(dead.clone());
    // The body is refused by this version, and its firmware is installed all the same.
    let mut refused = slots.with_firmware(document(2, dead), 1, GOOD);
    refused["processor"]["camera"][0]["uri"] = "http://10.0.0.20/".into();
    slots.stage.desire(&refused);
    slots.reboot();
    let confirmed = slots.firmware("confirmed", 1);
    assert_eq!(confirmed["slot"], "b");
}

#[test]
fn a_wrong_file_and_an_unsigned_order_install_nothing() {
    let stage = Stage::new();
    let key = PrivateKey::from_seed([7; 32]).expect("a key");
    stage.write_device(&format!("keys = [\"{}\"]", key.public()));
    let mut slots = Slots::with(stage);
    slots.boot();
    let signed = |document: &Value| {
        let payload = document.to_string().into_bytes();
        Envelope::sign(PayloadType::Desired, &payload, &[&key]).to_json()
    };
    let unsigned = slots.with_firmware(document(1, sources(&[0])), 1, GOOD);
    slots.stage.desire(&unsigned);
    let reported = slots
        .stage
        .reported(|reported| reported["phase"] == "rejected");
    assert_eq!(reported["errors"][0]["code"], "unsigned");
    assert_eq!(reported["firmware"].get("phase"), None);
    let mut wrong = slots.with_firmware(document(2, sources(&[0])), 2, GOOD);
    wrong["firmware"]["sha256"] = DocumentHash::of(b"other").to_string().into();
    slots.stage.desire_bytes(&signed(&wrong));
    let failed = slots.firmware("failed", 2);
    assert_eq!(failed["error"]["code"], "wrong-content");
    assert_eq!(slots.server.requests("image-1"), [], "unsigned");
    // It stays failed over a restart.
    slots.stage.agent().kill();
    slots.boot();
    wrong["generation"] = 3.into();
    slots.stage.desire_bytes(&signed(&wrong));
    slots.stage.phase(3, "applied");
    slots.firmware("failed", 2);
    assert_eq!(slots.server.requests("image-2").len(), 1);
}
