use clap::Parser;

use crate::base::SourceId;
use crate::config::{ConfigSource, Environment, ProcessorFlags, RecordChoice, SourceSettings};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: ProcessorFlags,
}

fn source(record: &str) -> ConfigSource {
    let command = Command::try_parse_from(["nvr"]).expect("good usage");
    let environment = Environment::from_pairs(std::iter::empty::<(&str, &str)>());
    let file =
        format!("[record]\ndir = \"/rec\"\n{record}\n[[camera]]\nid = 0\nuri = \"rtsp://a/\"\n");
    ConfigSource::new(command.flags, environment).with_toml(&file)
}

#[test]
fn a_camera_has_its_own_classes_of_events_or_those_of_all() {
    let file = "pre_roll = \"0s\"\npost_roll = \"1m 30s\"\nevent_classes = [\"person\", \"car\"]\n[[camera]]\nid = 1\nuri = \"rtsp://b/\"\nrecord = \"events\"\nevent_classes = [\"dog\"]\n";
    let settings = source(file).load().expect("no problem");
    let of = |id| {
        let source = &settings.sources[&SourceId(id)];
        (
            source.record,
            source
                .event_classes
                .clone()
                .map(|classes| classes.join(" ")),
        )
    };
    assert_eq!(
        of(0),
        (RecordChoice::Continuous, Some("person car".to_owned()))
    );
    assert_eq!(of(1), (RecordChoice::Events, Some("dog".to_owned())));
    let record = settings.record.expect("there is a directory");
    assert_eq!(
        (record.pre_roll.as_secs(), record.post_roll.as_secs()),
        (0, 90)
    );
    let settings = source("").load().expect("no problem");
    assert_eq!(settings.sources[&SourceId(0)].event_classes, None);
    let record = settings.record.expect("there is a directory");
    assert_eq!(
        (record.pre_roll.as_secs(), record.post_roll.as_secs()),
        (10, 10)
    );
}

#[test]
fn wrong_times_and_classes_of_events_are_refused() {
    let refused = source("pre_roll = \"61s\"\npost_roll = \"0s\"\nevent_classes = []\n[[camera]]\nid = 1\nuri = \"rtsp://b/\"\nevent_classes = [\" \"]\n").load();
    let problems = refused.expect_err("they are out of range");
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "record.event_classes: an empty list would record nothing; remove the key for all classes [document:5:1]",
            "camera[0].event_classes: contains an empty class name [document:9:1]",
            "record.pre_roll: must be 0s to 1m, got 1m 1s [document:3:1]",
            "record.post_roll: must be 1s to 10m, got 0s [document:4:1]",
        ]
    );
}

#[test]
fn cameras_that_can_have_no_events_are_told() {
    let warnings = |record: &str| {
        let loaded = source(record).load_all().expect("no problem");
        let told = loaded.warnings.into_iter();
        told.filter(|warning| warning.contains("event"))
            .collect::<Vec<_>>()
    };
    let camera = "[[camera]]\nid = 1\nuri = \"rtsp://b/\"\nrecord = \"events\"\n";
    assert_eq!(
        warnings(&format!("{camera}[processor]\nbackend = \"none\"\n")),
        [
            "processor.backend: there are no events without a detector, so nothing of cameras 1 is recorded; choose another backend, or set record = \"continuous\" for them"
        ]
    );
    let classes = "event_classes = [\"car\", \"truck\"]\n";
    assert_eq!(
        warnings(&format!(
            "{classes}{camera}classes = [\"person\", \"dog\"]\n"
        )),
        [
            "event_classes of camera 1: none of car, truck is published, so nothing is recorded of it; add one to its classes, person, dog"
        ]
    );
    for fine in [
        format!("{classes}{camera}classes = [\"person\", \"truck\"]\n"),
        format!("{classes}{camera}"),
        format!("{camera}classes = [\"person\"]\n"),
        format!("{classes}[processor]\nbackend = \"none\"\nclasses = [\"person\"]\n"),
    ] {
        assert_eq!(warnings(&fine), [""; 0], "{fine}");
    }
}

