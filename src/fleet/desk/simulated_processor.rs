//! The processor of a simulated device: a client of its own with a presence, and the statuses of its sources, as `nvr processor`
//! publishes them. It publishes no events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::DeskError;
use crate::base::{SessionId, SourceId, unix_now};
use crate::bus::{ClientRole, Link, LinkOptions, Topics};
use crate::config::{MqttSettings, SourceSettings};
use crate::event::{SourceMetrics, SourceState, SourceStatus, unix_time};

/// Frame rate of a simulated camera, in frames per second.
const CAMERA_FPS: f64 = 25.0;

/// A processor that has connected.
pub(super) struct SimulatedProcessor {
    link: Link,
    topics: Topics,
    instance_id: Arc<str>,
    session: SessionId,
    sources: BTreeMap<SourceId, SourceSettings>,
}

impl SimulatedProcessor {
    /// Connects the processor of the device `device`.
    pub(super) fn start(mqtt: &MqttSettings, device: &str) -> Result<Self, DeskError> {
        let session = SessionId::random();
        let options = LinkOptions::new(mqtt.clone(), ClientRole::Processor, device, &session);
        Ok(Self {
            link: Link::start(options, &Handle::current(), None)?,
            topics: Topics::of(mqtt),
            instance_id: device.into(),
            session,
            sources: BTreeMap::new(),
        })
    }

    /// Publishes the status of each source that is new or has changed, and clears those that are gone.
    pub(super) fn run(&mut self, sources: &BTreeMap<SourceId, SourceSettings>) {
        for gone in self.sources.keys().filter(|id| !sources.contains_key(id)) {
            self.link.clear(&self.topics.source(*gone));
        }
        for (id, settings) in sources {
            if self.sources.get(id) != Some(settings) {
                let status = self.status(settings).to_json();
                self.link.retain(&self.topics.source(*id), status);
            }
        }
        self.sources = sources.clone();
    }

    fn status(&self, settings: &SourceSettings) -> SourceStatus {
        let most = settings.analysis.max_fps.unwrap_or(CAMERA_FPS);
        SourceStatus {
            source_id: settings.id,
            instance_id: self.instance_id.clone(),
            session: self.session.clone(),
            state: SourceState::Live,
            since: unix_time(unix_now()),
            reason: None,
            uri: settings.stream.location.to_string(),
            recording: None,
            metrics: SourceMetrics {
                fps_in: Some(CAMERA_FPS as f32),
                fps_inferred: Some(most.min(CAMERA_FPS) as f32),
                ..SourceMetrics::default()
            },
        }
    }

    /// Ends in order, after at most `limit`: the presence is `stopped` then.
    pub(super) async fn stop(self, limit: Duration) {
        self.link.stop(limit).await;
    }
}
