//! Everything in one process, to be seen working: a broker, RTSP cameras that play footage, and a processor.
//!
//! Nothing is short-circuited: pictures travel over RTSP, events over MQTT, and what is printed is what came back from
//! the broker. Only the snapshot looks over the processor's shoulder, to have each event with its own frame.

mod album;
mod picture;
mod tally;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::album::Album;
use self::tally::Tally;
use crate::base::{Clock, SessionId, SourceId};
use crate::bus::{Broker, BrokerOptions, BusError, Delivery, Link, LinkOptions, Role, Topics};
use crate::config::{
    ConfigProblems, ConfigSource, Environment, Flags, MqttFlags, Settings, UriText,
};
use crate::event::DetectionEvent;
use crate::media::testcam::{CameraOptions, Feed, Testcam, TestcamError, TestcamOptions};
use crate::processor::{Observer, Processor, StartError};

/// What a demonstration consists of.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// How many cameras.
    pub cameras: u32,
    /// What they show, in turn, each somewhere else in it; the test pattern where there is none.
    pub files: Vec<PathBuf>,
    /// Port of the broker; a free one where it is taken.
    pub mqtt_port: u16,
    /// Port of the cameras; a free one where it is taken.
    pub rtsp_port: u16,
    /// How long; until interrupted where absent.
    pub duration: Option<Duration>,
    /// Where the newest frames of all cameras are drawn to at the end, as PNG.
    pub snapshot: Option<PathBuf>,
    /// Settings of the processor: model, backend, thresholds.
    pub flags: Flags,
}

/// Why there is nothing to be seen.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The cameras.
    #[error(transparent)]
    Testcam(#[from] TestcamError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigProblems),
    /// The processor.
    #[error(transparent)]
    Processor(#[from] StartError),
    /// The broker, or the link that reads the events.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Some camera was not seen at all.
    #[error("no event came from {}; the log says why", names(.0))]
    Silent(Vec<SourceId>),
    /// The snapshot can't be written.
    #[error("the snapshot can't be written to {}: {source}", path.display())]
    Snapshot {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: image::ImageError,
    },
    /// Signals, or a task of ours.
    #[error("the demonstration failed: {0}")]
    System(#[from] std::io::Error),
}

/// Runs until `duration` is over or SIGINT comes, printing a line a second and source through `print`.
///
/// # Errors
/// Whatever could not be started, a camera without a single event, a snapshot that can't be written.
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
        Role::Watch,
        &settings.instance_id,
        &session,
    );
    let reader = Link::start(link, &Handle::current(), None)?;
    let filter = Topics::of(&settings.mqtt).all_detections();
    let mut inbox = reader.subscribe([filter], Delivery::AtMostOnce);

    let album = options
        .snapshot
        .as_ref()
        .map(|_| Arc::new(Album::default()));
    let processor = {
        let observer = album.clone().map(|album| album as Arc<dyn Observer>);
        let handle = Handle::current();
        let started = tokio::task::spawn_blocking(move || {
            Processor::start(settings, handle, clock, observer)
        });
        started.await.map_err(std::io::Error::other)??
    };

    let mut tally = Tally::new(sources);
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // A century is for ever here.
    let end = Instant::now()
        + options
            .duration
            .unwrap_or(Duration::from_secs(3_000_000_000));
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
    processor.stop(STOP_LIMIT).await;
    reader.stop(STOP_LIMIT).await;
    if let (Some(path), Some(album)) = (options.snapshot, album) {
        album.save(&path).map_err(|source| DemoError::Snapshot {
            path: path.clone(),
            source,
        })?;
        print(&format!("snapshot {}", path.display()));
    }
    drop((cameras, broker));
    match tally.silent() {
        silent if silent.is_empty() => Ok(()),
        silent => Err(DemoError::Silent(silent)),
    }
}

const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The wanted port is only a wish: a machine that has a broker already shall see the demonstration all the same.
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
    /// Far enough apart that no two cameras show the same scene at once.
    const APART: Duration = Duration::from_secs(17);
    let cameras = (0..options.cameras).map(|id| {
        let feed = match options.files.len() {
            0 => Feed::Pattern(crate::config::TestPattern::default()),
            count => Feed::File(options.files[id as usize % count].clone()),
        };
        CameraOptions {
            offset: APART * id,
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

/// The processor's settings, by the same way that its command line takes.
fn settings(
    options: &DemoOptions,
    broker: &Broker,
    cameras: &Testcam,
) -> Result<Settings, ConfigProblems> {
    let flags = Flags {
        source: (0..cameras.cameras())
            .map(|id| UriText::new(format!("{id}={}", cameras.url(id))))
            .collect(),
        mqtt: MqttFlags {
            mqtt_host: Some(UriText::new("127.0.0.1")),
            mqtt_port: Some(broker.port().into()),
            ..MqttFlags::default()
        },
        ..options.flags.clone()
    };
    ConfigSource::new(flags, Environment::default()).load()
}

fn names(sources: &[SourceId]) -> String {
    let names: Vec<_> = sources.iter().map(|id| format!("camera {id}")).collect();
    names.join(", ")
}
