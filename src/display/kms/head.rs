//! One head: activates its monitor when one is connected, and waits while there is none.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde_json::{Value, json};
use tracing::{debug, info, warn};

use super::card::Card;
use super::connector::{ConnectorFacts, ConnectorStatus, choose, listed};
use super::geometry::Geometry;
use super::hardware;
use super::head_registry::DrmObjects;
use super::hotplug::Uevents;
use super::output::{CommitOutcome, Output};
use super::pace::Pace;
use crate::base::{Clock, Size};
use crate::config::HeadSettings;
use crate::display::{Display, DisplayError, Wait};
use crate::render::{DisplayInfo, Scene};

/// How often connectors are read if the kernel sends no hot-plug events.
const CONNECTOR_POLL_INTERVAL: Duration = Duration::from_secs(5);
/// A flip that takes longer is considered lost.
const FLIP_LIMIT: Duration = Duration::from_secs(5);
/// Wait before a commit is retried after the CRTC was busy.
const RETRY_DELAY: Duration = Duration::from_millis(4);
/// Size to compose while there is no monitor.
const NO_MONITOR_SIZE: Size = Size::new(1920, 1080);
/// Time between scenes while there is no monitor.
const NO_MONITOR_INTERVAL: Duration = Duration::from_millis(100);

/// A head of a card. It belongs to one thread; heads of one card may belong to different threads.
pub struct KmsDisplay {
    /// Dropped before the card, because its buffers belong to the card.
    output: Option<Output>,
    card: Arc<Card>,
    head: usize,
    notifier: Arc<OwnedFd>,
    uevents: Option<Uevents>,
    clock: Clock,
    settings: HeadSettings,
    /// Connectors that are configured for other heads.
    reserved: Vec<String>,
    pace: Pace,
    /// Time of the last commit while its flip is awaited, and the number of flips at that time.
    pending: Option<(Duration, u64)>,
    /// Time at which a commit is retried.
    retry_at: Option<Duration>,
    next_poll: Duration,
    last_ready: Duration,
    last_canvas: Size,
    is_on: bool,
}

impl KmsDisplay {
    /// Opens a head on a card of which this process is the master, and activates its monitor if there is one.
    pub(super) fn open(
        card: &Arc<Card>,
        settings: HeadSettings,
        reserved: Vec<String>,
        clock: Clock,
    ) -> Result<Self, DisplayError> {
        let (head, notifier) = card
            .heads()
            .register()
            .map_err(|err| card.refused("make an eventfd", &err))?;
        let uevents = Uevents::listen()
            .inspect_err(|err| debug!(%err, "the kernel sends no hot-plug events, connectors are read every 5 s"))
            .ok();
        let dark = settings.mode.map_or(NO_MONITOR_SIZE, |mode| mode.size);
        let mut opened = Self {
            output: None,
            card: Arc::clone(card),
            head,
            notifier,
            uevents,
            pace: Pace::new(NO_MONITOR_INTERVAL),
            pending: None,
            retry_at: None,
            next_poll: clock.now() + CONNECTOR_POLL_INTERVAL,
            last_ready: Duration::ZERO,
            last_canvas: Geometry::new(dark, settings.rotate, settings.overscan, false).canvas(),
            is_on: true,
            clock,
            settings,
            reserved,
        };
        let connectors = opened.connectors(true)?;
        if !opened.follow(&connectors)? {
            info!(
                card = %card.path().display(),
                connector = opened.settings.connector.as_deref().unwrap_or("any"),
                connectors = listed(&connectors),
                "no monitor is connected; waiting for one"
            );
        }
        Ok(opened)
    }

    fn connectors(&self, probe: bool) -> Result<Vec<ConnectorFacts>, DisplayError> {
        hardware::connectors(&self.card, probe)
            .map_err(|err| self.card.refused("read its connectors", &err))
    }

