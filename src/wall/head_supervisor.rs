//! Opens the displays of all heads, runs the heads, and opens the displays again when a device fails.
//!
//! One thread, `heads`, opens displays and waits. One thread per head composes. If a card can't be used, because another
//! program uses it or its driver is not loaded yet, opening is retried with backoff for ever, and the log gives the reason.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{error, info, warn};

use super::context::WallContext;
use super::head::{Head, HeadThread};
use crate::base::sync::lock;
use crate::base::{Backoff, Heartbeats, Stop};
use crate::config::{HeadSettings, Layout, WallSettings};
use crate::display::{self, Display, DisplayError};

const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LONGEST: Duration = Duration::from_secs(10);

/// Supervises all heads of a wall.
pub(super) struct HeadSupervisor {
    inner: Arc<HeadSet>,
    thread: Option<JoinHandle<()>>,
    ended: Stop,
}

struct HeadSet {
    context: Arc<WallContext>,
    heartbeats: Heartbeats,
    stop: Stop,
    /// Ends the present heads, so that they are opened again.
    present: Mutex<Stop>,
    heads: Mutex<Vec<Arc<Head>>>,
    trouble: Mutex<Option<String>>,
}

impl HeadSupervisor {
    /// Starts the thread that opens displays.
    ///
    /// # Errors
    /// If the system refuses a thread or a file descriptor.
    pub(super) fn start(
        context: &Arc<WallContext>,
        heartbeats: &Heartbeats,
    ) -> std::io::Result<Self> {
        let inner = Arc::new(HeadSet {
            context: context.clone(),
            heartbeats: heartbeats.clone(),
            stop: Stop::default(),
            present: Mutex::default(),
            heads: Mutex::default(),
            trouble: Mutex::default(),
        });
        inner.make_heads()?;
        let (worker, ended) = (inner.clone(), Stop::default());
        let end = ended.clone();
        let thread = std::thread::Builder::new()
            .name("heads".to_owned())
            .spawn(move || {
                worker.run();
                end.raise();
            })?;
        Ok(Self {
            inner,
            thread: Some(thread),
            ended,
        })
    }

    /// The heads, in the order of the configuration.
    pub(super) fn all(&self) -> Vec<Arc<Head>> {
        lock(&self.inner.heads).clone()
    }

    /// The error of the last attempt to open displays. `None` while they are open.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.inner.trouble).clone()
    }

    /// Applies changed settings. Displays are opened again only if their outputs have changed.
    pub(super) fn follow(&self, old: &WallSettings, new: &WallSettings) {
        let outputs = |wall: &WallSettings| -> Vec<HeadSettings> {
            // The layout and the list of cameras change without opening displays again.
            let output = |head: &HeadSettings| HeadSettings {
                layout: Layout::default(),
                cameras: None,
                ..head.clone()
            };
            wall.heads.iter().map(output).collect()
        };
        let same = outputs(old) == outputs(new)
            && old.output == new.output
            && old.card == new.card
            && old.tile == new.tile
            && old.max_fps == new.max_fps;
        if !same {
            lock(&self.inner.present).raise();
        }
        for head in lock(&self.inner.heads).iter() {
            if !same {
                head.stop.raise();
            }
            head.waker.wake();
        }
    }

    /// Ends every head and closes the displays. Logs an error if they do not end within `limit`.
    pub(super) fn stop(mut self, limit: Duration) {
        self.begin_stop();
        if self.ended.wait(limit) {
            if let Some(thread) = self.thread.take()
                && thread.join().is_err()
            {
                error!("the thread that opens displays panicked");
            }
        } else {
            error!(
                limit_ms = limit.as_millis(),
                "a display did not stop in time; its thread is left running"
            );
        }
    }

    fn begin_stop(&self) {
        self.inner.stop.raise();
        lock(&self.inner.present).raise();
        for head in lock(&self.inner.heads).iter() {
            head.stop.raise();
            head.waker.wake();
        }
    }
}

impl Drop for HeadSupervisor {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

impl HeadSet {
    fn make_heads(&self) -> std::io::Result<()> {
        let settings = self.context.settings();
        let heads: std::io::Result<Vec<_>> = settings
            .wall
            .heads
            .iter()
            .enumerate()
            .map(|(index, head)| Head::new(index, head.clone()).map(Arc::new))
            .collect();
        *lock(&self.heads) = heads?;
        Ok(())
    }

    fn run(self: &Arc<Self>) {
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_LONGEST);
        loop {
            let present = Stop::default();
            *lock(&self.present) = present.clone();
            if self.stop.is_raised() {
                return;
            }
            if let Err(err) = self.make_heads() {
                error!(%err, "no file descriptor for a head; raise the limit of open files");
            }
            let heads = lock(&self.heads).clone();
            if self.stop.is_raised() {
                return;
            }
            let opened = {
                let settings = self.context.settings();
                display::open(&settings.wall, settings.sources.len(), &self.context.clock)
            };
            let outcome = opened.and_then(|displays| {
                *lock(&self.trouble) = None;
                backoff.succeeded();
                self.show(&heads, displays)
            });
            match outcome {
                Ok(()) if self.stop.is_raised() => return,
                Ok(()) => info!("opening the displays again"),
                Err(err) => {
                    let wait = backoff.next_wait();
                    warn!(%err, wait_ms = wait.as_millis(), "displays can't be opened");
                    *lock(&self.trouble) = Some(err.to_string());
                    present.wait(wait);
                }
            }
        }
    }

    /// Runs every head until all have ended. The first head that fails ends the others.
    fn show(
        self: &Arc<Self>,
        heads: &[Arc<Head>],
        displays: Vec<Box<dyn Display>>,
    ) -> Result<(), DisplayError> {
        let stop_all = || {
            for head in heads {
                head.stop.raise();
                head.waker.wake();
            }
        };
        std::thread::scope(|scope| {
            let mut running = Vec::new();
            for (head, mut display) in heads.iter().zip(displays) {
                let thread = HeadThread {
                    head: head.clone(),
                    context: self.context.clone(),
                    heart: self.heartbeats.stage(
                        format!("head {}", head.index),
                        self.context.settings().wall.stage_limit,
                    ),
                };
                let end = OnDrop(&stop_all);
                let spawned = std::thread::Builder::new()
                    .name(format!("head-{}", head.index))
                    .spawn_scoped(scope, move || {
                        // When this head ends, the others end with it, because they share a card.
                        let _end = end;
                        thread.run(&mut *display)
                    });
                running.push(spawned.map_err(|err| {
                    DisplayError::Device(format!(
                        "can't start a thread for a head: {err}; free memory or raise the limit of tasks"
                    ))
                })?);
            }
            let mut outcome = Ok(());
            for handle in running {
                let ended = handle.join().unwrap_or_else(|_| {
                    Err(DisplayError::Device(
                        "the thread of a head panicked".to_owned(),
                    ))
                });
                outcome = outcome.and(ended);
            }
            outcome
        })
    }
}

struct OnDrop<'a, F: Fn()>(&'a F);

impl<F: Fn()> Drop for OnDrop<'_, F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
