//! A clock that is ten years off: only what names a time depends on it, and only while it is synchronised.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::stage::{Stage, codes, document, sources};
use crate::support::scratch::fresh;

/// Ten years in seconds.
const TEN_YEARS: i64 = 10 * 365 * 24 * 3600;

/// The clock of a box, which a test sets.
struct BoxClock {
    library: PathBuf,
    file: PathBuf,
}

impl BoxClock {
    fn new() -> Self {
        let folder = fresh();
        std::fs::create_dir_all(&folder).expect("a folder");
        let (library, file) = (folder.join("clock.so"), folder.join("clock"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/agent/clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
        compiler.arg(&library).arg(source);
        let output = compiler.output().expect("the C compiler is installed");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        Self { library, file }
    }

    /// Sets it `seconds` ahead of this machine's. The file is replaced as a whole, because it may be read at any moment.
    fn set(&self, seconds: i64, is_synchronised: bool) {
        let next = self.file.with_extension("next");
        let text = format!("{seconds} {}\n", u8::from(is_synchronised));
        std::fs::write(&next, text).expect("written");
        std::fs::rename(&next, &self.file).expect("renamed");
    }

    /// Starts the agent by this clock.
    fn start(&self, stage: &mut Stage) {
        let mut command = stage.command_with(&[]);
        command
            .env("LD_PRELOAD", &self.library)
            .env("NVR_TEST_CLOCK", &self.file);
        stage.start_command(command);
    }
}

/// A document that may be applied within an hour of now.
fn in_this_hour(generation: u64, ids: &[u32]) -> Value {
    let mut document = document(generation, sources(ids));
    let hour = SignedDuration::from_hours(1);
    document["not_before"] = (Timestamp::now() - hour).to_string().into();
    document["not_after"] = (Timestamp::now() + hour).to_string().into();
    document
}

fn waits(generation: u64, code: &'static str) -> impl Fn(&Value) -> bool {
    move |reported: &Value| {
        reported["generation"] == generation
            && reported["phase"] == "waiting"
            && codes(&reported["warnings"]).contains(&code.to_owned())
    }
}

#[test]
fn a_clock_ten_years_off_delays_only_what_names_a_time() {
    let (clock, mut stage) = (BoxClock::new(), Stage::new());
    // As a box without a battery starts: in the past, and not synchronised.
    clock.set(-TEN_YEARS, false);
    clock.start(&mut stage);
    stage.presence("online");
    stage.desire(&document(1, sources(&[0])));
    stage.phase(1, "applied");
    let process = stage.role_process();
    stage.desire(&in_this_hour(2, &[0, 1]));
    let reported = stage.reported(waits(2, "clock-not-synchronised"));
    assert_eq!(reported["applied"], 1);
    // It can't tell that this command is old, and obeys it.
    let expired = json!({"id": "1", "verb": "ping", "expires": "2020-01-01T00:00:00Z"});
    assert_eq!(stage.command(&expired)["ok"], true);

    // A time server that is wrong is believed.
    clock.set(-TEN_YEARS, true);
    let reported = stage.reported(waits(2, "not-yet"));
    assert_eq!(reported["applied"], 1);
    assert_eq!(stage.role_process(), process);
    stage.flows(0);

    // The clock is put right: it steps ten years ahead while the role runs, and the trial has its whole length.
    clock.set(0, true);
    stage.phase(2, "applied");
    assert_eq!(stage.phases(2), ["applying", "probation", "applied"]);
    assert_eq!(stage.role_process(), process, "the step restarts nothing");
    stage.flows(1);
    let late = json!({"id": "2", "verb": "ping", "expires": "2020-01-01T00:00:00Z"});
    assert_eq!(stage.command(&late)["error"]["code"], "expired");

    clock.set(TEN_YEARS, true);
    stage.desire(&in_this_hour(3, &[0]));
    let reported = stage.phase(3, "rejected");
    assert_eq!(codes(&reported["errors"]), ["expired"]);
    assert_eq!(reported["applied"], 2);
    // A document that names no time is applied by any clock.
    stage.desire(&document(4, sources(&[0])));
    stage.phase(4, "applied");
    assert_eq!(stage.role_process(), process);
    stage.flows(0);
}
