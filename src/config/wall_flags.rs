//! The options of `nvr wall` in addition to those of every role.

use clap::{Arg, value_parser};
use serde_json::json;

use super::flags::{LIMITS, role_flags};
use super::option_forms::{
    choice, duration, given_text, http_token, names, number, one, path, switch, text, whole,
};
use super::options::{Group, Read, Row, group, option};
use super::{Fit, OutputChoice, RawHead, RawWall, ReferenceChoice, Sync};

role_flags! {
    /// Options of `nvr wall`.
    WallFlags: OPTIONS
}

/// The options in the order of the help text.
const OPTIONS: &[Group] = &[
    group::<RawWall>(
        "wall",
        &[
            text("mqtt-topic-pattern", "FILTER").key("topic_pattern").help(
                "Topic filter of the events [default: {topic root}/detections/#]",
            ),
            text("name", "NAME"),
            switch("clock").help("Show the time of day in a corner"),
            choice::<OutputChoice>("output", "OUTPUT").help(
                "Output: kms (monitors), headless (only snapshots and the page) [default: auto, monitors if a DRM device has \
                 one]",
            ),
            text("card", "CARD").help("DRM card, by its node or its driver's name"),
        ],
    ),
    group::<RawHead>("wall.head[0]", HEAD),
    group::<RawWall>(
        "wall",
        &[
            whole("tile-width", "PIXELS").without_range(),
            whole("tile-height", "PIXELS").without_range(),
            choice::<Fit>("fit", "FIT").help("Scaling of a picture to its tile"),
            choice::<Sync>("sync", "SYNC").help(
                "Frames on which boxes are drawn: those in which they were detected (aligned; video is delayed) or the newest \
                 (latest) [default: auto, aligned if the clocks are synchronised]",
            ),
            option("delay-budget", "auto|DURATION", |arg| arg, MILLISECONDS).help(
                "Delay of the video while boxes are aligned, up to {most}; a plain number is in milliseconds [default: auto, \
                 measured]",
            ),
            choice::<ReferenceChoice>("reference-time", "ORIGIN")
                .help("Origin of a frame's NTP time"),
            duration("detection-ttl"),
            whole("box-thickness", "PIXELS"),
            number("label-font-scale", "SCALE"),
            switch("display-name")
                .help("Show the camera's name in each tile")
                .off("no-display-name", "Hide the names"),
            switch("display-fps")
                .help("Show the frame rate in each tile")
                .off("no-display-fps", "Hide the frame rate"),
            switch("display-latency")
                .help("Show the latency of detections in each tile")
                .off("no-display-latency", "Hide the latency"),
            names("alarm-classes").help(
                "Classes whose detection moves a camera to the focus tile, separated by commas",
            ),
            duration("alarm-hold").without_range(),
            duration("page-time").without_range(),
            path("snapshot", "FILE.png")
                .help("PNG file that is written once everything is shown, and at SIGUSR1"),
            text("http", "ADDR").help(
                "Address of the page, such as 127.0.0.1:8080; outside loopback it needs --http-token [default: none]",
            ),
            http_token(),
        ],
    ),
    group::<RawWall>("wall", LIMITS),
];

/// Options of the first head.
const HEAD: &[Row] = &[
    text("connector", "NAME").help(
        "Connector of the first head [default: the first connected one, in the order HDMI, DP, eDP]",
    ),
    text("mode", "MODE").help(
        "Resolution and refresh rate of the first head, such as 1920x1080@60 [default: the preferred mode of its monitor]",
    ),
    option("rotate", "DEGREES", DEGREES, one::<u16>)
        .help("Rotation of the first head's picture in degrees, clockwise: 0, 90, 180 or 270"),
    number("overscan", "FRACTION").help(
        "Margin that the first head's television cuts off at each edge, as a fraction of the screen, {range}",
    ),
    text("layout", "LAYOUT")
        .help("Layout of the first head: grid, focus, or a layout of the file"),
    whole("grid-columns", "N").help(
        "Maximum number of tiles in a row of the first head's grid, {range} [default: 4, or fewer on a monitor if pictures are \
         then larger]",
    ),
];

const DEGREES: fn(Arg) -> Arg = |arg| arg.value_parser(value_parser!(u16));

/// A plain number is in milliseconds, as in the published option.
const MILLISECONDS: Read = |matches, id| {
    given_text(matches, id).map(|text| {
        let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        Ok(json!(if is_plain {
            format!("{text}ms")
        } else {
            text.to_owned()
        }))
    })
};
