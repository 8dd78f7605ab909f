//! The options of `nvr processor` beside those of every role.

use super::flags::{LIMITS, role_flags};
use super::option_forms::{choice, duration, names, number, paths, switch, text, whole};
use super::options::{Group, group};
use super::{Backend, Encoding, RawMqtt, RawProcessor, RawSettings};

role_flags! {
    /// Which cameras are analysed, how, and what is published.
    ProcessorFlags: OPTIONS
}

/// In the order of the help text.
const OPTIONS: &[Group] = &[
    group::<RawProcessor>("processor", &[text("model", "ID").help("Model id")]),
    group::<RawSettings>(
        "",
        &[paths("models-dir", "DIR").key("models_dirs").help(
            "Directory in which models are sought first; repeatable, separated by colons in NVR_MODELS_DIR [then: ./models, \
             the cache, /usr/share/nvr/models, /var/lib/nvr/models]",
        )],
    ),
    group::<RawProcessor>(
        "processor",
        &[
            choice::<Backend>("backend", "BACKEND").help("What runs the model"),
            whole("threads", "N"),
            number("confidence", "SCORE").help(
                "Least confidence of what is published, {range} {default}. A camera's own in the file stands above it",
            ),
            number("iou", "IOU")
                .help("Overlap above which the weaker of two boxes of one class is dropped, {range}"),
            number("max-fps", "FPS").help(
                "Most frames a second and camera that are inferred [default: none]. A camera's own in the file stands \
                 above it",
            ),
            names("classes").help(
                "Classes that are published, separated by commas {default}. A camera's own in the file stand above them",
            ),
            switch("tracking")
                .help("Join detections to tracks")
                .off("no-tracking", "Publish detections without tracks"),
            choice::<Encoding>("encoding", "ENCODING").help("Encoding of events"),
        ],
    ),
    group::<RawMqtt>(
        "mqtt",
        &[whole("mqtt-qos", "QOS")
            .key("qos")
            .help("Quality of service of detections, {range}")],
    ),
    group::<RawProcessor>(
        "processor",
        &[text("http", "ADDR")
            .help("Address for /metrics and /healthz, such as 127.0.0.1:9100 [default: none]")],
    ),
    group::<RawProcessor>("processor", LIMITS),
    group::<RawProcessor>(
        "processor",
        &[duration("scripted-delay").help("How long the scripted backend takes over a frame")],
    ),
];
