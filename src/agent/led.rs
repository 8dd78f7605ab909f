//! The LED that blinks at identify. The kernel blinks it by the trigger `timer`; what the LED did before is restored at the end.
//!
//! The former state is written to a file before the LED is changed, in a folder that is empty after a start of the machine. If
//! the agent ends meanwhile, in whatever way, the next one restores it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::state_dir;
use crate::base::sync::lock;

/// Time on and time off in milliseconds: faster than a heartbeat.
const PACE_MS: &str = "150";

/// The LED can't blink.
#[derive(Debug, thiserror::Error)]
#[error(
    "the LED {name} can't blink: {path}: {source}; see the folder class/leds for the names, and give the agent the right to write there"
)]
pub(super) struct LedError {
    name: String,
    path: String,
    source: io::Error,
}

/// What an LED did before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Former {
    name: String,
    trigger: String,
    brightness: String,
}

/// An LED. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Led {
    name: String,
    /// `/sys/class/leds`.
    folder: PathBuf,
    /// The file with its former state.
    saved: PathBuf,
    /// When it stops blinking.
    until: Arc<Mutex<Option<Instant>>>,
}

impl Led {
    /// The LED `name` below `sys` (`/sys`). `run` is a folder that is private to this user and empty after a start of the machine.
    /// Restores the LED that an agent has left blinking.
    pub(super) fn new(name: Option<String>, sys: &Path, run: &Path) -> Option<Self> {
        let folder = sys.join("class/leds");
        let saved = run.join("identify-led.json");
        restore(&folder, &saved);
        Some(Self {
            name: name?,
            folder,
            saved,
            until: Arc::default(),
        })
    }

    /// Blinks for `limit`, or from now on for `limit` if it blinks already. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the LED does not exist, or the system does not permit it.
    pub(super) fn blink(&self, limit: Duration) -> Result<Value, LedError> {
        let mut until = lock(&self.until);
        let end = Instant::now() + limit;
        if until.is_none()
            && let Err(error) = self.begin()
        {
            restore(&self.folder, &self.saved);
            return Err(error);
        }
        *until = Some(end);
        tokio::spawn(self.clone().wait(end));
        info!(led = self.name, limit_s = limit.as_secs(), "the LED blinks");
        Ok(json!({ "name": self.name, "blinks_s": limit.as_secs() }))
    }

    /// Restores what it did before, if it blinks.
    pub(super) fn stop(&self) {
        if lock(&self.until).take().is_some() {
            restore(&self.folder, &self.saved);
        }
    }

    /// Ends the blinking at `end`, unless another end was set meanwhile.
    async fn wait(self, end: Instant) {
        sleep_until(end).await;
        let mut until = lock(&self.until);
        if *until == Some(end) {
            *until = None;
            restore(&self.folder, &self.saved);
        }
    }

    fn begin(&self) -> Result<(), LedError> {
        let led = self.folder.join(&self.name);
        let failed = |name: &str| {
            let path = led.join(name).display().to_string();
            move |source| LedError {
                name: self.name.clone(),
                path,
                source,
            }
        };
        let read = |name: &str| std::fs::read_to_string(led.join(name)).map_err(failed(name));
        let write =
            |name: &str, value: &str| std::fs::write(led.join(name), value).map_err(failed(name));
        let former = Former {
            name: self.name.clone(),
            trigger: active(&read("trigger")?).to_owned(),
            brightness: read("brightness")?.trim().to_owned(),
        };
        // One that was left blinking by an agent keeps the state from before that.
        if !self.saved.exists() {
            let text = serde_json::to_vec(&former).unwrap_or_default();
            state_dir::save(&self.saved, &text).map_err(|source| LedError {
                name: self.name.clone(),
                path: self.saved.display().to_string(),
                source,
            })?;
        }
        write("trigger", "timer")?;
        // The trigger creates these two files.
        write("delay_on", PACE_MS)?;
        write("delay_off", PACE_MS)
    }
}

/// The active one of a list of triggers: `none [heartbeat] timer`.
fn active(list: &str) -> &str {
    let mut words = list.split_whitespace();
    let active = words.find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    active.unwrap_or("none")
}

/// Restores the LED that `saved` describes, if it is there.
fn restore(folder: &Path, saved: &Path) {
    let Ok(text) = std::fs::read(saved) else {
        return;
    };
    let restored = || -> io::Result<()> {
        let former: Former = serde_json::from_slice(&text)?;
        let led = folder.join(&former.name);
        std::fs::write(led.join("trigger"), &former.trigger)?;
        // A trigger sets the brightness itself.
        if former.trigger == "none" {
            std::fs::write(led.join("brightness"), &former.brightness)?;
        }
        Ok(())
    };
    if let Err(err) = restored() {
        warn!(%err, "the LED can't be set to its former state; it is restored by a restart of the machine");
    }
    let _ = std::fs::remove_file(saved);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder like `/sys` with one LED. In it, files are files: what is written is read back.
    fn machine(trigger: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let led = dir.path().join("class/leds/green:status");
        std::fs::create_dir_all(&led).expect("a folder");
        std::fs::write(led.join("trigger"), trigger).expect("written");
        std::fs::write(led.join("brightness"), "7\n").expect("written");
        dir
    }

    fn led(sys: &Path) -> Led {
        Led::new(Some("green:status".to_owned()), sys, sys).expect("it is named")
    }

    fn state(sys: &Path) -> [String; 2] {
        let led = sys.join("class/leds/green:status");
        ["trigger", "brightness"]
            .map(|name| std::fs::read_to_string(led.join(name)).expect("it is there"))
    }

    #[tokio::test]
    async fn it_blinks_and_returns_to_its_trigger() {
        let dir = machine("none [heartbeat] timer\n");
        let led = led(dir.path());
        let told = led.blink(Duration::from_secs(30)).expect("it blinks");
        assert_eq!(told["blinks_s"], 30);
        assert_eq!(state(dir.path())[0], "timer");
        // Another command sets another end.
        led.blink(Duration::ZERO).expect("it blinks");
        let deadline = Instant::now() + Duration::from_secs(20);
        while state(dir.path()) != ["heartbeat", "7\n"] {
            assert!(Instant::now() < deadline, "{:?}", state(dir.path()));
            tokio::task::yield_now().await;
        }
        assert!(!dir.path().join("identify-led.json").exists());
    }

    #[tokio::test]
    async fn a_steady_light_is_restored_by_the_next_agent_after_a_crash() {
        let dir = machine("[none] timer\n");
        led(dir.path())
            .blink(Duration::from_secs(3600))
            .expect("it blinks");
        // The kernel's timer has changed it meanwhile.
        let brightness = dir.path().join("class/leds/green:status/brightness");
        std::fs::write(&brightness, "0").expect("written");
        assert_eq!(state(dir.path()), ["timer", "0"]);
        // The next agent names no LED any more.
        assert!(Led::new(None, dir.path(), dir.path()).is_none());
        assert_eq!(state(dir.path()), ["none", "7"]);
        let led = led(dir.path());
        led.blink(Duration::from_secs(3600)).expect("it blinks");
        led.stop();
        assert_eq!(state(dir.path())[0], "none");
    }

    #[tokio::test]
    async fn an_led_that_does_not_exist_is_named() {
        let dir = machine("[none] timer\n");
        let led = Led::new(Some("red".to_owned()), dir.path(), dir.path()).expect("named");
        let told = led.blink(Duration::from_secs(1)).expect_err("no LED");
        assert!(
            told.to_string().contains("the LED red can't blink"),
            "{told}"
        );
        assert!(!dir.path().join("identify-led.json").exists());
    }
}
