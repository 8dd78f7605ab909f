//! Two hosts with a cable between them: the box and its broker at one end, the desk at the other. The cable is cut, both sides
//! change, and after it is mended they agree.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::stage::{FIRST, TRIAL, kill, sources};
use crate::support::namespaces::Namespaces;
use crate::support::process::{Running, nvr};
use crate::support::scratch::fresh;
use crate::support::wait::{SOON, until};

/// Port of the broker; the network of the box has no other.
const PORT: u16 = 1883;
/// Longest time of a rollout to one box.
const ROLLOUT: Duration = Duration::from_secs(90);

/// The hosts. Fields are dropped in their order: the programs before their networks.
struct Hosts {
    agent: Running,
    reports: Running,
    _broker: Running,
    dir: PathBuf,
    site: Namespaces,
    desk: Namespaces,
}

impl Hosts {
    fn new() -> Self {
        let site = Namespaces::new(&["--net"], "ip link set lo up");
        let desk = site.beside("ip link set lo up");
        site.run(&format!(
            "ip link add nvr-site type veth peer name nvr-desk netns {}
             ip address add 10.77.0.1/24 dev nvr-site
             ip link set nvr-site up",
            desk.id()
        ));
        desk.run("ip address add 10.77.0.2/24 dev nvr-desk; ip link set nvr-desk up");
        let dir = fresh();
        std::fs::create_dir_all(dir.join("box")).expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(dir.join(name), text).expect("written");
        };
        write(
            "mosquitto.conf",
            &format!("user root\nlistener {PORT}\nallow_anonymous true\n"),
        );
        write(
            "box/device.toml",
            &format!("device = \"box-1\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = {PORT}\n"),
        );
        let mut mosquitto = Command::new("/usr/sbin/mosquitto");
        mosquitto.arg("-c").arg(dir.join("mosquitto.conf"));
        let broker = Running::start(site.inside(&mosquitto));
        until("the broker listens", SOON, || {
            let mut probe = Command::new("mosquitto_pub");
            probe.args(["-p", &PORT.to_string(), "-t", "probe", "-m", "x"]);
            let output = site.inside(&probe).output().expect("nsenter runs");
            output.status.success().then_some(())
        });
        let mut observer = Command::new("mosquitto_sub");
        observer.args(["-p", &PORT.to_string(), "-t", "nvr/fleet/box-1/reported"]);
        let mut agent = nvr();
        agent
            .arg("agent")
            .arg("--config-dir")
            .arg(dir.join("box"))
            .arg("--state-dir")
            .arg(dir.join("state"))
            .env("NVR_RUNTIME_DIR", dir.join("run"));
        Self {
            agent: Running::start(site.inside(&agent)),
            reports: Running::start(site.inside(&observer)),
            _broker: broker,
            dir,
            site,
            desk,
        }
    }

    /// Writes the fleet: one box, with these sources.
    fn write_fleet(&self, ids: &[u32]) {
        let mut text = format!(
            "[broker]\nhost = \"10.77.0.1\"\nport = {PORT}\n[[device]]\nid = \"box-1\"\nrole = \"processor\"\n\
             probation = {{ limit = \"{}s\" }}\nprocessor.processor.backend = \"scripted\"\n",
            TRIAL.as_secs()
        );
        for id in ids {
            text += &format!(
                "[[device.processor.camera]]\nid = {id}\nuri = \"test-pattern:?width=320&height=240&fps=5\"\n"
            );
        }
        std::fs::write(self.dir.join("fleet.toml"), text).expect("written");
    }

    /// A command of the desk.
    fn fleet(&self, arguments: &[&str]) -> Command {
        let mut command = nvr();
        command.arg("fleet").args(arguments);
        command.arg("--file").arg(self.dir.join("fleet.toml"));
        self.desk.inside(&command)
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.fleet(arguments).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }

    /// Waits for the newest report at the site to have this generation and phase.
    fn reported(&self, generation: u64, phase: &str) -> Value {
        until(&format!("{generation} {phase}"), FIRST + TRIAL, || {
            let last = self.reports.out().all().pop()?;
            let report: Value = serde_json::from_str(&last).ok()?;
            (report["generation"] == generation && report["phase"] == phase).then_some(report)
        })
    }

    fn cut(&self) {
        self.site.run("ip link set nvr-site down");
    }

    fn mend(&self) {
        self.site.run("ip link set nvr-site up");
    }

    /// The process of the processor.
    fn role(&self) -> u32 {
        let id = self.agent.id();
        let path = format!("/proc/{id}/task/{id}/children");
        until("the role runs", SOON, || {
            let children = std::fs::read_to_string(&path).ok()?;
            children.split_whitespace().next()?.parse().ok()
        })
    }
}

