//! A real browser with a page in it: Debian's chromium, driven by tests/browser/drive.mjs.
//!
//! Pictures of what it showed stay in the cache's folder `pictures`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nvr::base::{Size, cache_dir};
use serde_json::{Value, json};

use super::process::Running;
use super::wait::{SOON, until};

/// A browser with a page of a wall in it.
pub(crate) struct Browser {
    process: Running,
    answers: usize,
}

impl Browser {
    /// Opens `url` in a window of `size`.
    pub(crate) fn open(url: &str, size: Size) -> Self {
        let modules = cache_dir().join("browser/node_modules");
        assert!(
            modules.exists(),
            "{} is missing: run `tools/setup tests`",
            modules.display()
        );
        let mut command = Command::new("node");
        command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/browser/drive.mjs"
            ))
            .arg(url)
            .args([size.width.to_string(), size.height.to_string()])
            .env("NODE_PATH", modules);
        let mut browser = Self {
            process: Running::interactive(command),
            answers: 0,
        };
        browser.answer(&json!("opens"));
        browser
    }

    /// Holds one expectation, in the words of drive.mjs, and gives what was found.
    pub(crate) fn expect(&mut self, wish: Value) -> Value {
        self.process.type_in(format!("{wish}\n").as_bytes());
        self.answer(&wish)
    }

    /// Leaves a picture of the page in the cache.
    pub(crate) fn shot(&mut self, name: &str) {
        let pictures = pictures();
        self.expect(json!({ "shot": pictures.join(name) }));
    }

    fn answer(&mut self, wish: &Value) -> Value {
        let count = self.answers + 1;
        // A browser starts slowly on a busy machine.
        let line = until(&format!("an answer to {wish}"), SOON * 4, || {
            let ended = self.process.has_ended();
            let line = self.process.out().all().get(count - 1).cloned();
            assert!(
                line.is_some() || !ended,
                "{wish}: {:#?}",
                self.process.err().all()
            );
            line
        });
        self.answers = count;
        let mut answer: Value = serde_json::from_str(&line).expect("an answer");
        assert_eq!(answer["failed"], Value::Null, "{wish}");
        answer["ok"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It closes its browser when its input ends, or when it is asked to.
        self.process.close_input();
        let process = &mut self.process;
        let deadline = std::time::Instant::now() + SOON;
        while !process.has_ended() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where pictures for people are left.
fn pictures() -> PathBuf {
    let pictures = cache_dir().join("pictures");
    std::fs::create_dir_all(&pictures).expect("the cache is writable");
    pictures
}