    /// Activates, changes or releases the monitor according to the connectors. Gives whether anything changed.
    fn follow(&mut self, connectors: &[ConnectorFacts]) -> Result<bool, DisplayError> {
        if let Some(output) = &self.output {
            let lit = output.connector();
            let now = connectors.iter().find(|connector| connector.id == lit.id);
            let is_same = now.is_some_and(|now| {
                now.status != ConnectorStatus::Disconnected
                    && now.edid == lit.edid
                    && now.modes == lit.modes
                    && !now.link_is_bad
            });
            if is_same {
                return Ok(false);
            }
            info!(
                connector = lit.name,
                "the monitor was disconnected or replaced"
            );
        }
        let card = Arc::clone(&self.card);
        let modeset_lock = card.modeset_lock();
        let was_lit = self.release_output();
        let taken = card.heads().objects_of_others(self.head);
        let wanted = self.settings.connector.as_deref();
        let Some(connector) = choose(connectors, wanted, &taken.connectors, &self.reserved) else {
            return Ok(was_lit);
        };
        let output = Output::start(&card, self.head, connector, &self.settings)?;
        drop(modeset_lock);
        self.pace = Pace::new(output.mode().interval());
        self.last_canvas = output.geometry().canvas();
        if !self.is_on {
            output.power(false)?;
        }
        self.output = Some(output);
        Ok(true)
    }

    /// Releases the monitor. Gives whether there was one.
    fn release_output(&mut self) -> bool {
        self.pending = None;
        self.retry_at = None;
        let output = self.output.take();
        self.card
            .heads()
            .set_objects(self.head, DrmObjects::default());
        if let Some(output) = &output {
            output.disable();
        }
        output.is_some()
    }

    /// Reads connectors at intervals and after hot-plug events. Gives whether anything changed.
    fn check_connectors(&mut self, now: Duration) -> Result<bool, DisplayError> {
        let is_notified = self.uevents.as_ref().is_some_and(Uevents::drain);
        if !is_notified && now < self.next_poll {
            return Ok(false);
        }
        self.next_poll = now + CONNECTOR_POLL_INTERVAL;
        // A probe can make an active monitor flicker. With hot-plug interrupts the kernel knows the state without a probe.
        let connectors = self.connectors(is_notified || self.output.is_none())?;
        self.follow(&connectors)
    }

    /// Processes completed flips.
    fn note_flips(&mut self, now: Duration) -> Result<(), DisplayError> {
        self.card
            .dispatch()
            .map_err(|err| self.card.refused("read its events", &err))?;
        let Some((since, before)) = self.pending else {
            return Ok(());
        };
        if self.card.heads().flips(self.head) != before {
            self.pending = None;
            self.pace.flipped(now);
            if let Some(output) = &mut self.output {
                output.flipped();
            }
        } else if now.saturating_sub(since) > FLIP_LIMIT {
            return Err(self.card.failed(format_args!(
                "its driver {} has not completed a flip for {} s; the card is opened again",
                self.card.driver(),
                FLIP_LIMIT.as_secs()
            )));
        }
        Ok(())
    }

    fn commit(&mut self, now: Duration) -> Result<(), DisplayError> {
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        let before = self.card.heads().flips(self.head);
        match output.commit()? {
            CommitOutcome::Done => {
                self.pending = Some((now, before));
                self.retry_at = None;
                self.pace.committed(now);
            }
            CommitOutcome::Busy => self.retry_at = Some(now + RETRY_DELAY),
        }
        Ok(())
    }

    /// Time at which the next scene can be presented. `None` while one is on its way.
    fn ready_at(&self) -> Option<Duration> {
        if self.output.is_none() || !self.is_on {
            return Some(self.last_ready + NO_MONITOR_INTERVAL);
        }
        if self.pending.is_some() || self.retry_at.is_some() {
            return None;
        }
        Some(self.pace.not_before())
    }

