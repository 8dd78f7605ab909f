//! `nvr agent` from its start to its end: the link to the fleet, the roles, and the loop over everything that happens.
//!
//! One thread, on which the roles are also started: the kernel ends a child with the thread that started it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tracing::{debug, info};

use super::abilities::Abilities;
use super::child::RoleEvent;
use super::commands::Commands;
use super::cycle::Policy;
use super::driver::{Driver, DriverParts};
use super::firmware::FirmwareEvent;
use super::identity::Identity;
use super::kept_recordings::KeptRecordings;
use super::key_store::KeyStore;
use super::led::Led;
use super::lending::lend;
use super::models::ModelEvent;
use super::options::{AgentError, AgentOptions};
use super::parts::{act_settings, child_options, children, firmware, models, reader};
use super::setup;
use super::state_dir;
use super::store::{Directory, Store};
use super::wall_notice::WallNotice;
use crate::base::folder::ready_folder;
use crate::base::{Clock, Heartbeats, SessionId, give_back_file_pages};
use crate::bus::{
    BusError, ClientRole, Delivery, FleetTopic, Link, LinkOptions, Subscription, Topics,
};
use crate::config::Environment;
use crate::control::{SignalRequest, Signals};
use crate::health::{Watchdog, notify_ready, notify_status, notify_stopping};

/// Queue of events of the roles. Log lines that do not fit are left out; everything else waits.
const EVENTS: usize = 256;
/// Time limit for the last messages to the broker.
const LINK_LIMIT: Duration = Duration::from_secs(2);
/// When the pages of files that only the start needed are given back: the roles have their documents, and the broker is reached.
const GIVE_BACK_AFTER: Duration = Duration::from_secs(10);
/// How often those are that documents and commands have needed since.
const GIVE_BACK_PERIOD: Duration = Duration::from_secs(600);

/// The connection of the box to its fleet.
struct Fleet {
    link: Link,
    topics: Topics,
    desired: Subscription,
    command: Subscription,
}

/// Runs the agent until SIGTERM or SIGINT. Needs neither a broker nor a document to start.
///
/// # Errors
/// When the identity or the folders can't be used.
pub async fn run(options: AgentOptions) -> Result<ExitCode, AgentError> {
    let mut signals = Signals::new()?;
    let clock = Clock::system();
    clock.now();
    let _lock = take_state(&options.state_dir)?;
    let environment = Environment::of_process();
    let sockets = ready_folder("agent").ok_or(AgentError::Folder)?;
    let found = setup::identity(&options, &environment, &clock, &sockets, &mut signals).await?;
    let Some(identity) = found.map(Arc::new) else {
        return Ok(ExitCode::SUCCESS);
    };
    info!(device = identity.device, "the agent starts");
    let fleet = join(&identity)?;
    let board = options.board.as_deref();
    let abilities = Abilities::new(&options.state_dir, board, &options.sys_dir);
    let (events, mut happened) = mpsc::channel(EVENTS);
    // Named by the identity or the board file. One that an agent has left blinking is restored.
    let led = identity.identify_led.clone().or(abilities.led());
    let led = Led::new(led, &options.sys_dir, &sockets);
    let (lending, configs) = lend(&options, &sockets, &identity.device)?;
    let common = child_options(&options, &identity, sockets, configs.clone(), lending);
    let children = children(&common, &clock, &events)?;
    let (store, findings) = Store::open(Box::new(Directory::new(&options.state_dir)));
    let (models, mut fetched) = models(&options, &configs, &identity, &environment, &clock);
    let (firmware, mut updated) = firmware(&options, &identity, &clock);
    let topic = |document| fleet.topics.fleet(&identity.device, document);
    let mut driver = Driver::boot(DriverParts {
        keys: KeyStore::open(&options.state_dir, identity.keys.clone()),
        identity: Arc::clone(&identity),
        children,
        models,
        firmware,
        recordings: KeptRecordings::open(&options.state_dir),
        reboot: options.reboot.clone(),
        store,
        findings,
        reader: reader(&options, &configs, &identity, &environment, abilities),
        clock: clock.clone(),
        link: fleet.link.clone(),
        topic: topic(FleetTopic::Reported),
        capabilities_topic: topic(FleetTopic::Capabilities),
        policy: Policy::default(),
    });
    let commands = Commands::new(
        Arc::clone(&identity),
        clock.clone(),
        fleet.link.clone(),
        topic(FleetTopic::Response),
        act_settings(&options, configs, led.clone()),
    );
    notify_ready();
    let link = fleet.link.clone();
    serve(
        &mut signals,
        fleet,
        commands,
        &mut driver,
        (&mut happened, &mut fetched, &mut updated),
        WallNotice::new(options.setup_root.clone()),
        clock,
    )
    .await;
    notify_stopping();
    info!("the agent stops; its roles end with it");
    // Roles and downloads must not wait for a receiver that does not listen any more.
    drop((happened, fetched, updated));
    stop(driver, led, link).await;
    Ok(ExitCode::SUCCESS)
}

