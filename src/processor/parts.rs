//! Makes the parts of a processor that need nothing of a running one.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::publish::Publisher;
use super::sink::EventSink;
use crate::base::{Heartbeat, Heartbeats, SessionId};
use crate::bus::{BusError, ClientRole, Topics};
use crate::config::Settings;
use crate::role::{self, Timing};

/// A stage for each lane of the detector.
pub(super) fn lane_heartbeats(
    heartbeats: &Heartbeats,
    limit: Duration,
) -> impl Fn(usize) -> Heartbeat + Send + Sync + use<> {
    let heartbeats = heartbeats.clone();
    move |lane| match lane {
        0 => heartbeats.stage("detect", limit),
        lane => heartbeats.stage(format!("detect-{lane}"), limit),
    }
}

/// The time limits of the link and of the sources.
pub(super) fn timing(settings: &Settings) -> Timing {
    let processor = &settings.processor;
    Timing {
        stage_limit: processor.stage_limit,
        retry_first: processor.retry_first,
        retry_longest: processor.retry_longest,
    }
}

/// The link to the broker, and what publishes over it.
///
/// # Errors
/// When the settings of the link can't be used.
pub(super) fn connect(
    settings: &Settings,
    session: &SessionId,
    runtime: &Handle,
    heartbeats: &Heartbeats,
) -> Result<Arc<EventSink>, BusError> {
    let publisher = Publisher {
        instance_id: settings.instance_id.as_str().into(),
        session: session.clone(),
    };
    Ok(EventSink::new(
        settings.sources.keys().copied().collect(),
        role::connect(
            ClientRole::Processor,
            settings,
            session,
            timing(settings),
            runtime,
            heartbeats,
        )?,
        Topics::of(&settings.mqtt),
        publisher,
        settings.mqtt.encoding,
    ))
}
