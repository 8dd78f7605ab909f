//! Tests of topics and client ids.

use super::*;

fn published() -> Topics {
    Topics::new("nvr", "nvr/detections")
}

#[test]
fn topics_are_those_of_the_protocol_and_read_back() {
    let topics = published();
    let source = SourceId(7);
    for (topic, text, about) in [
        (
            topics.detections(source),
            "nvr/detections/7",
            Topic::Detections(source),
        ),
        (
            topics.detections_postcard(source),
            "nvr/detections-postcard/7",
            Topic::DetectionsPostcard(source),
        ),
        (
            topics.source(source),
            "nvr/sources/7",
            Topic::Source(source),
        ),
        (
            topics
                .presence(ClientRole::Processor, "box")
                .expect("it has one"),
            "nvr/processors/box",
            Topic::Processor("box".to_owned()),
        ),
        (
            topics
                .presence(ClientRole::Wall, "box")
                .expect("it has one"),
            "nvr/walls/box",
            Topic::Wall("box".to_owned()),
        ),
    ] {
        assert_eq!(topic, text);
        assert_eq!(topics.parse(&topic), Some(about));
    }
    assert_eq!(topics.presence(ClientRole::Watch, "box"), None);
}

#[test]
fn topics_of_devices_are_those_of_the_protocol_and_read_back() {
    for root in ["nvr", "site-a/nvr", "/", "fleet/x"] {
        let topics = Topics::new(root, format!("{root}/detections"));
        for document in FleetTopic::ALL {
            let topic = topics.fleet("dock-box.1", document);
            assert_eq!(
                topic,
                format!("{root}/fleet/dock-box.1/{}", document.level())
            );
            let about = Topic::Fleet("dock-box.1".to_owned(), document);
            assert_eq!(topics.parse(&topic), Some(about));
            assert!(filter_matches(&topics.all_fleet(document), &topic));
            assert!(filter_matches(&topics.all_of_device("dock-box.1"), &topic));
            assert!(!filter_matches(&topics.all_of_device("dock-box"), &topic));
            assert!(is_topic(&topic) && is_filter(&topics.all_fleet(document)));
        }
        let presence = topics.presence(ClientRole::Agent, "box");
        assert_eq!(presence, Some(topics.fleet("box", FleetTopic::Presence)));
        assert_eq!(topics.presence(ClientRole::Fleet, "box"), None);
    }
    let imperative = [FleetTopic::Command, FleetTopic::Response];
    for document in FleetTopic::ALL {
        assert_eq!(document.is_retained(), !imperative.contains(&document));
    }
}

#[test]
fn a_prefix_of_its_own_moves_the_detections_alone() {
    let topics = Topics::new("site-a/nvr", "plant/events");
    assert_eq!(topics.detections(SourceId(1)), "plant/events/1");
    assert_eq!(
        topics.detections_postcard(SourceId(1)),
        "plant/events-postcard/1"
    );
    assert_eq!(topics.source(SourceId(1)), "site-a/nvr/sources/1");
    assert_eq!(topics.parse("nvr/detections/1"), None);
    assert_eq!(
        topics.parse("plant/events/1"),
        Some(Topic::Detections(SourceId(1)))
    );
}

#[test]
fn topics_of_others_are_not_ours() {
    for topic in [
        "nvr",
        "nvr/",
        "nvr/detections",
        "nvr/detections/",
        "nvr/detections/x",
        "nvr/detections/01",
        "nvr/detections/+1",
        "nvr/detections/1/2",
        "nvr/detectionsx/1",
        "nvr/processors/",
        "nvr/processors/a/b",
        "nvr/sources/4294967296",
        "other/sources/1",
        "nvr/fleet/box",
        "nvr/fleet/box/",
        "nvr/fleet//desired",
        "nvr/fleet/box/desire",
        "nvr/fleet/box/desired/x",
        "nvr/fleet/+/desired",
        "nvr/fleet/b x/desired",
        &format!("nvr/fleet/{}/desired", "x".repeat(65)),
    ] {
        assert_eq!(published().parse(topic), None, "{topic}");
    }
}

#[test]
fn client_ids_name_role_and_instance_and_watchers_do_not_collide() {
    let session = SessionId("5e55".to_owned());
    assert_eq!(
        ClientRole::Processor.client_id("box", &session),
        "nvr-processor-box"
    );
    assert_eq!(ClientRole::Wall.client_id("box", &session), "nvr-wall-box");
    assert_eq!(
        ClientRole::Watch.client_id("box", &session),
        "nvr-watch-5e55"
    );
    assert_eq!(
        ClientRole::Agent.client_id("box", &session),
        "nvr-agent-box"
    );
    assert_eq!(
        ClientRole::Fleet.client_id("box", &session),
        "nvr-fleet-5e55"
    );
}

#[test]
fn topics_and_filters_are_those_of_the_standard() {
    for topic in ["a", "/", "//a", "a b/ä", "$SYS/x", &"x".repeat(65_535)] {
        assert!(is_topic(topic) && is_filter(topic), "{topic:.20}");
    }
    for no_topic in ["", "a/+", "#", "a\0", &"x".repeat(65_536)] {
        assert!(!is_topic(no_topic), "{no_topic:.20}");
    }
    for filter in ["+", "#", "a/+/b/#", "/+", "$share/g/a/+"] {
        assert!(is_filter(filter), "{filter}");
    }
    for no_filter in ["", "a+", "a/#/b", "#a", "a/b#"] {
        assert!(!is_filter(no_filter), "{no_filter}");
    }
}

#[test]
fn topics_below_odd_roots_are_read_back() {
    for root in ["/", "a b", "ä/ö", "a//b", "$own", "nvr/"] {
        let topics = Topics::new(root, format!("{root}/detections"));
        let source = SourceId(3);
        assert_eq!(
            topics.parse(&topics.source(source)),
            Some(Topic::Source(source))
        );
        assert_eq!(
            topics.parse(&topics.detections(source)),
            Some(Topic::Detections(source))
        );
    }
}

#[test]
fn filters_match_as_the_standard_says() {
    for (filter, topic, matches) in [
        ("a/+/c", "a/b/c", true),
        ("a/+", "a/b/c", false),
        ("a/#", "a", true),
        ("a/#", "a/b/c", true),
        ("#", "a/b", true),
        ("#", "$SYS/uptime", false),
        ("+/uptime", "$SYS/uptime", false),
        ("$SYS/#", "$SYS/uptime", true),
        ("a/b", "a/b", true),
        ("a/b", "a", false),
        ("a/+", "a/", true),
        ("ä/+", "ä/1", true),
    ] {
        assert_eq!(filter_matches(filter, topic), matches, "{filter} {topic}");
    }
}
