//! The threads of the firmware: one for the download, one for each command, one for each look at cameras and decoder. Each ends with
//! its answer, and waits when the queue to the agent is full.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tracing::{error, info};

use super::command::{Words, run};
use super::reach::silent;
use super::record::{Places, Target};
use super::settings::Settings;
use super::updater::Job;
use crate::base::{SourceId, Stop, free_bytes, shown_bytes};
use crate::bus::Trust;
use crate::fetch::{Client, Fault, Host, Listing, Part, Retry, TimeLimits, Wanted, fetch, is_file};

/// Maximum length in bytes of an image whose length the document does not name.
const LARGEST: u64 = 4 << 30;
/// Space in bytes that stays free for the documents of the box.
const SPARE_BYTES: u64 = 64 << 20;
/// Time limit of the commands other than the installation.
const SHORT: Duration = Duration::from_secs(60);

/// What has happened to a firmware.
#[derive(Debug)]
pub(in crate::agent) enum FirmwareEvent {
    /// The slot that runs and its version; else why they are unknown.
    Started(Result<(String, Option<String>), String>),
    /// The image of a generation is being checked.
    Verifying(u64),
    /// It is there and right; else why not.
    Fetched {
        generation: u64,
        result: Result<(), Fault>,
        has_received: bool,
    },
    /// A command has ended.
    Done {
        job: Job,
        result: Result<(), String>,
    },
    /// The machine was to restart, and does not.
    NotRebooted(String),
    /// Whether the built-in clip decodes.
    Clip(Result<(), String>),
    /// Those of the asked sources whose cameras do not answer.
    Silent {
        asked: BTreeSet<SourceId>,
        silent: BTreeSet<SourceId>,
    },
}

/// What the threads work with.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) places: Places,
    /// `nvr` itself.
    pub(super) program: PathBuf,
    /// A file of authorities that is trusted besides those of the system.
    pub(super) ca: Option<PathBuf>,
    pub(super) events: Sender<FirmwareEvent>,
    /// Raised at the end of the agent.
    pub(super) stop: Stop,
}

impl Tools {
    fn spawn(&self, name: &str, work: impl FnOnce(&Self) + Send + 'static) {
        let tools = self.clone();
        let thread = std::thread::Builder::new().name(name.to_owned());
        if let Err(err) = thread.spawn(move || work(&tools)) {
            error!(%err, name, "the system gives no thread; free memory or raise the limit of tasks");
        }
    }

    fn tell(&self, event: FirmwareEvent) {
        // Without a receiver the agent is ending.
        let _ = self.events.blocking_send(event);
    }

    /// Finds out the slot that runs, and its version where the settings can tell it.
    pub(super) fn ask_slot(&self, settings: &Settings) {
        let settings = settings.clone();
        self.spawn("fw-slot", move |tools| {
            let folder = tools.places.root().join("slot");
            let ask = |command: &[String]| {
                let text = run(command, &Words::default(), &folder, SHORT, &tools.stop)?;
                match text.lines().next_back() {
                    Some(last) => Ok(last.to_owned()),
                    None => Err(format!("{} printed nothing", command.join(" "))),
                }
            };
            let version = || match settings.version.is_empty() {
                true => Ok(None),
                false => ask(&settings.version).map(Some),
            };
            let found = ask(&settings.slot).and_then(|slot| Ok((slot, version()?)));
            tools.tell(FirmwareEvent::Started(found));
        });
    }

    /// Runs a command of the image's maker.
    pub(super) fn run(&self, job: Job, settings: &Settings, words: Words) {
        let (command, limit) = match job {
            Job::Install => (&settings.install, settings.install_limit.0),
            Job::SetNext => (&settings.set_next, SHORT),
            Job::Confirm => (&settings.confirm, SHORT),
            Job::Rollback => (&settings.rollback, SHORT),
        };
        let command = command.clone();
        self.spawn("fw-command", move |tools| {
            let result = match command.is_empty() {
                // The installer has told the bootloader.
                true => Ok(()),
                false => {
                    let folder = tools.places.root().join("command");
                    run(&command, &words, &folder, limit, &tools.stop).map(|_| ())
                }
            };
            if tools.stop.is_raised() {
                return;
            }
            info!(?job, ?result, "a command of the firmware has ended");
            tools.tell(FirmwareEvent::Done { job, result });
        });
    }

