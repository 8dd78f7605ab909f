//! Applies environment variables and options to the tree of the file, and expands the published short forms
//! (`--n 6 --stream-server rtsp://host:8554`) into cameras.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::broker_address::BrokerAddress;
use super::document::Document;
use super::option_forms::absolute;
use super::overrides::FlagOrigin;
use super::problem::Problems;
use super::raw::usual_port;
use super::stream_server::StreamServers;
use super::{CommonFlags, Environment, MqttFlags, RoleFlags, StreamIds, UriText};
use crate::base::SourceId;

const DEFAULT_STREAMS: u32 = 6;
const MOST_STREAMS: u32 = 1024;

/// Splits the broker's address of the file into host, port, TLS and login.
pub(super) fn apply_file(document: &mut Document, problems: &mut Problems) {
    let Some(Value::String(host)) = document.value("mqtt.host").cloned() else {
        return;
    };
    let explicit = ExplicitBroker {
        port: document.value("mqtt.port").and_then(Value::as_i64),
        tls: document.value("mqtt.tls").map(|_| true),
        tls_name: "mqtt.tls",
    };
    let origin = document.origin("mqtt.host").unwrap_or_default().to_owned();
    apply_host(document, &host, &explicit, &origin, problems);
}

/// Applies `MQTT_USERNAME` and `MQTT_PASSWORD` to the tree.
pub(super) fn apply_login(document: &mut Document, environment: &Environment) {
    for (path, name) in [
        ("mqtt.username", "MQTT_USERNAME"),
        ("mqtt.password", "MQTT_PASSWORD"),
    ] {
        apply_secret(document, environment, path, name);
    }
}

/// Makes a secret refer to an environment variable if that variable is set.
pub(super) fn apply_secret(
    document: &mut Document,
    environment: &Environment,
    path: &str,
    name: &str,
) {
    if environment.get(name).is_some() {
        document.set(path, json!({ "env": name }), name);
    }
}

/// Applies the options of one layer to the tree, except those of the cameras.
pub(super) fn apply(
    document: &mut Document,
    flags: &RoleFlags,
    flag_origin: FlagOrigin,
    problems: &mut Problems,
) {
    apply_mqtt(document, &flags.common().mqtt, flag_origin, problems);
    for given in flags.given().iter() {
        let origin = flag_origin.of(given.option);
        match &given.value {
            Ok(value) => document.set(&given.path, value.clone(), &origin),
            Err(message) => problems.add(&given.path, Some(&origin), *message),
        }
    }
    if let Some(id) = &flags.common().instance_id {
        document.set("instance_id", json!(id), &flag_origin.of("instance-id"));
    }
}

/// Applies the broker options of one layer to the tree.
pub(super) fn apply_mqtt(
    document: &mut Document,
    flags: &MqttFlags,
    flag_origin: FlagOrigin,
    problems: &mut Problems,
) {
    let file = |path: &Option<String>| path.as_deref().map(absolute);
    if let Some(host) = &flags.mqtt_host {
        let origin = flag_origin.of("mqtt-host");
        let files = [&flags.mqtt_ca, &flags.mqtt_cert, &flags.mqtt_key];
        let by_file = files.iter().any(|file| file.is_some()).then_some(true);
        let tls_name = flag_origin.of("mqtt-tls");
        let explicit = ExplicitBroker {
            port: flags.mqtt_port.map(i64::from),
            tls: flags.mqtt_tls.or(by_file),
            tls_name: &tls_name,
        };
        apply_host(document, host.reveal(), &explicit, &origin, problems);
    }
    if let Some(tls) = flags.mqtt_tls {
        let origin = flag_origin.of("mqtt-tls");
        let files = [&flags.mqtt_ca, &flags.mqtt_cert, &flags.mqtt_key];
        if tls && document.value("mqtt.tls").is_none() {
            document.set("mqtt.tls", json!({}), &origin);
        } else if !tls && files.iter().any(|file| file.is_some()) {
            problems.add(
                "mqtt.tls",
                Some(&origin),
                "is off, but --mqtt-ca, --mqtt-cert or --mqtt-key is given; remove one of them",
            );
        } else if !tls {
            document.remove("mqtt.tls");
        }
    }
    if let Some(port) = flags.mqtt_port {
        document.set("mqtt.port", json!(port), &flag_origin.of("mqtt-port"));
    }
    for (path, option, value) in [
        ("mqtt.topic_root", "topic-root", flags.topic_root.clone()),
        (
            "mqtt.topic_prefix",
            "mqtt-topic-prefix",
            flags.mqtt_topic_prefix.clone(),
        ),
        ("mqtt.tls.ca", "mqtt-ca", file(&flags.mqtt_ca)),
        ("mqtt.tls.certificate", "mqtt-cert", file(&flags.mqtt_cert)),
        ("mqtt.tls.key", "mqtt-key", file(&flags.mqtt_key)),
    ] {
        if let Some(value) = value {
            document.set(path, json!(value), &flag_origin.of(option));
        }
    }
}

