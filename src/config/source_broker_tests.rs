//! Tests of the broker's settings: its address, its login and the topics, from each layer.

use super::*;

#[test]
fn a_broker_url_says_port_tls_and_login() {
    let mqtt = |arguments: &[&str], file: &str| load(arguments, &[], file).mqtt;
    let tls = mqtt(&["--mqtt-host", "mqtts://us%65r:p%40ss@broker"], FILE);
    assert_eq!((tls.host.as_str(), tls.port), ("broker", 8883));
    assert_eq!(tls.tls, Some(crate::config::TlsSettings::default()));
    assert_eq!(tls.username.as_ref().map(|s| s.reveal()), Some("user"));
    assert_eq!(tls.password.as_ref().map(|s| s.reveal()), Some("p@ss"));
    assert_eq!(mqtt(&["--mqtt-host", "mqtts://[::1]:99"], "").host, "::1");
    let plain = mqtt(
        &["--mqtt-host", "mqtt://broker"],
        "[mqtt]\nport = 8883\ntls = {}\n",
    );
    assert_eq!((plain.port, plain.tls), (1883, None));
    assert_eq!(mqtt(&[], "[mqtt]\nhost = \"mqtts://b:1\"\n").port, 1);
    assert_eq!(mqtt(&["--mqtt-tls"], "").port, 8883);
    assert_eq!(mqtt(&["--mqtt-tls=false"], "[mqtt]\ntls = {}\n").tls, None);
    assert_eq!(
        problems(&["--mqtt-host", "http://u:hunter2@b:1/x"], &[], ""),
        [
            "mqtt.host: is the address of a web page; write a name or an address, host:port, mqtt://host:port or mqtts://host:port \
             [--mqtt-host]"
        ]
    );
}

#[test]
fn a_brokers_address_is_read_alike_in_file_environment_and_options() {
    for (host, name, port, tls) in [
        ("broker:1884", "broker", 1884, false),
        ("[::1]:1884", "::1", 1884, false),
        ("::1", "::1", 1883, false),
        ("tcp://broker:1884/", "broker", 1884, false),
        ("tls://broker", "broker", 8883, true),
        ("ssl://broker:1884", "broker", 1884, true),
    ] {
        let settings = [
            load(&["--mqtt-host", host], &[], ""),
            load(&[], &[("NVR_MQTT_HOST", host)], ""),
            load(&[], &[], &format!("[mqtt]\nhost = \"{host}\"\n")),
        ];
        for settings in settings {
            let mqtt = settings.mqtt;
            assert_eq!((mqtt.host.as_str(), mqtt.port), (name, port), "{host}");
            assert_eq!(mqtt.tls.is_some(), tls, "{host}");
        }
    }
    for (host, part) in [
        ("localhost:", "ends with a colon"),
        ("127.0.0.1:abc", "has a port that is no number"),
        ("ws://broker", "MQTT over WebSockets"),
    ] {
        for told in [
            problems(&["--mqtt-host", host], &[], ""),
            problems(&[], &[("NVR_MQTT_HOST", host)], ""),
            problems(&[], &[], &format!("[mqtt]\nhost = \"{host}\"\n")),
        ] {
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with("mqtt.host: "), "{told:?}");
            assert!(told[0].contains(part), "{told:?}");
        }
    }
    assert_eq!(
        problems(&["--mqtt-host", "b:1", "--mqtt-port", "2"], &[], ""),
        ["mqtt.host: has port 1, but the port is also set to 2; give the port once [--mqtt-host]"]
    );
    assert_eq!(
        problems(&["--mqtt-host", "mqtt://b", "--mqtt-tls"], &[], ""),
        [
            "mqtt.host: is an address without TLS, but --mqtt-tls turns it on; use mqtts://, or remove the TLS setting [--mqtt-host]"
        ]
    );
}

#[test]
fn topics_that_mqtt_allows_are_allowed() {
    for root in ["/", "a b", "ä/ö", "a//b", "/a", "a/", &"x".repeat(65_400)] {
        let loaded = source(&["--topic-root", root], &[], "")
            .load_all()
            .expect("no problem");
        assert_eq!(loaded.settings.mqtt.topic_root, root);
        let of_topics: Vec<_> = loaded
            .warnings
            .iter()
            .filter(|warning| warning.starts_with("mqtt."))
            .collect();
        assert!(of_topics.is_empty(), "{of_topics:?}");
    }
    for (root, part) in [
        ("$own", "reserved for the broker"),
        ("a\tb", "control character"),
    ] {
        let loaded = source(&["--topic-root", root], &[], "")
            .load_all()
            .expect("no problem");
        assert!(
            loaded
                .warnings
                .iter()
                .any(|warning| warning.starts_with("mqtt.topic_root: ") && warning.contains(part)),
            "{:?}",
            loaded.warnings
        );
    }
    for (root, part) in [
        ("", "must be 1 to 65400 bytes long, has 0"),
        (
            &"x".repeat(65_401)[..],
            "must be 1 to 65400 bytes long, has 65401",
        ),
        ("a/#", "wildcards"),
    ] {
        let told = problems(&["--topic-root", root], &[], "");
        assert!(told[0].contains(part), "{told:?}");
    }
}

#[test]
fn the_broker_alone_is_read_from_options_and_environment() {
    let variables = [
        ("NVR_MQTT_HOST", "mqtts://variable"),
        ("NVR_MQTT_PORT", "99"),
        ("MQTT_USERNAME", "user"),
        ("NVR_CONFIDENCE", "not asked for"),
    ];
    let flags = MqttFlags {
        topic_root: Some("site".to_owned()),
        ..MqttFlags::default()
    };
    let environment = Environment::from_pairs(variables);
    let mqtt = flags.load(&environment).expect("no problem");
    assert_eq!((mqtt.host.as_str(), mqtt.port), ("variable", 99));
    assert_eq!(mqtt.detections_prefix, "site/detections");
    assert_eq!(mqtt.username.as_ref().map(|s| s.reveal()), Some("user"));
    assert!(mqtt.tls.is_some());
}

#[test]
fn the_environments_login_stands_over_the_files() {
    let variables = [("MQTT_USERNAME", "env"), ("MQTT_PASSWORD", "secret")];
    let file = "[mqtt]\nusername = \"file\"\npassword = { file = \"/nowhere\" }\n";
    let mqtt = load(&[], &variables, file).mqtt;
    assert_eq!(mqtt.username.as_ref().map(|s| s.reveal()), Some("env"));
    assert_eq!(mqtt.password.as_ref().map(|s| s.reveal()), Some("secret"));
}
