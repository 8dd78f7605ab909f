//! The options of `nvr processor` in addition to those of every role.

use serde_json::{Value, json};

use super::flags::{LIMITS, role_flags};
use super::option_forms::{
    choice, duration, given_text, http_token, names, number, path, paths, switch, text, whole,
};
use super::options::{Group, Read, group, option};
use super::{Backend, Encoding, OpenVinoPrecision, RawMqtt, RawProcessor, RawRecord, RawSettings};

role_flags! {
    /// Options of `nvr processor`.
    ProcessorFlags: OPTIONS
}

/// Reads a number as a number, so that the check names its range; another text is what the file may have.
const LANES: Read = |matches, id| {
    given_text(matches, id).map(|text| {
        Ok(text
            .parse::<i64>()
            .map_or_else(|_| json!(text), Value::from))
    })
};

/// The options in the order of the help text.
const OPTIONS: &[Group] = &[
    group::<RawProcessor>("processor", &[text("model", "ID").help("Model id")]),
    group::<RawSettings>(
        "",
        &[paths("models-dir", "DIR").key("models_dirs").help(
            "Directory that is searched for models first; repeatable, separated by colons in NVR_MODELS_DIR [then: ./models, \
             the cache, /usr/share/nvr/models, /var/lib/nvr/models]",
        )],
    ),
    group::<RawProcessor>(
        "processor",
        &[
            choice::<Backend>("backend", "BACKEND").help("Inference backend"),
            choice::<OpenVinoPrecision>("openvino-precision", "PRECISION")
                .help("Precision in which the backend openvino computes {default}"),
            whole("threads", "N"),
            option("lanes", "auto|N", |arg| arg, LANES),
            number("confidence", "SCORE").help(
                "Minimum confidence of a published detection, {range} {default}. The value of a camera in the file overrides it",
            ),
            number("iou", "IOU")
                .help("IoU threshold of non-maximum suppression, {range}"),
            number("max-fps", "FPS").help(
                "Maximum inference rate per camera, in frames per second [default: none]. The value of a camera in the file \
                 overrides it",
            ),
            names("classes").help(
                "Classes that are published, separated by commas {default}. The classes of a camera in the file override them",
            ),
            switch("tracking")
                .help("Track detections and publish tracker ids")
                .off("no-tracking", "Publish detections without tracker ids"),
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
        &[
            text("http", "ADDR").help(
                "Address for the page of the recordings, /metrics and /healthz, such as 127.0.0.1:9100; outside loopback \
                 recordings are shown with --http-token only [default: none]",
            ),
            http_token(),
        ],
    ),
    group::<RawRecord>(
        "record",
        &[path("record", "DIR")
            .key("dir")
            .help("Directory of recordings of what the cameras send [default: none]")],
    ),
    group::<RawProcessor>("processor", LIMITS),
    group::<RawProcessor>(
        "processor",
        &[duration("scripted-delay").help("Inference time per frame of the scripted backend")],
    ),
];