const APPLY: [&str; 5] = ["apply", "--soak", "0s", "--timeout", "60s"];

/// Cuts the cable for `partition` twice: while nothing is under way, and in the middle of a rollout.
fn they_agree_after(partition: Duration) {
    let hosts = Hosts::new();
    hosts.write_fleet(&[0]);
    let (code, text) = hosts.run(&APPLY);
    assert_eq!(code, 0, "{text}");
    hosts.reported(1, "applied");
    let process = hosts.role();

    hosts.cut();
    let until_mended = Instant::now() + partition;
    // At the site a document comes from somebody else; at the desk the fleet changes, and can't be applied.
    let aside = json!({
        "schema": 1, "generation": 2, "role": "processor", "processor": sources(&[0, 1]),
        "probation": {"limit": "2s"},
    });
    let mut publish = Command::new("mosquitto_pub");
    publish.args(["-p", &PORT.to_string(), "-q", "1", "-r"]);
    publish.args(["-t", "nvr/fleet/box-1/desired", "-m", &aside.to_string()]);
    let status = hosts.site.inside(&publish).status().expect("nsenter runs");
    assert!(status.success());
    hosts.reported(2, "applied");
    hosts.write_fleet(&[0, 2]);
    let (code, text) = hosts.run(&APPLY);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("no connection to the broker"), "{text}");
    until("the partition", partition + SOON, || {
        (Instant::now() >= until_mended).then_some(())
    });
    hosts.mend();
    let (code, text) = until("the desk reaches the broker", ROLLOUT, || {
        Some(hosts.run(&["plan"])).filter(|(code, _)| *code == 0)
    });
    assert!(
        text.contains("generation 2 → generation 3"),
        "{code} {text}"
    );
    let (code, text) = hosts.run(&APPLY);
    assert_eq!(code, 0, "{text}");
    hosts.reported(3, "applied");
    assert_eq!(hosts.role(), process, "nothing was restarted");

    // In the middle of a rollout. Meanwhile the role is killed, and the box starts it again.
    hosts.write_fleet(&[0, 3]);
    let mut desk = Running::start(hosts.fleet(&APPLY));
    hosts.reported(4, "probation");
    hosts.cut();
    let until_mended = Instant::now() + partition;
    hosts.reported(4, "applied");
    kill(process, "KILL");
    until("it is started again", FIRST, || {
        (hosts.role() != process).then_some(())
    });
    desk.out().find("the desk waits", ROLLOUT, |line| {
        line.starts_with("no connection to the broker ")
    });
    until("the partition", partition + SOON, || {
        (Instant::now() >= until_mended).then_some(())
    });
    hosts.mend();
    let ended = desk.end(ROLLOUT);
    let told = desk.out().settled().join("\n");
    assert_eq!(ended.code(), Some(0), "{told}");
    let (code, text) = hosts.run(&["plan"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("0 to change, 1 unchanged\n"), "{text}");
}

#[test]
fn a_cut_of_some_seconds_between_desk_and_box_leaves_no_disagreement() {
    they_agree_after(Duration::from_secs(10));
}

#[test]
#[ignore = "takes minutes: `make test-long` runs it"]
fn a_cut_of_a_minute_between_desk_and_box_leaves_no_disagreement() {
    they_agree_after(Duration::from_secs(60));
}