    /// Blocks until an event arrives or `until` is reached. Gives whether `wake` was written to.
    fn sleep(&self, wake: Option<BorrowedFd<'_>>, until: Duration) -> Result<bool, DisplayError> {
        let notifier = self.notifier.as_fd();
        let mut polled = vec![
            PollFd::from_borrowed_fd(self.card.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(notifier, PollFlags::IN),
        ];
        polled.extend(wake.map(|wake| PollFd::from_borrowed_fd(wake, PollFlags::IN)));
        polled.extend(
            self.uevents
                .as_ref()
                .map(|uevents| PollFd::new(uevents, PollFlags::IN)),
        );
        let left = until.saturating_sub(self.clock.now());
        // Limited because the kernel does not accept every duration. The caller checks the clock.
        let timeout = Timespec::try_from(left.min(CONNECTOR_POLL_INTERVAL)).ok();
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(err) => {
                return Err(self
                    .card
                    .failed(format_args!("waiting for its events failed: {err}")));
            }
        }
        if polled[0]
            .revents()
            .intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
        {
            return Err(self
                .card
                .failed("the device is gone; it is looked for again"));
        }
        let mut counter = [0; 8];
        let _ = rustix::io::read(notifier, &mut counter);
        let is_woken = wake.is_some() && polled[2].revents().contains(PollFlags::IN);
        if let Some(wake) = wake.filter(|_| is_woken) {
            let _ = rustix::io::read(wake, &mut counter);
        }
        Ok(is_woken)
    }
}

impl Display for KmsDisplay {
    fn info(&self) -> DisplayInfo {
        match &self.output {
            Some(output) => {
                let off = if self.is_on { "" } else { ", switched off" };
                DisplayInfo {
                    size: output.geometry().canvas(),
                    interval: output.mode().interval(),
                    overlay: output.has_overlay(),
                    exact_tiles: false,
                    description: format!("{}, {}{off}", output.connector().name, output.mode()),
                    visible: self.is_on,
                }
            }
            None => DisplayInfo {
                size: self.last_canvas,
                interval: NO_MONITOR_INTERVAL,
                overlay: false,
                exact_tiles: false,
                description: "no monitor".to_owned(),
                visible: false,
            },
        }
    }

    fn wait(&mut self, wake: BorrowedFd<'_>, limit: Duration) -> Result<Wait, DisplayError> {
        let deadline = self.clock.now() + limit;
        let mut is_woken = false;
        loop {
            let now = self.clock.now();
            self.note_flips(now)?;
            if self.check_connectors(now)? {
                return Ok(Wait::Changed);
            }
            if self.pending.is_none() && self.retry_at.is_some_and(|at| at <= now) {
                self.commit(now)?;
            }
            let ready_at = self.ready_at();
            let is_ready = ready_at.is_some_and(|at| at <= now);
            if is_ready && (is_woken || now >= deadline) {
                self.last_ready = now;
                return Ok(Wait::Ready);
            }
            if now >= deadline {
                return Ok(Wait::Busy);
            }
            let mut until = deadline.min(self.next_poll);
            if is_woken {
                until = ready_at.map_or(until, |at| at.min(until));
            }
            until = self.retry_at.map_or(until, |at| at.min(until));
            is_woken |= self.sleep((!is_woken).then_some(wake), until)?;
        }
    }

    fn present(&mut self, scene: &Scene<'_>) -> Result<(), DisplayError> {
        let now = self.clock.now();
        self.note_flips(now)?;
        let is_busy = self.pending.is_some();
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        if scene.base.size() != output.geometry().canvas() {
            warn!(composed = %scene.base.size(), asked = %output.geometry().canvas(), "scene of the wrong size ignored");
            return Ok(());
        }
        output.note_damage(scene, is_busy || !self.is_on)?;
        if is_busy || !self.is_on || !output.is_due() {
            return Ok(());
        }
        output.write(scene);
        self.commit(now)
    }

    fn power(&mut self, on: bool) -> Result<(), DisplayError> {
        if self.is_on == on {
            return Ok(());
        }
        self.is_on = on;
        if let Some(output) = &self.output {
            output.power(on)?;
            info!(connector = output.connector().name, on, "monitor switched");
        }
        Ok(())
    }

    fn report(&self) -> Value {
        let mut report = match &self.output {
            Some(output) => output.report(),
            None => json!({ "card": self.card.path(), "driver": self.card.driver() }),
        };
        report["display"] = self.info().description.into();
        report["paced_by"] = if self.pace.is_unpaced() {
            "clock"
        } else {
            "monitor"
        }
        .into();
        report
    }
}

impl Drop for KmsDisplay {
    fn drop(&mut self) {
        self.output = None;
        self.card.heads().remove(self.head);
    }
}