#[test]
fn events_are_preferred_after_a_day_or_another_time() {
    for (record, seconds) in [
        ("", 86_400),
        ("prefer_events_after = \"0s\"", 0),
        ("prefer_events_after = \"36h\"", 129_600),
        ("prefer_events_after = \"10years\"", 315_576_000),
    ] {
        let settings = source(record).load().expect("no problem");
        let record = settings.record.expect("there is a directory");
        assert_eq!(record.prefer_events_after.as_secs(), seconds);
    }
    let refused = source("prefer_events_after = \"11years\"").load();
    let problems = refused.expect_err("it is too long");
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["record.prefer_events_after: must be 0s to 10years, got 11years [document:3:1]"]
    );
}

#[test]
fn the_minimum_of_a_camera_fits_into_the_budget() {
    for (record, bytes) in [
        ("", 0),
        ("min_per_camera = \"10 GB\"", 10_000_000_000),
        (
            "budget = \"10 GB\"\nmin_per_camera = \"10 GB\"",
            10_000_000_000,
        ),
    ] {
        let settings = source(record).load().expect("no problem");
        let record = settings.record.expect("there is a directory");
        assert_eq!(record.min_per_camera_bytes, bytes);
    }
    let refused = source("budget = \"10 GB\"\nmin_per_camera = \"11 GB\"").load();
    let problems = refused.expect_err("it does not fit");
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "record.min_per_camera: must be at most record.budget, 10 GB, got 11 GB; lower it, or raise the budget [document:4:1]"
        ]
    );
}

#[test]
fn a_next_directory_has_its_own_budget_and_the_other_settings_of_the_first() {
    let file = "next_dir = \"/mnt/b/../c\"\nnext_budget = \"20 GB\"\nbudget = \"10 GB\"\nmin_free = \"1 GB\"\n";
    let record = source(file).load().expect("no problem").record;
    let record = record.expect("there is a directory");
    let next = record.of_next().expect("there is a next one");
    assert_eq!(next.dir, std::path::Path::new("/mnt/b/../c"));
    let figures = |record: &crate::config::RecordSettings| {
        (
            record.budget_bytes,
            record.min_free_bytes,
            record.place.dir_key(),
            record.place.budget_key(),
        )
    };
    assert_eq!(
        figures(&record),
        (
            Some(10_000_000_000),
            1_000_000_000,
            "record.dir",
            "record.budget"
        )
    );
    assert_eq!(
        figures(&next),
        (
            Some(20_000_000_000),
            1_000_000_000,
            "record.next_dir",
            "record.next_budget"
        )
    );
    assert_eq!(next.of_next(), None);
    let record = source("").load().expect("no problem").record;
    assert_eq!(record.expect("there is a directory").of_next(), None);
    // A name that begins alike is not inside.
    source("next_dir = \"/rec2\"").load().expect("no problem");
}

#[test]
fn a_next_directory_that_can_not_take_over_is_refused() {
    let told = |record: &str| {
        let problems = source(record).load().expect_err("it can't take over");
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        told
    };
    for (named, got) in [
        ("/rec", "/rec"),
        ("/mnt/../rec/.", "/rec"),
        ("/rec/b", "/rec/b"),
        ("/", "/"),
    ] {
        assert_eq!(
            told(&format!("next_dir = {named:?}")),
            [format!(
                "record.next_dir: must be neither record.dir, /rec, nor inside it or around it, got {got}; name a directory on another disk [document:3:1]"
            )]
        );
    }
    assert_eq!(
        told("next_dir = \"\""),
        [
            "record.next_dir: must name a directory; remove the key if none is to take over [document:3:1]"
        ]
    );
    assert_eq!(
        told("next_dir = \"/b\"\nnext_budget = \"10 GB\"\nmin_per_camera = \"11 GB\""),
        [
            "record.min_per_camera: must be at most record.next_budget, 10 GB, got 11 GB; lower it, or raise the budget [document:5:1]"
        ]
    );
    let command = Command::try_parse_from(["nvr"]).expect("good usage");
    let environment = Environment::from_pairs(std::iter::empty::<(&str, &str)>());
    let unnamed = ConfigSource::new(command.flags.clone(), environment)
        .with_toml("[record]\ndir = \"\"\nnext_dir = \"/b\"\n");
    let problems = unnamed.load().expect_err("it names nothing");
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["record.dir: must name a directory; remove the key to record nothing [document:2:1]"]
    );
    let environment = Environment::from_pairs(std::iter::empty::<(&str, &str)>());
    let alone =
        ConfigSource::new(command.flags, environment).with_toml("[record]\nnext_dir = \"/b\"\n");
    let problems = alone.load().expect_err("there is nothing to take over");
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "record.next_dir: takes over from record.dir, which is not set; set that one, or remove this one [document:2:1]"
        ]
    );
}

