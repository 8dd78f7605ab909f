//! Runs a rollout against a broker: carries out the steps of the pure rollout, and brings it what the broker says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::audit::Act;
use super::halt::{CONFIRM_LIMIT, halt_with};
use super::journal::{Entry, Journal, JournalEnd};
use super::operation::{Operation, act, devices, some};
use super::operator::answer;
use super::progress::{outcomes, summary, told_outcome};
use super::rivals::{foreign, is_replaced};
use super::session::Seen;
use super::sighting::result_with_firmware;
use super::stopwatch::Stopwatch;
use super::{
    DeskError, DeviceView, End, Exit, Operator, Outcome, PauseRequest, RetainedDocument, Rollout,
    State, Step,
};
use crate::bus::FleetTopic;

/// Period of the clock of a rollout.
const TICK: Duration = Duration::from_millis(100);
/// Shortest time between two lines about the progress of a stage.
const PROGRESS: Duration = Duration::from_secs(2);

const INTERRUPTED: &str =
    "interrupted; go on with `nvr fleet apply --resume`, or take it back with `nvr fleet halt`";
const PAUSED: &str = "the stage has ended and the rollout pauses; go on with `nvr fleet apply --resume`, or take it back with `nvr fleet halt`";

/// The end of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyEnd {
    /// For scripts.
    pub exit: Exit,
    /// Number of devices by outcome.
    pub outcomes: BTreeMap<&'static str, usize>,
}

