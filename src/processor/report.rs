//! A processor's metrics for Prometheus, and its status and capabilities for the control socket.

use super::recorder_status::recorder_status;
use super::recording::SourceFigures;
use super::run::Processor;
use super::source::Source;
use crate::base::SourceId;
use crate::bus::{LinkCounters, LinkState};
use crate::control::{
    Capabilities, DecoderFound, EventCounters, ProcessorCapabilities, ProcessorStatus, Status,
};
use crate::event::RecordingState;
use crate::health::{Kind, MetricsSource, Sample};
use crate::media::{Codec, Health, decoder_report};
use crate::record::RecordingReport;

/// The state of all its parts.
pub(super) fn status(processor: &Processor) -> Status {
    let sink = processor.pipeline.sink.load();
    let sources = processor.pipeline.sources.load();
    let settings = processor.settings();
    let configured = settings.iter().flat_map(|settings| settings.sources.keys());
    let stuck = processor.heartbeats.stuck().into_iter();
    let counted = sink.link.counters();
    let recording = processor.recording();
    Status::Processor(ProcessorStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance_id: sink.publisher.instance_id.to_string(),
        session: Some(sink.publisher.session.clone()),
        detector: processor.detector(),
        recorder: settings
            .as_ref()
            .zip(recording.as_ref())
            .and_then(|(settings, recording)| recorder_status(settings, recording.first.as_ref()?)),
        broker: match &*sink.link.state_changes().borrow() {
            LinkState::Connected { .. } => "connected".to_owned(),
            LinkState::Disconnected {
                reason: Some(reason),
                ..
            } => reason.to_string(),
            LinkState::Disconnected { reason: None, .. } => "connecting".to_owned(),
        },
        events: EventCounters {
            published: counted.published,
            dropped: counted.dropped,
            oversized: counted.oversized,
            lost: counted.lost,
        },
        sources: sources
            .values()
            .map(|source| sink.publisher.status(source))
            .collect(),
        refused_sources: configured
            .filter_map(|id| Some((*id, sink.refusal(*id)?)))
            .collect(),
        stuck: stuck.map(|stuck| stuck.stage).collect(),
    })
}

/// One line with the number of live sources and the total analysis rate.
pub(super) fn summary(processor: &Processor) -> String {
    let sources = processor.pipeline.sources.load();
    let live = sources.values().filter(|source| is_live(source)).count();
    let fps: f64 = sources
        .values()
        .map(|source| source.stats().fps_inferred)
        .sum();
    format!(
        "{live} of {} sources live, {fps:.1} frames inferred per second",
        sources.len()
    )
}

fn is_live(source: &Source) -> bool {
    source
        .snapshot()
        .is_some_and(|snapshot| snapshot.health == Health::Live)
}

/// Name and help of a metric that is 1 or 0, and when it is 1.
type StateMetric = (&'static str, &'static str, fn(RecordingState) -> bool);
/// A metric's name, help, type and value; the value is read from a `T`.
type Metric<T> = (&'static str, &'static str, Kind, fn(&T) -> f64);

/// The metrics of each source.
const OF_SOURCES: &[Metric<Source>] = &[
    (
        "source_live",
        "1 while frames flow",
        Kind::Gauge,
        |source| f64::from(is_live(source)),
    ),
    (
        "frames_decoded",
        "Frames decoded",
        Kind::Counter,
        |source| source.stats().decoded as f64,
    ),
    (
        "source_reconnects",
        "Sessions opened after the first",
        Kind::Counter,
        reconnects,
    ),
];

/// The metrics of each source that a detector analyses: of others an alert would say that the analysis stands still.
const OF_ANALYSIS: &[Metric<Source>] = &[
    (
        "frames_inferred",
        "Frames inferred",
        Kind::Counter,
        |source| source.stats().inferred as f64,
    ),
    (
        "frames_dropped",
        "Frames replaced by a newer one before they were inferred",
        Kind::Counter,
        |source| source.stats().dropped as f64,
    ),
];

