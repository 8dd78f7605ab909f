//! The download of `nvr model fetch`: repeated while bytes come, with its progress on standard error. What was received of a
//! file lies in `.fetch-ID.part` in the directory of the models, and a later run continues it, also after Ctrl-C.

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use rustix::fs::{FlockOperation, flock};

use super::out;
use crate::base::{Stop, free_bytes, shown_bytes};
use crate::bus::Trust;
use crate::detect::CatalogueModel;
use crate::fetch::{Client, Fault, Host, Listing, Part, Retry, TimeLimits, Wanted, codes, fetch};

/// Attempts in one run. A further one follows only if the last one has received something.
const ATTEMPTS: u32 = 5;
/// The wait between two attempts.
const WAIT: Duration = Duration::from_secs(1);
/// Maximum length of a file whose length the catalogue does not name.
const LARGEST: u64 = 1 << 30;
/// Space in bytes that stays free.
const SPARE_BYTES: u64 = 64 << 20;
/// Bytes between two lines of progress, if the length is not known and standard error is no terminal.
const LINE_BYTES: u64 = 50_000_000;

/// The catalogues that a person can name.
const CATALOGUE: Listing = Listing {
    name: "the catalogue",
    length_key: "bytes",
    remedy: "name another address with --url, or correct the catalogue if it is your own",
};

/// A download into a directory of models. No other process has the same one until it is dropped.
pub(super) struct Download<'a> {
    model: &'a CatalogueModel,
    dir: &'a Path,
    part: Part,
    _lock: File,
}

impl<'a> Download<'a> {
    /// Prepares the download of `model` into `dir`.
    ///
    /// # Errors
    /// If another process downloads it there, or the directory can't be written.
    pub(super) fn new(model: &'a CatalogueModel, dir: &'a Path) -> anyhow::Result<Self> {
        let part = Part {
            file: dir.join(format!(".fetch-{}.part", model.id)),
            validator: dir.join(format!(".fetch-{}.validator", model.id)),
        };
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&part.file)
            .with_context(|| format!("can't write {}", part.file.display()))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            anyhow!(
                "another nvr fetches {} into {}; wait until it has ended",
                model.id,
                dir.display()
            )
        })?;
        Ok(Self {
            model,
            dir,
            part,
            _lock: lock,
        })
    }

    /// Downloads the file at `url`, or the rest of it, and returns its path.
    ///
    /// # Errors
    /// When it can't be fetched, or is another file than the catalogue names.
    pub(super) fn run(&self, url: &str, trust: &Trust) -> anyhow::Result<PathBuf> {
        let wanted = Wanted {
            name: &self.model.id,
            sha256: self.model.sha256.as_deref(),
            url,
            size: self.model.bytes,
            largest: LARGEST,
            is_unpacked: true,
            listing: CATALOGUE,
        };
        let mut attempt = 1;
        loop {
            let client = Client::new(trust.clone(), TimeLimits::default());
            let mut watcher = Watcher::new(self.model, self.dir);
            let outcome = fetch(wanted, &self.part, &client, &Stop::default(), &mut watcher);
            let has_received = watcher.has_received;
            drop(watcher);
            let fault = match outcome {
                Ok(path) => return Ok(path),
                Err(fault) => fault,
            };
            let is_cut = fault.code == codes::FETCH && has_received;
            let wait = match fault.retry {
                Retry::AtOnce => Duration::ZERO,
                Retry::Backoff(_) if is_cut => WAIT,
                _ => return Err(self.told(&fault)),
            };
            if attempt == ATTEMPTS {
                return Err(self.told(&fault));
            }
            attempt += 1;
            std::thread::sleep(wait);
        }
    }

    /// Removes what was received.
    pub(super) fn remove(&self) {
        self.part.remove();
    }

    /// The fault, and what is left of the download.
    fn told(&self, fault: &Fault) -> anyhow::Error {
        let kept = std::fs::metadata(&self.part.file).map_or(0, |metadata| metadata.len());
        if kept == 0 {
            self.remove();
            return anyhow!("{fault}");
        }
        anyhow!(
            "{fault}; {} were received and are kept, and the same command continues from there",
            shown_bytes(kept)
        )
    }
}

/// The disk and the terminal.
struct Watcher<'a> {
    id: &'a str,
    dir: &'a Path,
    has_received: bool,
    /// The line that is written again and again, on a terminal.
    line: Option<out::ProgressLine>,
    /// The last step that a line was written for, elsewhere.
    step: Option<u64>,
}

impl<'a> Watcher<'a> {
    fn new(model: &'a CatalogueModel, dir: &'a Path) -> Self {
        Self {
            id: &model.id,
            dir,
            has_received: false,
            line: std::io::stderr()
                .is_terminal()
                .then(out::ProgressLine::default),
            step: None,
        }
    }
}

impl Host for Watcher<'_> {
    fn received(&mut self, bytes: u64, total: Option<u64>) {
        self.has_received = true;
        let text = progress(self.id, bytes, total);
        if let Some(line) = &mut self.line {
            line.show(text);
            return;
        }
        // Each tenth, and the first one only after it was reached.
        let step = match total {
            Some(total) if total > 0 => bytes.saturating_mul(10) / total,
            _ => bytes / LINE_BYTES,
        };
        if self.step.is_some_and(|last| step > last) {
            out::error(text);
        }
        self.step = Some(step);
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), Fault> {
        let needed = bytes.saturating_add(SPARE_BYTES);
        match free_bytes(self.dir) {
            Some(free) if free < needed => Err(Fault::disk(format!(
                "{} needs {} with its copy, and the file system of {} has {} free; free some, or name another directory \
                 with --models-dir DIR",
                self.id,
                shown_bytes(needed),
                self.dir.display(),
                shown_bytes(free)
            ))),
            _ => Ok(()),
        }
    }
}

/// `yolox-nano-416: 1.2 MB of 3.7 MB, 33 %`.
fn progress(id: &str, bytes: u64, total: Option<u64>) -> String {
    match total {
        Some(total) if total > 0 => format!(
            "{id}: {} of {}, {} %",
            shown_bytes(bytes),
            shown_bytes(total),
            bytes.saturating_mul(100) / total
        ),
        _ => format!("{id}: {}", shown_bytes(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Catalogue;

    #[test]
    fn progress_has_the_share_if_the_length_is_known() {
        let told = progress("m", 1_234_567, Some(3_659_407));
        assert_eq!(told, "m: 1.2 MB of 3.7 MB, 33 %");
        assert_eq!(progress("m", 1_500, None), "m: 1.5 kB");
        assert_eq!(progress("m", 0, Some(0)), "m: 0 bytes");
    }

    #[test]
    fn a_second_download_of_the_same_model_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let catalogue = Catalogue::built_in().expect("it is valid");
        let model = &catalogue.models[0];
        let first = Download::new(model, dir.path()).expect("the first");
        let refused = Download::new(model, dir.path()).err().expect("the second");
        assert_eq!(
            refused.to_string(),
            format!(
                "another nvr fetches yolox-nano-416 into {}; wait until it has ended",
                dir.path().display()
            )
        );
        drop(first);
        // A process that another test starts has the descriptor until it runs its program.
        let is_free = || Download::new(model, dir.path()).is_ok();
        let limit = std::time::Instant::now() + Duration::from_secs(20);
        while !is_free() {
            assert!(std::time::Instant::now() < limit, "it stays locked");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
