//! The options of `nvr wall` beside those of every role.

use clap::{Arg, value_parser};
use serde_json::json;

use super::flags::{LIMITS, role_flags};
use super::option_forms::{
    choice, duration, given_text, names, number, one, path, switch, text, whole,
};
use super::options::{Group, Read, Row, group, option};
use super::{Fit, OutputChoice, RawHead, RawWall, ReferenceChoice, Sync};

role_flags! {
    /// What a wall shows, where, and how.
    WallFlags: OPTIONS
}

/// In the order of the help text.
const OPTIONS: &[Group] = &[
    group::<RawWall>(
        "wall",
        &[
            text("mqtt-topic-pattern", "FILTER").key("topic_pattern").help(
                "Filter of the topics that events are read from [default: {topic root}/detections/#]",
            ),
            text("name", "NAME"),
            switch("clock").help("Show the time of day in a corner"),
            choice::<OutputChoice>("output", "OUTPUT").help(
                "Where the scene goes: to monitors (kms), to snapshots and the page alone (headless) [default: auto, \
                 monitors where there is a DRM device with one]",
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
            choice::<Fit>("fit", "FIT").help("How a picture is brought into its tile"),
            choice::<Sync>("sync", "SYNC").help(
                "On which frames boxes are drawn: their own (aligned; video waits for them) or the newest (latest) \
                 [default: auto, aligned where the clocks allow]",
            ),
            option("delay-budget", "auto|DURATION", |arg| arg, MILLISECONDS).help(
                "How long video waits for its boxes, up to {most}; a plain number is milliseconds [default: auto, as \
                 measured]",
            ),
            choice::<ReferenceChoice>("reference-time", "WAY")
                .help("How a frame's NTP time is found"),
            duration("detection-ttl"),
            whole("box-thickness", "PIXELS"),
            number("label-font-scale", "SCALE"),
            switch("display-name")
                .help("Show the camera's name in each tile")
                .off("no-display-name", "Show no names"),
            switch("display-fps")
                .help("Show frames a second in each tile")
                .off("no-display-fps", "Show no frames a second"),
            switch("display-latency")
                .help("Show the latency of detections in each tile")
                .off("no-display-latency", "Show no latency"),
            names("alarm-classes").help(
                "Classes whose appearance promotes a camera to the focus tile, separated by commas",
            ),
            duration("alarm-hold").without_range(),
            duration("page-time").without_range(),
            path("snapshot", "FILE.png")
                .help("PNG that is written once everything is shown, and at SIGUSR1"),
            text("http", "ADDR").help(
                "Address of the page, such as 127.0.0.1:8080; off loopback it needs --http-token [default: none]",
            ),
            option("http-token", "REFERENCE", |arg| arg, TOKEN).help(
                "Where the page's token is: env:NAME or file:PATH, never the token itself, which every user of the \
                 machine could read in the list of processes. NVR_HTTP_TOKEN holds the token [default: none]",
            ),
        ],
    ),
    group::<RawWall>("wall", LIMITS),
];

/// Of the first head.
const HEAD: &[Row] = &[
    text("connector", "NAME").help(
        "Connector of the first head [default: the first connected one by HDMI, DP, eDP]",
    ),
    text("mode", "MODE").help(
        "Resolution and rate of the first head, such as 1920x1080@60 [default: what its monitor prefers]",
    ),
    option("rotate", "DEGREES", DEGREES, one::<u16>)
        .help("Degrees by which the first head's picture is turned, clockwise: 0, 90, 180 or 270"),
    number("overscan", "FRACTION").help(
        "What the first head's television cuts off at each edge, as a fraction of the screen, {range}",
    ),
    text("layout", "LAYOUT")
        .help("How the first head's screen is divided: grid, focus, or a layout of the file"),
    whole("grid-columns", "N").help(
        "Most tiles in a row of the first head's grid, {range} [default: 4, and fewer on a monitor where pictures come out \
         larger]",
    ),
];

const DEGREES: fn(Arg) -> Arg = |arg| arg.value_parser(value_parser!(u16));

/// The published option counts milliseconds.
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

/// A reference to the token. What is none is perhaps the token itself: nothing is kept of it, and clap, which would quote
/// it, has no part in reading it.
const TOKEN: Read = |matches, id| {
    given_text(matches, id).map(|text| match text.split_once(':') {
        Some((place @ ("env" | "file"), name)) if !name.is_empty() => Ok(json!({ place: name })),
        _ => Err(
            "must be env:NAME or file:PATH, not the token itself, which the list of processes would show; or set \
             NVR_HTTP_TOKEN",
        ),
    })
};