/// The loop over everything that happens, until a signal ends it.
async fn serve(
    signals: &mut Signals,
    mut fleet: Fleet,
    mut commands: Commands,
    driver: &mut Driver,
    (happened, fetched, updated): (
        &mut mpsc::Receiver<RoleEvent>,
        &mut mpsc::Receiver<ModelEvent>,
        &mut mpsc::Receiver<FirmwareEvent>,
    ),
    mut notice: WallNotice,
    clock: Clock,
) {
    let mut watchdog = Watchdog::new(Heartbeats::new(clock.clone()), true);
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut quiet = interval_at(Instant::now() + GIVE_BACK_AFTER, GIVE_BACK_PERIOD);
    let mut told = String::new();
    loop {
        tokio::select! {
            request = signals.next() => if request == SignalRequest::End {
                return;
            },
            message = fleet.desired.recv() => match message {
                Some(message) => driver.received(&message.payload),
                None => return,
            },
            message = fleet.command.recv() => match message {
                Some(message) => commands.received(
                    &message.payload,
                    message.retained,
                    driver.keys.keys(),
                    &driver.children,
                ),
                None => return,
            },
            event = happened.recv() => if let Some(event) = event {
                driver.role_event(event);
            },
            event = fetched.recv() => if let Some(event) = event {
                driver.model_event(event);
            },
            event = updated.recv() => if let Some(event) = event {
                driver.firmware_event(event);
            },
            _ = quiet.tick() => {
                // Not inside of the macro, which does nothing while its level is off.
                let bytes = give_back_file_pages();
                debug!(bytes, "pages of files are given back");
            }
            _ = tick.tick() => {
                driver.tick();
                notice.tick(driver);
                watchdog.check(|_| false);
                let line = summary(driver);
                if line != told {
                    notify_status(&line);
                    told = line;
                }
            }
        }
    }
}

/// Ends the LED, the roles and the link, in this order.
async fn stop(mut driver: Driver, led: Option<Led>, link: Link) {
    if let Some(led) = led {
        led.stop();
    }
    driver.stop().await;
    link.stop(LINK_LIMIT).await;
}

/// One line for `systemctl status`.
fn summary(driver: &Driver) -> String {
    let report = driver.report();
    match report.applied {
        Some(applied) => format!("generation {applied} runs"),
        None => "no document".to_owned(),
    }
}

/// Joins the fleet: presence with its will, and the two topics of orders, each subscribed by its name.
fn join(identity: &Identity) -> Result<Fleet, BusError> {
    let device = &identity.device;
    let session = SessionId::random();
    let options = LinkOptions::new(identity.mqtt.clone(), ClientRole::Agent, device, &session);
    let link = Link::start(options, &Handle::current(), None)?;
    let topics = Topics::of(&identity.mqtt);
    let desired = [topics.fleet(device, FleetTopic::Desired)];
    let command = [topics.fleet(device, FleetTopic::Command)];
    Ok(Fleet {
        desired: link.subscribe(desired, Delivery::AtLeastOnce),
        command: link.subscribe(command, Delivery::AtLeastOnce),
        link,
        topics,
    })
}

/// Takes the folder of the state for this agent.
fn take_state(path: &Path) -> Result<File, AgentError> {
    let path = path.to_owned();
    let taken = state_dir::make(&path).and_then(|()| state_dir::lock(&path));
    taken.map_err(|source| match source.kind() {
        ErrorKind::WouldBlock => AgentError::Twin { path },
        _ => AgentError::State { path, source },
    })
}