#[test]
fn a_budget_without_its_directory_is_told() {
    let loaded = source("next_budget = \"10 GB\"").load_all();
    let warnings = loaded.expect("no problem").warnings;
    assert!(
        warnings.contains(
            &"record.next_budget: has no effect without record.next_dir; name a directory, or remove the key".to_owned()
        ),
        "{warnings:?}"
    );
}

/// A camera with two streams, in a file with a directory of recordings.
fn with_main(keys: &str) -> ConfigSource {
    source(&format!(
        "[[camera]]\nid = 3\nuri = \"rtsp://a:b@c/main\"\nsub_uri = \"rtsp://a:b@c/sub\"\nmain_id = 1003\n{keys}\n"
    ))
}

#[test]
fn a_main_stream_is_a_source_of_its_own_beside_the_sub_stream_that_is_analysed() {
    let settings = with_main("name = \"Gate\"\nrecord = \"events\"").load();
    let settings = settings.expect("no problem");
    let (sub, main) = (
        &settings.sources[&SourceId(3)],
        &settings.sources[&SourceId(1003)],
    );
    let of = |source: &SourceSettings| {
        let name = source.name.clone().unwrap_or_default();
        let login = source.stream.credentials.is_some();
        (
            source.stream.location.to_string(),
            name,
            login,
            source.record,
        )
    };
    let recorded = RecordChoice::Events;
    assert_eq!(
        of(sub),
        ("rtsp://c/sub".to_owned(), "Gate".to_owned(), true, recorded)
    );
    assert_eq!(
        of(main),
        (
            "rtsp://c/main".to_owned(),
            "Gate (main stream)".to_owned(),
            true,
            recorded
        )
    );
    assert_eq!((sub.main, sub.sub), (Some(SourceId(1003)), None));
    assert_eq!((main.main, main.sub), (None, Some(SourceId(3))));
    // Without a directory there is nothing to record it to.
    let text =
        "[[camera]]\nid = 3\nuri = \"rtsp://c/main\"\nsub_uri = \"rtsp://c/sub\"\nmain_id = 1003\n";
    let settings = source("").with_toml(text).load().expect("no problem");
    assert_eq!(settings.sources.len(), 1);
    assert_eq!(settings.sources[&SourceId(3)].main, None);
}

#[test]
fn a_main_stream_that_can_not_be_recorded_beside_the_sub_stream_is_refused_or_told() {
    let refused = |keys: &str| {
        let problems = with_main(keys).load().expect_err("it can't be so");
        let told = problems.iter().map(ToString::to_string);
        // Without the line of the file.
        let told = told.map(|it| it.split(" [").next().unwrap_or_default().to_owned());
        told.collect::<Vec<_>>()
    };
    let told = refused("[[camera]]\nid = 1003\nuri = \"rtsp://d/\"");
    assert_eq!(
        told,
        ["camera[1].id: 1003 is already the main_id of camera[0]; ids must be unique"]
    );
    let told = refused("[[camera]]\nid = 4\nuri = \"rtsp://d/\"\nmain_id = 5");
    assert_eq!(
        told,
        [
            "camera[1].main_id: records the main stream beside the sub-stream, and there is no sub_uri; add it, or remove main_id"
        ]
    );
    for (keys, said) in [
        (
            "record = \"off\"",
            "record = \"off\" records neither stream",
        ),
        (
            "[processor]\nstream = \"main\"",
            "processor.stream = \"main\" analyses and records the main stream",
        ),
    ] {
        let loaded = with_main(keys).load_all().expect("no problem");
        assert_eq!(loaded.settings.sources.len(), 2, "{keys}");
        let warnings = loaded.warnings;
        let warned = |warning: &String| {
            warning.starts_with("camera[0].main_id: has no effect: ") && warning.contains(said)
        };
        assert_eq!(
            warnings.iter().filter(|it| warned(it)).count(),
            1,
            "{warnings:?}"
        );
    }
}