    /// Answers that there is no such command.
    pub(super) fn refuse(&self, job: Job) {
        self.spawn("fw-command", move |tools| {
            let result = Err("this box has no usable firmware.toml".to_owned());
            tools.tell(FirmwareEvent::Done { job, result });
        });
    }

    /// Fetches and checks an image.
    pub(super) fn fetch(&self, target: Target, generation: u64, stop: Stop) {
        self.spawn("fw-fetch", move |tools| {
            let mut attempt = Attempt {
                root: tools.places.root(),
                has_received: false,
            };
            let part = tools.places.part(&target);
            let verifying = || tools.tell(FirmwareEvent::Verifying(generation));
            let result = attempt.carry_out(&target, &part, tools, &stop, verifying);
            if stop.is_raised() {
                return;
            }
            tools.tell(FirmwareEvent::Fetched {
                generation,
                result,
                has_received: attempt.has_received,
            });
        });
    }

    /// Decodes the built-in clip, in a process of its own: a driver may end it.
    pub(super) fn probe_clip(&self) {
        self.spawn("fw-clip", |tools| {
            let program = tools.program.display().to_string();
            let command = [program, "firmware".to_owned(), "probe".to_owned()];
            let folder = tools.places.root().join("probe");
            let result = run(&command, &Words::default(), &folder, SHORT, &tools.stop);
            tools.tell(FirmwareEvent::Clip(result.map(|_| ())));
        });
    }

    /// Looks which of the sources do not answer. Those without a host always do.
    pub(super) fn look_for(
        &self,
        asked: BTreeSet<SourceId>,
        hosts: BTreeMap<SourceId, (String, u16)>,
    ) {
        self.spawn("fw-cameras", move |tools| {
            let silent = silent(&hosts, &tools.stop);
            tools.tell(FirmwareEvent::Silent { asked, silent });
        });
    }
}

/// One attempt at an image.
struct Attempt<'a> {
    root: &'a Path,
    has_received: bool,
}

impl Attempt<'_> {
    fn carry_out(
        &mut self,
        target: &Target,
        part: &Part,
        tools: &Tools,
        stop: &Stop,
        verifying: impl Fn(),
    ) -> Result<(), Fault> {
        info!(version = target.version, "fetching a firmware");
        let client = Client::new(Trust::of(tools.ca.as_deref()), TimeLimits::default());
        let wanted = Wanted {
            name: &target.version,
            sha256: Some(target.sha256.as_str()),
            url: &target.url,
            size: target.size,
            largest: LARGEST,
            is_unpacked: false,
            listing: Listing::DOCUMENT,
        };
        let file = fetch(wanted, part, &client, stop, self)?;
        verifying();
        // As the installer will read it: what was received is not always what is on the disk.
        match is_file(&file, target.sha256.as_str()) {
            Ok(true) => Ok(()),
            Ok(false) => {
                part.remove();
                let message = "the image on the disk differs from the one that was received; the disk may be failing";
                Err(Fault::disk(message).with(Retry::Backoff(Duration::from_secs(60))))
            }
            Err(err) => Err(Fault::disk(format!("can't read {}: {err}", file.display()))),
        }
    }
}

impl Host for Attempt<'_> {
    fn received(&mut self, _: u64, _: Option<u64>) {
        self.has_received = true;
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), Fault> {
        let needed = bytes.saturating_add(SPARE_BYTES);
        match free_bytes(self.root) {
            Some(free) if free < needed => Err(Fault::disk(format!(
                "the firmware needs {}, and the disk of {} has {} free; free some",
                shown_bytes(needed),
                self.root.display(),
                shown_bytes(free)
            ))),
            _ => Ok(()),
        }
    }
}
