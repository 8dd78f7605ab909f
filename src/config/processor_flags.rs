//! The options of `nvr processor` beside those of every role.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::flags::HEADING;
use super::overrides::{Assignments, absolute, names, number, off};
use super::{Backend, CommonFlags, Encoding};

/// Which cameras are analysed, how, and what is published.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = HEADING)]
pub struct ProcessorFlags {
    /// What every role has.
    #[command(flatten)]
    pub common: CommonFlags,

    /// Model id [default: yolov8x-640 where it is installed, else the one that `nvr model default` names]
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,

    /// Directory in which models are sought first; repeatable, separated by colons in NVR_MODELS_DIR [then: ./models,
    /// the cache, /usr/share/nvr/models, /var/lib/nvr/models]
    #[arg(long, value_name = "DIR")]
    pub models_dir: Vec<String>,

    /// What runs the model [default: auto]
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<Backend>,

    /// Threads of the inference engine [default: as many as the machine has cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<u32>,

    /// Least confidence of what is published, 0 to 1 [default: 0.5]. A camera's own in the file stands above it
    #[arg(long, value_name = "SCORE")]
    pub confidence: Option<f64>,

    /// Overlap above which the weaker of two boxes of one class is dropped, 0 to 1 [default: 0.45]
    #[arg(long, value_name = "IOU")]
    pub iou: Option<f64>,

    /// Most frames a second and camera that are inferred [default: none]. A camera's own in the file stands above it
    #[arg(long, value_name = "FPS")]
    pub max_fps: Option<f64>,

    /// Classes that are published, separated by commas [default: all]. A camera's own in the file stand above them
    #[arg(long, value_name = "NAMES")]
    pub classes: Option<String>,

    /// Join detections to tracks [default: yes]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), overrides_with = "no_tracking")]
    pub tracking: Option<bool>,

    /// Publish detections without tracks
    #[arg(long, overrides_with = "tracking")]
    pub no_tracking: bool,

    /// Encoding of events [default: json]
    #[arg(long, value_name = "ENCODING")]
    pub encoding: Option<Encoding>,

    /// Quality of service of detections, 0 to 2 [default: 0]
    #[arg(long, value_name = "QOS")]
    pub mqtt_qos: Option<u32>,

    /// Address for /metrics and /healthz, such as 127.0.0.1:9100 [default: none]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,

    /// Feed systemd's watchdog while all stages make progress [default: yes]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), overrides_with = "no_watchdog")]
    pub watchdog: Option<bool>,

    /// Leave systemd's watchdog alone
    #[arg(long, overrides_with = "watchdog")]
    pub no_watchdog: bool,

    /// Longest time without an access unit [default: 5s]. A camera's own in the file stands above it
    #[arg(long, value_name = "DURATION")]
    pub stall_limit: Option<String>,

    /// Longest time from PLAY to the first decoded frame [default: 20s]. A camera's own in the file stands above it
    #[arg(long, value_name = "DURATION")]
    pub start_limit: Option<String>,

    /// How long the scripted backend takes over a frame [default: 0s]
    #[arg(long, value_name = "DURATION")]
    pub scripted_delay: Option<String>,
}

impl ProcessorFlags {
    /// What these options set, beside those of every role.
    pub(super) fn assignments(&self) -> Assignments {
        let models_dirs: Vec<_> = self.models_dir.iter().map(|dir| absolute(dir)).collect();
        let models_dirs = Some(models_dirs).filter(|dirs| !dirs.is_empty());
        Assignments::default()
            .put("models_dirs", "models-dir", models_dirs)
            .put("mqtt.qos", "mqtt-qos", self.mqtt_qos)
            .put("processor.model", "model", self.model.as_ref())
            .put("processor.backend", "backend", self.backend)
            .put("processor.threads", "threads", self.threads)
            .put(
                "processor.confidence",
                "confidence",
                self.confidence.map(number),
            )
            .put("processor.iou", "iou", self.iou.map(number))
            .put("processor.max_fps", "max-fps", self.max_fps.map(number))
            .put(
                "processor.classes",
                "classes",
                self.classes.as_deref().map(names),
            )
            .put("processor.tracking", "no-tracking", off(self.no_tracking))
            .put("processor.tracking", "tracking", self.tracking)
            .put("processor.encoding", "encoding", self.encoding)
            .put("processor.http", "http", self.http.as_ref())
            .put("processor.watchdog", "no-watchdog", off(self.no_watchdog))
            .put("processor.watchdog", "watchdog", self.watchdog)
            .put(
                "processor.stall_limit",
                "stall-limit",
                self.stall_limit.as_ref(),
            )
            .put(
                "processor.start_limit",
                "start-limit",
                self.start_limit.as_ref(),
            )
            .put(
                "processor.scripted_delay",
                "scripted-delay",
                self.scripted_delay.as_ref(),
            )
    }
}
