//! The demonstration: a broker, RTSP cameras that play footage, a processor and a wall in one process.
//!
//! There are no short cuts: pictures travel over RTSP and events over MQTT. The printed lines are events from the broker, and the
//! wall decodes the cameras itself. `fleet` is another demonstration, with a process for each part.

pub mod fleet;
mod tally;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::tally::Tally;
use crate::base::{Clock, SessionId, SourceId};
use crate::bus::{
    Broker, BrokerOptions, BusError, ClientRole, Delivery, Link, LinkOptions, Subscription, Topics,
};
use crate::config::{
    CommonFlags, ConfigProblems, ConfigSource, Environment, MqttFlags, OutputChoice,
    ProcessorFlags, Settings, UriText, WallFlags,
};
use crate::event::DetectionEvent;
use crate::media::testcam::{CameraOptions, Feed, Testcam, TestcamError, TestcamOptions};
use crate::processor::Processor;
use crate::role::{PageSettings, Role, StartError};
use crate::wall::{SnapshotError, Wall};
use crate::web::{Page, PageError};

/// Settings of a demonstration.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Number of cameras.
    pub cameras: u32,
    /// Videos, distributed over the cameras in turn with different start positions; without any, the test pattern.
    pub files: Vec<PathBuf>,
    /// Port of the broker; if it is in use, a free one is chosen.
    pub mqtt_port: u16,
    /// Port of the cameras; if it is in use, a free one is chosen.
    pub rtsp_port: u16,
    /// Run time; absent: until interrupted.
    pub duration: Option<Duration>,
    /// Address of the page; if the port is in use, a free one is chosen.
    pub http: SocketAddr,
    /// Output of the wall besides the page.
    pub output: OutputChoice,
    /// Directory of the recordings, which is made if it is missing. Their space is bounded.
    pub record: PathBuf,
    /// File to which the wall's last scene is written as PNG at the end.
    pub snapshot: Option<PathBuf>,
    /// Settings of the processor: model, backend, thresholds.
    pub flags: ProcessorFlags,
}