/// The metrics of the link to the broker.
const OF_LINK: &[Metric<LinkCounters>] = &[
    (
        "events_published",
        "Events handed to the broker",
        Kind::Counter,
        |link| link.published as f64,
    ),
    (
        "events_dropped",
        "Events dropped while the broker was away or slow, or because they were too large",
        Kind::Counter,
        |link| link.dropped as f64,
    ),
    (
        "events_oversized",
        "Events among the dropped that were larger than 1 MiB",
        Kind::Counter,
        |link| link.oversized as f64,
    ),
    (
        "events_lost",
        "Events handed over that a broken connection may not have delivered",
        Kind::Counter,
        |link| link.lost as f64,
    ),
    (
        "messages_refused",
        "Messages of other clients that were skipped: too large, or not valid MQTT",
        Kind::Counter,
        |link| link.refused as f64,
    ),
    (
        "subscriptions_refused",
        "Topic filters that the broker refused",
        Kind::Counter,
        |link| link.subscriptions_refused as f64,
    ),
    (
        "broker_connected",
        "1 while the broker is connected",
        Kind::Gauge,
        |link| f64::from(link.connected),
    ),
    (
        "broker_reconnects",
        "Connections to the broker after the first",
        Kind::Counter,
        |link| link.reconnects as f64,
    ),
];

/// The metrics of the state of recording: 1 if it is so.
const OF_STATES: &[StateMetric] = &[
    (
        "recording",
        "1 while the source is recorded as configured: what it sends is written to files, or no event runs",
        |state| matches!(state, RecordingState::Recording | RecordingState::Armed),
    ),
    (
        "recording_armed",
        "1 while only events of the source are recorded, and none runs",
        |state| state == RecordingState::Armed,
    ),
];

/// Name and help of the metric of the directory that takes over.
const IN_NEXT: (&str, &str) = (
    "recording_next",
    "1 while the source is recorded to the next directory, because the first one fails or has failed just before",
);

/// The metrics of each recorded source.
const OF_RECORDINGS: &[Metric<SourceFigures>] = &[
    (
        "recorded_bytes",
        "Bytes written to recordings",
        Kind::Counter,
        |report| report.bytes as f64,
    ),
    (
        "recording_groups_dropped",
        "Groups of pictures that are missing in the recording, most often because the disk failed or was too slow",
        Kind::Counter,
        |report| report.dropped_groups as f64,
    ),
    (
        "recording_scenes_dropped",
        "Analysed frames whose objects are missing in the recording, because they had no room",
        Kind::Counter,
        |report| report.dropped_scenes as f64,
    ),
];

/// The metrics of a directory of recordings.
const OF_DIRECTORIES: &[Metric<RecordingReport>] = &[
    (
        "recordings_bytes",
        "Space that all recordings take",
        Kind::Gauge,
        |of| of.space.recordings_bytes as f64,
    ),
    (
        "recordings_locked_bytes",
        "Space of recordings that are locked",
        Kind::Gauge,
        |of| of.space.locked_bytes as f64,
    ),
    (
        "recordings_deleted_bytes",
        "Space of recordings that were deleted to make room",
        Kind::Counter,
        |of| of.space.deleted_bytes as f64,
    ),
    (
        "recordings_undeleted",
        "Deletions of recordings that the disk refused",
        Kind::Counter,
        |of| of.space.failed_deletions as f64,
    ),
    (
        "recordings_full",
        "1 while no space is left for recordings",
        Kind::Gauge,
        |of| f64::from(of.space.full.is_some()),
    ),
    (
        "recordings_kept_seconds",
        "How long recordings are kept at the present rate, NaN until that is known",
        Kind::Gauge,
        |of| of.space.kept.map_or(f64::NAN, |kept| kept.as_secs_f64()),
    ),
    (
        "recordings_indexed",
        "1 while all recordings are in the index",
        Kind::Gauge,
        |of| f64::from(of.index.is_complete),
    ),
];

