//! The state that the threads of a wall share: settings, cameras, and the claims of processors.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::alarm_classes::AlarmClassCheck;
use crate::base::sync::lock;
use crate::base::{Clock, SessionId, SourceId};
use crate::bus::{Claims, Message, Topics};
use crate::config::Settings;
use crate::event::{DecodeError, RecordingState, SourceState};
use crate::render::{Analysis, AnalysisFacts, Camera, CameraState, Recording, Video};

/// The shared state of sessions, heads, the link's task and the page.
pub(super) struct WallContext {
    pub(super) clock: Clock,
    pub(super) session: SessionId,
    applied: ArcSwap<Applied>,
    claims: Mutex<Claims>,
    alarm_classes: Mutex<AlarmClassCheck>,
    /// Tells the link's task which cameras the wall shows.
    shown: watch::Sender<Vec<SourceId>>,
    pub(super) connected: AtomicBool,
    scenes: AtomicU64,
    pub(super) events_refused: AtomicU64,
    /// Messages that were dropped because they arrived faster than they were read.
    pub(super) queue_drops: Mutex<QueueDrops>,
    /// A text that all heads show in place of the cameras, and until when.
    identification: Mutex<Option<(String, Duration)>>,
    /// Lines that all heads show below the cameras, and until when.
    notice: Mutex<(Arc<[String]>, Duration)>,
}

/// The settings that are applied and their cameras. Both change together, so that no head divides its screen by the settings of
/// before among the cameras of after a change.
pub(super) struct Applied {
    pub(super) settings: Arc<Settings>,
    pub(super) cameras: Arc<BTreeMap<SourceId, Arc<Camera>>>,
    /// Counts changes. Heads compose everything again after a change.
    pub(super) generation: u64,
}

/// The number of messages dropped by the queues of the present link and of earlier ones.
#[derive(Debug, Default)]
pub(super) struct QueueDrops {
    before: u64,
    now: Vec<Arc<AtomicU64>>,
}

impl QueueDrops {
    /// Counts the drops of another link's queues from now on.
    pub(super) fn replace(&mut self, queues: Vec<Arc<AtomicU64>>) {
        self.before = self.total();
        self.now = queues;
    }

    pub(super) fn total(&self) -> u64 {
        let now = self.now.iter().map(|queue| queue.load(Ordering::Relaxed));
        self.before + now.sum::<u64>()
    }
}

impl WallContext {
    pub(super) fn new(settings: Settings, clock: Clock) -> Self {
        let shown: Vec<SourceId> = settings.sources.keys().copied().collect();
        Self {
            clock,
            session: SessionId::random(),
            claims: Mutex::new(Claims::of(shown.iter().copied())),
            alarm_classes: Mutex::default(),
            shown: watch::Sender::new(shown),
            applied: ArcSwap::from_pointee(Applied {
                settings: Arc::new(settings),
                cameras: Arc::default(),
                generation: 0,
            }),
            connected: AtomicBool::new(false),
            scenes: AtomicU64::new(0),
            events_refused: AtomicU64::new(0),
            queue_drops: Mutex::default(),
            identification: Mutex::new(None),
            notice: Mutex::default(),
        }
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.applied.load().settings.clone()
    }

    pub(super) fn applied(&self) -> Arc<Applied> {
        self.applied.load_full()
    }

    /// Replaces settings and cameras. Heads notice it by the generation. Called by one thread at a time.
    pub(super) fn replace(&self, settings: Settings, cameras: BTreeMap<SourceId, Arc<Camera>>) {
        let shown: Vec<SourceId> = settings.sources.keys().copied().collect();
        self.lock().set_sources(shown.iter().copied());
        self.applied.store(Arc::new(Applied {
            settings: Arc::new(settings),
            cameras: Arc::new(cameras),
            generation: self.applied.load().generation + 1,
        }));
        self.shown.send_if_modified(|before| {
            let changed = *before != shown;
            *before = shown;
            changed
        });
    }

    pub(super) fn cameras(&self) -> Arc<BTreeMap<SourceId, Arc<Camera>>> {
        self.applied.load().cameras.clone()
    }

    /// Has all heads show `text` in place of the cameras, for `limit`.
    pub(super) fn identify(&self, text: &str, limit: Duration) {
        *lock(&self.identification) = Some((text.to_owned(), self.clock.now() + limit));
    }

    /// The text that is shown in place of the cameras at `now`.
    pub(super) fn identification(&self, now: Duration) -> Option<String> {
        let mut shown = lock(&self.identification);
        shown.take_if(|(_, until)| now >= *until);
        shown.as_ref().map(|(text, _)| text.clone())
    }

    /// Has all heads show `lines` below the cameras, for `limit`.
    pub(super) fn show_notice(&self, lines: Vec<String>, limit: Duration) {
        *lock(&self.notice) = (lines.into(), self.clock.now() + limit);
    }

    /// The lines that are shown below the cameras at `now`.
    pub(super) fn notice(&self, now: Duration) -> Arc<[String]> {
        let mut notice = lock(&self.notice);
        if now >= notice.1 {
            notice.0 = Arc::default();
        }
        notice.0.clone()
    }

    pub(super) fn count_scene(&self) {
        self.scenes.fetch_add(1, Ordering::Relaxed);
    }

    /// The ids of the cameras, with notification of changes.
    pub(super) fn shown(&self) -> watch::Receiver<Vec<SourceId>> {
        self.shown.subscribe()
    }