/// The demonstration failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The cameras.
    #[error(transparent)]
    Testcam(#[from] TestcamError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigProblems),
    /// The processor or the wall.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The wall's page.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The broker, or the link that reads the events.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Cameras without an event.
    #[error("no event was received from {}; see the log", names(.0))]
    Silent(Vec<SourceId>),
    /// The snapshot can't be made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Signals, or a task.
    #[error("the demonstration failed: {0}")]
    System(#[from] std::io::Error),
}

/// Runs until the end of `duration` or SIGINT. Passes a line per second and camera to `print`.
///
/// # Errors
/// When a part can't be started, a camera had no event, or the snapshot can't be written.
pub async fn run(options: DemoOptions, print: impl Fn(&str)) -> Result<(), DemoError> {
    let broker = start_broker(options.mqtt_port)?;
    let cameras = start_cameras(&options)?;
    print(&format!(
        "broker   mqtt://127.0.0.1:{}   try: mosquitto_sub -p {} -t 'nvr/detections/#' | jq",
        broker.port(),
        broker.port()
    ));
    for id in 0..cameras.cameras() {
        print(&format!("camera {id} {}", cameras.url(id)));
    }
    let settings = settings(&options, &broker, &cameras)?;
    let sources: Vec<SourceId> = settings.sources.keys().copied().collect();
    let clock = Clock::system();
    let session = SessionId::random();
    let link = LinkOptions::new(
        settings.mqtt.clone(),
        ClientRole::Watch,
        &settings.instance_id,
        &session,
    );
    let reader = Link::start(link, &Handle::current(), None)?;
    let filter = Topics::of(&settings.mqtt).all_detections();
    let mut inbox = reader.subscribe([filter], Delivery::AtMostOnce);

    let wall_settings = wall_settings(&options, &broker, &cameras)?;
    let wall = Wall::start(wall_settings, Handle::current(), clock.clone())?;
    let page = serve(&wall, PageSettings::open(options.http)).await?;
    print(&format!("wall     http://{}", page.address()));
    let processor = {
        let handle = Handle::current();
        let started =
            tokio::task::spawn_blocking(move || Processor::start(settings, handle, clock));
        started.await.map_err(std::io::Error::other)??
    };
    let recordings = serve(&processor, recordings_page(options.http, options.record)).await?;
    print(&format!("recorder http://{}", recordings.address()));

    let mut tally = Tally::new(sources);
    count(&mut tally, &mut inbox, options.duration, &print).await?;
    if let Some(path) = options.snapshot {
        let (from, to) = (wall.clone(), path.clone());
        let saved = tokio::task::spawn_blocking(move || from.save(&to));
        saved.await.map_err(std::io::Error::other)??;
        print(&format!("snapshot {}", path.display()));
    }
    drop((page, recordings));
    wall.stop(STOP_LIMIT).await;
    processor.stop(STOP_LIMIT).await;
    reader.stop(STOP_LIMIT).await;
    drop((cameras, broker));
    match tally.silent() {
        silent if silent.is_empty() => Ok(()),
        silent => Err(DemoError::Silent(silent)),
    }
}

/// Serves a page at its address, or at a free port if that is in use.
async fn serve<R: Role>(role: &Arc<R>, mut wanted: PageSettings) -> Result<Page, PageError> {
    if let Ok(page) = role.serve(&wanted).await {
        return Ok(page);
    }
    wanted.address.set_port(0);
    role.serve(&wanted).await
}

/// The page of the recordings, beside that of the wall.
fn recordings_page(wall: SocketAddr, dir: PathBuf) -> PageSettings {
    let mut address = wall;
    // After the last port comes any free one.
    address.set_port(wall.port().checked_add(1).unwrap_or_default());
    PageSettings {
        recordings: vec![dir],
        ..PageSettings::open(address)
    }
}

/// Counts events and prints the counts each second, until the end of `duration` or Ctrl-C.
async fn count(
    tally: &mut Tally,
    inbox: &mut Subscription,
    duration: Option<Duration>,
    print: &impl Fn(&str),
) -> std::io::Result<()> {
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // Without a limit: a century.
    let end = Instant::now() + duration.unwrap_or(Duration::from_secs(3_000_000_000));
    loop {
        tokio::select! {
            message = inbox.recv() => match message {
                Some(message) => if let Ok(event) = DetectionEvent::from_json(&message.payload) { tally.count(event) },
                None => break,
            },
            _ = second.tick() => tally.lines().iter().for_each(|line| print(line)),
            () = sleep_until(end) => break,
            interrupted = tokio::signal::ctrl_c() => { interrupted?; break }
        }
    }
    Ok(())
}

const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Maximum space of the recordings.
const RECORDINGS_BYTES: u64 = 1_000_000_000;

/// Starts the broker on `port`, or on a free one if it is in use: the machine may already have a broker.
fn start_broker(port: u16) -> Result<Broker, BusError> {
    let on = |port| {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Broker::start(&BrokerOptions {
            listen,
            ..BrokerOptions::default()
        })
    };
    on(port).or_else(|_| on(0))
}

fn start_cameras(options: &DemoOptions) -> Result<Testcam, TestcamError> {
    /// Difference of the start positions, so that no two cameras show the same scene.
    const OFFSET: Duration = Duration::from_secs(17);
    let cameras = (0..options.cameras).map(|id| {
        let feed = match options.files.len() {
            0 => Feed::Pattern(crate::config::TestPattern::default()),
            count => Feed::File(options.files[id as usize % count].clone()),
        };
        CameraOptions {
            offset: OFFSET * id,
            ..CameraOptions::new(feed)
        }
    });
    let mut wanted = TestcamOptions {
        port: options.rtsp_port,
        cameras: cameras.collect(),
        ..TestcamOptions::default()
    };
    match Testcam::start(&wanted) {
        Err(TestcamError::Bind { .. }) => {
            wanted.port = 0;
            Testcam::start(&wanted)
        }
        started => started,
    }
}

/// The common options of processor and wall.
fn common(options: &DemoOptions, broker: &Broker, cameras: &Testcam) -> CommonFlags {
    CommonFlags {
        source: (0..cameras.cameras())
            .map(|id| UriText::new(format!("{id}={}", cameras.url(id))))
            .collect(),
        mqtt: MqttFlags {
            mqtt_host: Some(UriText::new("127.0.0.1")),
            mqtt_port: Some(broker.port().into()),
            ..MqttFlags::default()
        },
        ..options.flags.common.clone()
    }
}

/// The processor's settings, loaded as from its command line.
fn settings(
    options: &DemoOptions,
    broker: &Broker,
    cameras: &Testcam,
) -> Result<Settings, ConfigProblems> {
    let flags = ProcessorFlags {
        common: common(options, broker, cameras),
        ..options.flags.clone()
    };
    let flags = flags.with("record", Some(&options.record));
    let mut settings = ConfigSource::new(flags, Environment::default()).load()?;
    if let Some(record) = &mut settings.record {
        record.budget_bytes = Some(RECORDINGS_BYTES);
        // So little wears out nothing.
        record.accept_wear = true;
    }
    Ok(settings)
}

/// The wall's settings, loaded as from its command line.
fn wall_settings(
    options: &DemoOptions,
    broker: &Broker,
    cameras: &Testcam,
) -> Result<Settings, ConfigProblems> {
    let flags = WallFlags {
        common: common(options, broker, cameras),
        ..WallFlags::default()
    };
    // As many columns as rows: four cameras as 2×2.
    let columns = f64::from(options.cameras).sqrt().ceil() as u32;
    let flags = flags
        .with("output", Some(options.output))
        .with("grid-columns", Some(columns));
    ConfigSource::new(flags, Environment::default()).load()
}

fn names(sources: &[SourceId]) -> String {
    let names: Vec<_> = sources.iter().map(|id| format!("camera {id}")).collect();
    names.join(", ")
}
