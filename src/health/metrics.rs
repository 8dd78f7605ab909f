//! Encodes metrics for Prometheus.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, since the start of the process. Its name gets the suffix `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One value of a metric. Samples of one name must be consecutive.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Without prefix and suffix: `frames_decoded`.
    pub name: &'static str,
    /// The help text.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: Kind,
    /// Label names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

/// A part that has metrics. Called once per scrape; must not block for long.
pub trait MetricsSource: Send + Sync {
    /// The present samples.
    fn samples(&self) -> Vec<Sample>;
}

/// All samples of `report` in the OpenMetrics text format. Names get the prefix `nvr_`.
pub fn encode(report: &Arc<dyn MetricsSource>) -> String {
    let mut registry = Registry::with_prefix("nvr");
    registry.register_collector(Box::new(Reported(report.clone())));
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

struct Reported(Arc<dyn MetricsSource>);

impl std::fmt::Debug for Reported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reported")
    }
}

impl Collector for Reported {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let samples = self.0.samples();
        for family in samples.chunk_by(|one, next| one.name == next.name) {
            let Some(first) = family.first() else {
                continue;
            };
            let kind = match first.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(first.name, first.help, None, kind)?;
            for sample in family {
                let one = metric.encode_family(&sample.labels)?;
                match sample.kind {
                    Kind::Counter => ConstCounter::new(sample.value).encode(one)?,
                    Kind::Gauge => ConstGauge::new(sample.value).encode(one)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two;

    impl MetricsSource for Two {
        fn samples(&self) -> Vec<Sample> {
            let decoded = |source: &str, value| Sample {
                name: "frames_decoded",
                help: "Frames decoded",
                kind: Kind::Counter,
                labels: vec![("source_id", source.to_owned())],
                value,
            };
            vec![decoded("0", 7.0), decoded("1", 8.0)]
        }
    }

    #[test]
    fn figures_are_written_with_their_labels() {
        let text = encode(&(Arc::new(Two) as Arc<dyn MetricsSource>));
        assert_eq!(
            text,
            "# HELP nvr_frames_decoded Frames decoded\n# TYPE nvr_frames_decoded counter\n\
             nvr_frames_decoded_total{source_id=\"0\"} 7.0\nnvr_frames_decoded_total{source_id=\"1\"} 8.0\n# EOF\n"
        );
    }
}