impl MetricsSource for Processor {
    fn samples(&self) -> Vec<Sample> {
        let sources: Vec<_> = self.pipeline.sources.load().values().cloned().collect();
        let counters = self.pipeline.sink.load().link.counters();
        let mut samples = Vec::new();
        let sample = |source: Option<SourceId>, name, help, kind, value| {
            let labels = source.map(|id| ("source_id", id.to_string()));
            labelled(labels, name, help, kind, value)
        };
        let analysed = sources.iter().filter(|source| source.is_analysed());
        let analysed: Vec<_> = analysed.cloned().collect();
        for (metrics, of) in [(OF_SOURCES, &sources), (OF_ANALYSIS, &analysed)] {
            for &(name, help, kind, value) in metrics {
                let each = of.iter();
                samples.extend(
                    each.map(|source| sample(Some(source.id), name, help, kind, value(source))),
                );
            }
        }
        for &(name, help, value) in OF_STATES {
            samples.extend(sources.iter().filter_map(|source| {
                let state = source.recording()?.state;
                let value = f64::from(state.is_some_and(value));
                Some(sample(Some(source.id), name, help, Kind::Gauge, value))
            }));
        }
        samples.extend(sources.iter().filter_map(|source| {
            source.recording()?;
            let (name, help) = IN_NEXT;
            let value = f64::from(source.is_in_next());
            Some(sample(Some(source.id), name, help, Kind::Gauge, value))
        }));
        if let Some(recording) = self.recording() {
            for &(name, help, kind, value) in OF_DIRECTORIES {
                let first = recording.first.iter().map(|first| (None, first));
                let next = recording.next.iter();
                let next = next.map(|next| (Some(("directory", "next".to_owned())), next));
                samples.extend(
                    first
                        .chain(next)
                        .map(|(label, of)| labelled(label, name, help, kind, value(of))),
                );
            }
            for &(name, help, kind, value) in OF_RECORDINGS {
                let each = recording.sources.iter();
                samples.extend(each.map(|(id, of)| sample(Some(*id), name, help, kind, value(of))));
            }
        }
        for &(name, help, kind, value) in OF_LINK {
            samples.push(sample(None, name, help, kind, value(&counters)));
        }
        samples.push(sample(
            None,
            "stages_stuck",
            "Stages without progress for longer than their limit",
            Kind::Gauge,
            self.heartbeats.stuck().len() as f64,
        ));
        samples
    }
}

fn labelled(
    label: Option<(&'static str, String)>,
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: f64,
) -> Sample {
    Sample {
        name,
        help,
        kind,
        labels: label.into_iter().collect(),
        value,
    }
}

fn reconnects(source: &Source) -> f64 {
    source
        .snapshot()
        .map_or(0.0, |snapshot| snapshot.reconnects as f64)
}

/// The abilities of this build on this machine.
pub(super) fn capabilities() -> Capabilities {
    let decoders = [Codec::H264, Codec::H265].map(|codec| {
        let found = decoder_report(codec).into_iter().map(|line| DecoderFound {
            decoder: line.decoder.to_owned(),
            found: match line.probed {
                None => "not probed yet".to_owned(),
                Some(Ok(())) => "decodes".to_owned(),
                Some(Err(fault)) => fault.to_string(),
            },
        });
        (codec.name().to_owned(), found.collect())
    });
    let backends = crate::detect::available_backends().into_iter();
    Capabilities::Processor(ProcessorCapabilities {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        roles: vec!["processor".to_owned()],
        backends: backends
            .map(|(name, found)| (name.to_owned(), found))
            .collect(),
        decoders: decoders.into(),
        encodings: ["json", "postcard", "both"].map(str::to_owned).to_vec(),
    })
}