    /// Processes a presence or a source status. True if the topics to subscribe to have changed.
    pub(super) fn claim(&self, topics: &Topics, message: &Message) -> Result<bool, DecodeError> {
        self.lock().take(topics, message)
    }

    /// The topics of the source statuses of the cameras, and of the presences of their processors.
    pub(super) fn claim_topics(&self, topics: &Topics) -> Vec<String> {
        self.lock().topics(topics)
    }

    /// Forgets the claims received from another broker.
    pub(super) fn forget_claims(&self) {
        self.lock().forget();
    }

    /// The number of messages that arrived faster than they were read.
    pub(super) fn messages_dropped(&self) -> u64 {
        lock(&self.queue_drops).total()
    }

    /// The state of a camera at `now` on its tile of `head`. With `None`, on the whole wall.
    pub(super) fn camera_state(
        &self,
        camera: &Camera,
        head: Option<usize>,
        now: Duration,
    ) -> CameraState {
        let claims = self.lock();
        let claimed = claims.holder(camera.id).is_some();
        let status = claims.sources().get(&camera.id).filter(|_| claimed);
        let paused = status.is_some_and(|status| status.state == SourceState::Paused);
        let recording = status.and_then(|status| status.recording.as_ref()?.state);
        let recording = match recording {
            Some(RecordingState::Failing | RecordingState::Refused) => Recording::Failing,
            Some(RecordingState::Recording | RecordingState::Armed | RecordingState::Waiting)
            | None => Recording::Ok,
        };
        drop(claims);
        let analysis = Analysis::of(
            &AnalysisFacts {
                connected: self.connected.load(Ordering::Acquire),
                claimed,
                paused,
                last_event: camera.last_event().map(|(at, _)| at),
                late: camera.is_late(now),
            },
            now,
        );
        let stale_after = self.settings().wall.stale_after;
        CameraState {
            video: Video::of(&camera.video_facts(head, now), now, stale_after),
            analysis,
            recording,
        }
    }

    /// The instance id of the processor that analyses a camera.
    pub(super) fn processor_of(&self, id: SourceId) -> Option<String> {
        self.lock().holder(id).map(|holder| holder.instance_id)
    }

    /// Compares the alarm classes of the settings with the classes of the processors' models.
    pub(super) fn check_alarm_classes(&self) {
        let settings = self.settings();
        let wanted = &settings.wall.alarm_classes;
        let claims = self.lock();
        let known = claims.classes();
        lock(&self.alarm_classes).update(self.clock.now(), wanted, known.as_ref());
    }

    /// The alarm classes that no model of these processors has.
    pub(super) fn missing_alarm_classes(&self) -> Vec<String> {
        lock(&self.alarm_classes).missing(self.clock.now())
    }

    /// Name and clock for the corner of the screen, as configured.
    pub(super) fn corner(&self) -> Option<String> {
        let settings = self.settings();
        let time = settings
            .wall
            .clock
            .then(|| jiff::Zoned::now().strftime("%H:%M:%S").to_string());
        let words: Vec<String> = settings.wall.name.clone().into_iter().chain(time).collect();
        (!words.is_empty()).then(|| words.join("  "))
    }

    /// The lines on the screen of a wall without cameras: device, address, broker, the next step, and the notice.
    pub(super) fn welcome(&self, now: Duration) -> Vec<String> {
        let mut lines = self.own_welcome();
        lines.extend(self.notice(now).iter().cloned());
        lines
    }

    fn own_welcome(&self) -> Vec<String> {
        let settings = self.settings();
        if !settings.wall.notice.is_empty() {
            return settings.wall.notice.clone();
        }
        let mqtt = &settings.mqtt;
        let address = own_address(&mqtt.host, mqtt.port);
        let broker = if self.connected.load(Ordering::Acquire) {
            "connected"
        } else {
            "not reached"
        };
        vec![
            "This wall shows no camera yet".to_owned(),
            format!("device {}", settings.instance_id),
            format!("address {}", address.unwrap_or_else(|| "none: no network".to_owned())),
            format!("broker {}, {broker}", mqtt.address()),
            "next: add [[camera]] to its configuration file, or start it with --n and --stream-server"
                .to_owned(),
        ]
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        lock(&self.claims)
    }
}

/// The address of this machine on the route to the broker. Connecting a datagram socket sends nothing.
fn own_address(host: &str, port: u16) -> Option<String> {
    let towards = |host: &str, port| {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
        socket.connect((host, port)).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_loopback() && !address.is_unspecified()).then(|| address.to_string())
    };
    // With a broker on this machine the route is the loopback. An address of the documentation range (RFC 5737) gives the
    // address on the default route.
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    Some(host)
        .filter(|_| is_address)
        .and_then(|host| towards(host, port))
        .or_else(|| towards("192.0.2.1", 9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_dropped_by_the_queues_of_former_links_are_not_forgotten() {
        let [first, second] = [3, 5].map(|dropped| Arc::new(AtomicU64::new(dropped)));
        let mut queue_drops = QueueDrops::default();
        queue_drops.replace(vec![first.clone()]);
        assert_eq!(queue_drops.total(), 3);
        queue_drops.replace(vec![second.clone()]);
        second.fetch_add(1, Ordering::Relaxed);
        assert_eq!(queue_drops.total(), 9);
    }
}