/// A rollout and its means.
pub(super) struct Run<'a> {
    apply: Operation<'a>,
    journal: Journal,
    rollout: Rollout,
    entries: BTreeMap<String, Entry>,
    /// The generations of the firmware that is ordered.
    firmware: BTreeMap<String, u64>,
    /// States that are in the journal and were told.
    recorded: BTreeMap<String, State>,
    /// Documents of others that ours replaced.
    rivals: BTreeMap<String, RetainedDocument>,
    /// The pause that another desk asks for, which was told.
    pause: Option<PauseRequest>,
    /// Stands while there is no connection: nothing is known of the devices then.
    stopwatch: Stopwatch,
    told: Option<Instant>,
    is_news: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(apply: Operation<'a>, journal: Journal) -> Self {
        let states = journal.states();
        let ordered = journal.entries().iter();
        let firmware = ordered
            .filter_map(|entry| Some((entry.device.clone(), entry.ordered_firmware()?)))
            .collect();
        let entries = journal.entries().iter();
        let entries = entries
            .map(|entry| (entry.device.clone(), entry.clone()))
            .collect();
        let limits = journal.limits().clone();
        let rollout = Rollout::restore(states.clone(), journal.stage(), limits, Duration::ZERO);
        Self {
            apply,
            journal,
            rollout,
            entries,
            firmware,
            recorded: states.into_iter().collect(),
            rivals: BTreeMap::new(),
            pause: None,
            stopwatch: Stopwatch::start(),
            told: None,
            is_news: false,
        }
    }

    fn say(&mut self, text: &str) {
        (self.apply.say)(text);
    }

    /// Publishes documents of begun stages that did not reach the broker before the desk ended.
    pub(super) fn publish_again(&mut self) {
        for (device, entry) in &self.entries {
            let view = self.apply.session.views().get(device);
            let retained = view.and_then(|view| view.desired.as_ref());
            let is_former = retained.map(|one| &*one.message)
                == entry.former().as_ref().map(|one| &*one.message);
            let is_open = !matches!(self.recorded.get(device), Some(State::Finished(_)));
            if self.journal.is_published(device) && is_open && is_former {
                self.apply
                    .session
                    .publish(device, FleetTopic::Desired, entry.message());
            }
        }
    }

    pub(super) async fn run(
        mut self,
        operator: Operator<'_, impl Future<Output = ()>>,
    ) -> Result<ApplyEnd, DeskError> {
        let Operator { interrupt, mut ask } = operator;
        let mut interrupt = std::pin::pin!(interrupt);
        let mut asked = None;
        let mut tick = tokio::time::interval(TICK);
        let devices: Vec<String> = self.entries.keys().cloned().collect();
        devices.iter().for_each(|device| self.look_at(device));
        loop {
            self.watch_connection();
            self.watch_pause()?;
            let now = self.stopwatch.elapsed();
            while let Some(step) = self.rollout.advance(now) {
                match step {
                    Step::Publish { stage, devices } => self.publish(stage, devices)?,
                    Step::Soak(wait) => {
                        self.record()?;
                        self.tell_progress();
                        let wait = humantime::format_duration(wait);
                        self.say(&format!(
                            "the stage has ended; the next one follows in {wait}"
                        ));
                    }
                    Step::Pause => {
                        self.record()?;
                        self.tell_progress();
                        let Some(ask) = &mut ask else {
                            return self.paused().await;
                        };
                        self.say("the stage has ended; press Enter for the next one, or Ctrl-C to stop here");
                        asked = Some(ask());
                    }
                    Step::End(end) => return self.ended(end).await,
                }
            }
            self.record()?;
            tokio::select! {
                seen = self.apply.session.next() => match seen {
                    Some(seen) => self.saw(seen),
                    None => return Err(DeskError::Device("the link to the broker has ended".to_owned())),
                },
                _ = tick.tick() => {}
                wanted = answer(&mut asked) => match wanted {
                    true => self.rollout.go_on(),
                    false => return self.paused().await,
                },
                () = &mut interrupt => return self.interrupted().await,
            }
            while let Some(seen) = self.apply.session.try_next() {
                self.saw(seen);
            }
        }
    }

    fn saw(&mut self, seen: Seen) {
        if !self.entries.contains_key(&seen.device) {
            return;
        }
        if seen.document == FleetTopic::Desired {
            self.saw_desired(&seen);
        }
        self.look_at(&seen.device);
    }

    /// Keeps what others publish: a halt must not restore what was there before it.
    fn saw_desired(&mut self, seen: &Seen) {
        let Some(entry) = self.entries.get(&seen.device) else {
            return;
        };
        if let Some(retained) = foreign(&seen.payload, entry) {
            self.rivals.insert(seen.device.clone(), retained);
        }
    }

    /// Brings the state of a device up to date with its view.
    fn look_at(&mut self, device: &str) {
        let (Some(entry), Some(view)) = (
            self.entries.get(device),
            self.apply.session.views().get(device),
        ) else {
            return;
        };
        let now = self.stopwatch.elapsed();
        self.rollout.online(device, view.is_online(), now);
        let firmware = self.firmware.get(device).copied();
        let found = result_with_firmware(view, entry, firmware);
        if let Some(outcome) = found.filter(|_| self.journal.is_published(device)) {
            self.rollout.finish(device, outcome);
        }
    }

    /// Publishes a stage. A device whose document others have replaced since the plan is a conflict and is left alone.
    fn publish(&mut self, stage: u32, due: Vec<String>) -> Result<(), DeskError> {
        let mut published = Vec::new();
        for device in due {
            let (Some(entry), Some(view)) = (
                self.entries.get(&device),
                self.apply.session.views().get(&device),
            ) else {
                continue;
            };
            if is_replaced(view, entry) {
                self.rollout.finish(&device, Outcome::Conflict);
            } else {
                published.push(device);
            }
        }
        self.journal.begin_stage(stage, &published)?;
        let mut acts = Vec::new();
        for device in &published {
            if let Some(entry) = self.entries.get(device) {
                self.apply
                    .session
                    .publish(device, FleetTopic::Desired, entry.message());
                acts.push(Act {
                    act: "publish",
                    rollout: Some(self.journal.id().to_owned()),
                    device: Some(device.clone()),
                    generation: Some(entry.generation),
                    sha256: Some(entry.hash.clone()),
                    detail: None,
                });
            }
        }
        self.apply.audit.write(&acts)?;
        let names = some(&published);
        self.say(&format!(
            "stage {stage}: {}: {names}",
            devices(published.len())
        ));
        self.told = Some(Instant::now());
        Ok(())
    }

    /// Writes new results to the journal, and tells those that are not good.
    fn record(&mut self) -> Result<(), DeskError> {
        let recorded = &self.recorded;
        let news: Vec<(String, State)> = self
            .rollout
            .states()
            .filter(|(device, state)| recorded.get(*device) != Some(state))
            .map(|(device, state)| (device.to_owned(), state))
            .collect();
        let mut outcomes = Vec::new();
        let mut lines = Vec::new();
        for (device, state) in news {
            if let State::Finished(outcome) = state {
                if outcome != Outcome::Applied {
                    lines.push(self.told_outcome(&device, outcome));
                }
                outcomes.push((device.clone(), outcome));
            }
            self.recorded.insert(device, state);
            self.is_news = true;
        }
        if !outcomes.is_empty() {
            self.journal.finish(&outcomes)?;
        }
        lines.iter().for_each(|line| self.say(line));
        if self.told.is_none_or(|told| told.elapsed() >= PROGRESS) {
            self.tell_progress();
        }
        Ok(())
    }

    fn told_outcome(&self, device: &str, outcome: Outcome) -> String {
        let none = DeviceView::default();
        let view = self.apply.session.views().get(device).unwrap_or(&none);
        let rival = self.rivals.get(device).or(view.desired.as_ref());
        let ours = self.entries.get(device).map(|entry| &entry.hash);
        let timeout = self.journal.limits().timeout;
        told_outcome(device, outcome, view, rival.zip(ours), timeout)
    }

    /// Stops the clock while there is no connection, and tells it.
    fn watch_connection(&mut self) {
        let is_connected = self.apply.session.is_connected();
        let broker = self.apply.session.broker().to_owned();
        if is_connected && self.stopwatch.go_on() {
            self.say(&format!("connected to the broker {broker} again"));
        } else if !is_connected && self.stopwatch.pause() {
            self.say(&format!(
                "no connection to the broker {broker}; the rollout waits"
            ));
        }
    }

    /// Holds the next stage back while another desk wants that, and tells it.
    fn watch_pause(&mut self) -> Result<(), DeskError> {
        let wanted = self.journal.pause()?;
        if wanted == self.pause {
            return Ok(());
        }
        self.rollout.hold(wanted.is_some());
        match &wanted {
            Some(request) => (self.apply.say)(&format!(
                "{} asks for a pause; the next stage waits for `nvr fleet resume`",
                request.by
            )),
            None => self.say("the pause has ended; the rollout goes on"),
        }
        self.pause = wanted;
        Ok(())
    }

    fn tell_progress(&mut self) {
        if !std::mem::take(&mut self.is_news) {
            return;
        }
        self.told = Some(Instant::now());
        let text = summary(&outcomes(&self.rollout), self.stopwatch.since_start());
        self.say(&text);
    }

    /// Ends between two stages. Devices that are offline must find their document on the broker meanwhile.
    async fn paused(mut self) -> Result<ApplyEnd, DeskError> {
        let all = self.journal.entries().len();
        self.apply.session.confirm(all, CONFIRM_LIMIT).await?;
        self.stopped(PAUSED, Exit::Paused).await
    }

    async fn interrupted(self) -> Result<ApplyEnd, DeskError> {
        self.stopped(INTERRUPTED, Exit::Failed).await
    }

    async fn stopped(mut self, told: &str, exit: Exit) -> Result<ApplyEnd, DeskError> {
        self.say(told);
        let outcomes = outcomes(&self.rollout);
        self.apply.session.close().await;
        Ok(ApplyEnd { exit, outcomes })
    }

    async fn ended(mut self, end: End) -> Result<ApplyEnd, DeskError> {
        self.record()?;
        self.tell_progress();
        let outcomes = outcomes(&self.rollout);
        let has = |is_wanted: fn(Outcome) -> bool| {
            let is_one = |state| matches!(state, State::Finished(outcome) if is_wanted(outcome));
            self.rollout.count(is_one) > 0
        };
        let exit = match end {
            End::Stopped => Exit::Halted,
            End::Stalled => Exit::Missing,
            End::Done if has(Outcome::is_failure) => Exit::Failed,
            End::Done if has(Outcome::is_waiting) => Exit::Missing,
            End::Done => Exit::Done,
        };
        let Self {
            mut apply,
            journal,
            rivals,
            ..
        } = self;
        match end {
            End::Stopped => {
                (apply.say)("stopped: too many failures; what was not applied is taken back");
                halt_with(&mut apply, journal, &rivals, false).await?;
            }
            End::Stalled => (apply.say)(
                "no device of the canary is online; the other documents are not published: `nvr fleet apply --resume` when one is",
            ),
            End::Done => {
                let all = journal.entries().len();
                apply.session.confirm(all, CONFIRM_LIMIT).await?;
                let mut ended = act("end", &journal);
                ended.detail = Some("done".to_owned());
                apply.audit.write(&[ended])?;
                journal.end(JournalEnd::Done)?;
            }
        }
        apply.session.close().await;
        Ok(ApplyEnd { exit, outcomes })
    }
}