/// Port and TLS that the same layer sets in addition to the host.
struct ExplicitBroker<'a> {
    port: Option<i64>,
    /// Whether TLS is turned on or off.
    tls: Option<bool>,
    tls_name: &'a str,
}

/// Sets the host and the other parts of an address: port, TLS and login. A URL without a port sets the port of its scheme.
fn apply_host(
    document: &mut Document,
    text: &str,
    explicit: &ExplicitBroker<'_>,
    origin: &str,
    problems: &mut Problems,
) {
    let address = match BrokerAddress::parse(text) {
        Ok(address) => address,
        Err(message) => {
            problems.add("mqtt.host", Some(origin), message);
            // Reported here. Later checks would report the invalid host again.
            return document.set("mqtt.host", json!("localhost"), origin);
        }
    };
    match (address.port, explicit.port) {
        (Some(ours), Some(theirs)) if i64::from(ours) != theirs => {
            let message = format!(
                "has port {ours}, but the port is also set to {theirs}; give the port once"
            );
            problems.add("mqtt.host", Some(origin), message);
        }
        (None, None) => {
            if let Some(tls) = address.tls {
                document.set("mqtt.port", json!(usual_port(tls)), origin);
            }
        }
        (None, Some(_)) => {}
        (Some(port), _) => document.set("mqtt.port", json!(port), origin),
    }
    match (address.tls, explicit.tls) {
        (Some(false), Some(true)) => problems.add(
            "mqtt.host",
            Some(origin),
            format!(
                "is an address without TLS, but {} turns it on; use mqtts://, or remove the TLS setting",
                explicit.tls_name
            ),
        ),
        (Some(true), Some(false)) => problems.add(
            "mqtt.host",
            Some(origin),
            format!(
                "is an address with TLS, but {} turns it off; use mqtt://, or remove the TLS setting",
                explicit.tls_name
            ),
        ),
        _ => {}
    }
    let login = [
        ("mqtt.username", address.username),
        ("mqtt.password", address.password),
    ];
    for (path, text) in login {
        if let Some(text) = text {
            document.set(path, json!(text), origin);
        }
    }
    match address.tls {
        Some(false) => document.remove("mqtt.tls"),
        Some(true) if document.value("mqtt.tls").is_none() => {
            document.set("mqtt.tls", json!({}), origin);
        }
        _ => {}
    }
    document.set("mqtt.host", json!(address.host), origin);
}

/// Warns of options without effect. Variables do not cause a warning, because they may be set for other programs.
pub(super) fn unused(document: &Document, flags: &CommonFlags) -> Option<String> {
    let cameras = document.value("camera").and_then(Value::as_array)?;
    let of_file = !cameras.is_empty() && flags.n.is_none();
    let given = [
        ("--stream-server", !flags.stream_server.is_empty()),
        ("--stream-path", flags.stream_path.is_some()),
    ];
    let given = given.into_iter().find(|(_, given)| *given && of_file)?.0;
    Some(format!(
        "{given} has no effect, because the file has cameras; add --n to use streams of the stream server instead"
    ))
}

/// Selection of cameras by `--streams` or `NVR_STREAMS`.
pub(super) struct StreamSelection {
    /// Ids of the selected cameras.
    pub(super) ids: BTreeSet<SourceId>,
    /// `--streams` or `NVR_STREAMS`.
    pub(super) origin: String,
}

impl StreamSelection {
    /// Whether the camera with this id is selected.
    pub(super) fn has(&self, id: i64) -> bool {
        u32::try_from(id).is_ok_and(|id| self.ids.contains(&SourceId(id)))
    }
}

/// Expands the short forms into cameras.
///
/// `--n` replaces the cameras of the file. `--streams` selects among them, or, if the file has none, names streams of the
/// stream server. `--source` adds a camera or changes the address of one. Without these options the cameras of the file
/// are used. If the file has no `camera` key, the cameras are those ids for which stream servers were given, or six streams
/// of the stream server.
pub(super) fn apply_cameras(
    document: &mut Document,
    layers: &[(&CommonFlags, FlagOrigin)],
    problems: &mut Problems,
) -> Option<StreamSelection> {
    let top = |option: &str| {
        layers
            .iter()
            .rev()
            .find(|(flags, _)| match option {
                "stream-server" => !flags.stream_server.is_empty(),
                _ => flags.n.is_some() || flags.streams.is_some(),
            })
            .map(|(flags, flag_origin)| (*flags, flag_origin.of(option)))
    };
    let in_file = document.tree.contains_key("camera");
    let any_in_file = document
        .value("camera")
        .is_some_and(|cameras| cameras.as_array().is_none_or(|cameras| !cameras.is_empty()));
    let any_source = layers.iter().any(|(flags, _)| !flags.source.is_empty());

    let servers = match top("stream-server") {
        Some((flags, origin)) => StreamServers::read(&flags.stream_server, origin, problems),
        None => StreamServers::published(),
    };
    let mut selection = None;
    let chosen = top("streams");
    let streams: Option<Vec<u32>> =
        match chosen.as_ref().map(|(flags, _)| (flags.n, &flags.streams)) {
            Some((Some(n), _)) if n > MOST_STREAMS => {
                let message = format!("at most {MOST_STREAMS} streams, got {n}");
                problems.add(
                    "camera",
                    Some(&top("n").map_or_else(String::new, |(_, n)| n)),
                    message,
                );
                Some(Vec::new())
            }
            Some((Some(n), _)) => Some((0..n).collect()),
            Some((None, Some(StreamIds(ids)))) if any_in_file => {
                selection = Some(StreamSelection {
                    ids: ids.iter().copied().collect(),
                    origin: top("streams").map_or_else(String::new, |(_, origin)| origin),
                });
                None
            }
            Some((None, Some(StreamIds(ids)))) => Some(ids.iter().map(|id| id.0).collect()),
            _ if in_file => None,
            _ if !servers.ids().is_empty() => Some(servers.ids()),
            _ if any_source => None,
            _ => Some((0..DEFAULT_STREAMS).collect()),
        };
    if let Some(ids) = streams {
        let path = layers.iter().rev().find_map(|(flags, flag_origin)| {
            Some((flags.stream_path.clone()?, flag_origin.of("stream-path")))
        });
        let cameras = servers.cameras(&ids, path, problems);
        document.set("camera", Value::Array(cameras), &servers.origin);
    }
    apply_sources(document, layers, &mut selection, problems);
    selection
}

/// Applies every `--source`, the lowest layer first. Its camera is among the selected ones.
fn apply_sources(
    document: &mut Document,
    layers: &[(&CommonFlags, FlagOrigin)],
    selection: &mut Option<StreamSelection>,
    problems: &mut Problems,
) {
    let mut known = HashMap::new();
    for (flags, flag_origin) in layers {
        let origin = flag_origin.of("source");
        for source in &flags.source {
            match apply_source(document, &mut known, source, &origin) {
                Ok(id) => {
                    if let Some(selection) = selection {
                        selection.ids.insert(id);
                    }
                }
                Err(message) => problems.add("", Some(&origin), message),
            }
        }
    }
}

/// Adds a camera, or changes the address of one and keeps its analysis. `known` caches the index of each camera id between
/// calls.
fn apply_source(
    document: &mut Document,
    known: &mut HashMap<u64, usize>,
    source: &UriText,
    origin: &str,
) -> Result<SourceId, String> {
    let refused = || "a source is written ID=URI, such as 3=rtsp://camera/path".to_owned();
    let (id, uri) = source.reveal().split_once('=').ok_or_else(refused)?;
    let id: u32 = id.trim().parse().map_err(|_| refused())?;
    if super::location::has_several_sources(uri) {
        return Err("several sources are joined by a comma or a semicolon; separate them by blanks in NVR_SOURCE, or give --source for each".to_owned());
    }
    let uri = if super::location::is_plain_path(uri) {
        absolute(uri)
    } else {
        uri.to_owned()
    };
    let cameras = document
        .tree
        .entry("camera")
        .or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(cameras) = cameras else {
        return Ok(SourceId(id));
    };
    if known.is_empty() {
        for (index, camera) in cameras.iter().enumerate() {
            if let Some(id) = camera.get("id").and_then(Value::as_u64) {
                known.entry(id).or_insert(index);
            }
        }
    }
    let place = known.get(&u64::from(id)).copied();
    let index = place.unwrap_or_else(|| {
        cameras.push(Value::Object(Map::new()));
        known.insert(u64::from(id), cameras.len() - 1);
        cameras.len() - 1
    });
    if let Some(Value::Object(camera)) = cameras.get_mut(index) {
        const REACHED_BY: [&str; 7] = [
            "sub_uri",
            "main_id",
            "username",
            "password",
            "transport",
            "jitter_buffer",
            "tls",
        ];
        camera.retain(|key, _| !REACHED_BY.contains(&key.as_str()));
        camera.insert("id".to_owned(), json!(id));
        camera.insert("uri".to_owned(), json!(uri));
    }
    if place.is_none() {
        document.note(&format!("camera[{index}]"), origin);
    }
    document.note(&format!("camera[{index}].uri"), origin);
    Ok(SourceId(id))
}
