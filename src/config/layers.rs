//! What the environment and the options change in the tree that the file gave, and the published short forms
//! (`--n 6 --stream-server rtsp://host:8554`), which become cameras like any other.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::broker_address::BrokerAddress;
use super::document::Document;
use super::option_forms::absolute;
use super::overrides::Spelling;
use super::problem::Problems;
use super::raw::usual_port;
use super::stream_server::StreamServers;
use super::{CommonFlags, Environment, MqttFlags, RoleFlags, StreamIds, UriText};
use crate::base::SourceId;

const DEFAULT_STREAMS: u32 = 6;
const MOST_STREAMS: u32 = 1024;

/// Splits a broker's address that the file gave into host, port, TLS and login.
pub(super) fn apply_file(document: &mut Document, problems: &mut Problems) {
    let Some(Value::String(host)) = document.value("mqtt.host").cloned() else {
        return;
    };
    let beside = Beside {
        port: document.value("mqtt.port").and_then(Value::as_i64),
        tls: document.value("mqtt.tls").map(|_| true),
        tls_name: "mqtt.tls",
    };
    let origin = document.origin("mqtt.host").unwrap_or_default().to_owned();
    apply_host(document, &host, &beside, &origin, problems);
}

/// Lays the environment's names for the broker's login over the tree.
pub(super) fn apply_login(document: &mut Document, environment: &Environment) {
    for (path, name) in [
        ("mqtt.username", "MQTT_USERNAME"),
        ("mqtt.password", "MQTT_PASSWORD"),
    ] {
        apply_secret(document, environment, path, name);
    }
}

/// Lets a secret be read from a variable of the environment, where that is set.
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

/// Lays one layer's options over the tree, all but the cameras.
pub(super) fn apply(
    document: &mut Document,
    flags: &RoleFlags,
    spelling: Spelling,
    problems: &mut Problems,
) {
    apply_mqtt(document, &flags.common().mqtt, spelling, problems);
    for given in flags.given().iter() {
        let origin = spelling.of(given.option);
        match &given.value {
            Ok(value) => document.set(&given.path, value.clone(), &origin),
            Err(message) => problems.add(&given.path, Some(&origin), *message),
        }
    }
    if let Some(id) = &flags.common().instance_id {
        document.set("instance_id", json!(id), &spelling.of("instance-id"));
    }
}

/// Lays one layer's options of the broker over the tree.
pub(super) fn apply_mqtt(
    document: &mut Document,
    flags: &MqttFlags,
    spelling: Spelling,
    problems: &mut Problems,
) {
    let file = |path: &Option<String>| path.as_deref().map(absolute);
    if let Some(host) = &flags.mqtt_host {
        let origin = spelling.of("mqtt-host");
        let files = [&flags.mqtt_ca, &flags.mqtt_cert, &flags.mqtt_key];
        let by_file = files.iter().any(|file| file.is_some()).then_some(true);
        let tls_name = spelling.of("mqtt-tls");
        let beside = Beside {
            port: flags.mqtt_port.map(i64::from),
            tls: flags.mqtt_tls.or(by_file),
            tls_name: &tls_name,
        };
        apply_host(document, host.reveal(), &beside, &origin, problems);
    }
    if let Some(tls) = flags.mqtt_tls {
        let origin = spelling.of("mqtt-tls");
        let files = [&flags.mqtt_ca, &flags.mqtt_cert, &flags.mqtt_key];
        if tls && document.value("mqtt.tls").is_none() {
            document.set("mqtt.tls", json!({}), &origin);
        } else if !tls && files.iter().any(|file| file.is_some()) {
            problems.add(
                "mqtt.tls",
                Some(&origin),
                "is off, but one of its files is given",
            );
        } else if !tls {
            document.remove("mqtt.tls");
        }
    }
    if let Some(port) = flags.mqtt_port {
        document.set("mqtt.port", json!(port), &spelling.of("mqtt-port"));
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
            document.set(path, json!(value), &spelling.of(option));
        }
    }
}

/// What the same layer says beside the host.
struct Beside<'a> {
    port: Option<i64>,
    /// Whether TLS is asked for, or asked not to be.
    tls: Option<bool>,
    tls_name: &'a str,
}

/// Sets host, and what else an address says: port, TLS and login. A URL without a port means its scheme's.
fn apply_host(
    document: &mut Document,
    text: &str,
    beside: &Beside<'_>,
    origin: &str,
    problems: &mut Problems,
) {
    let address = match BrokerAddress::parse(text) {
        Ok(address) => address,
        Err(message) => {
            problems.add("mqtt.host", Some(origin), message);
            // Told once: what follows checks a host that is none.
            return document.set("mqtt.host", json!("localhost"), origin);
        }
    };
    match (address.port, beside.port) {
        (Some(ours), Some(theirs)) if i64::from(ours) != theirs => {
            let message =
                format!("says port {ours}, the port beside it {theirs}; give the port once");
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
    match (address.tls, beside.tls) {
        (Some(false), Some(true)) => problems.add(
            "mqtt.host",
            Some(origin),
            format!(
                "is an address without TLS, but {} asks for it; write mqtts://, or leave TLS out",
                beside.tls_name
            ),
        ),
        (Some(true), Some(false)) => problems.add(
            "mqtt.host",
            Some(origin),
            format!(
                "is an address with TLS, but {} asks for none; write mqtt://, or leave it out",
                beside.tls_name
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

/// Warns of options that change nothing: with the environment's, which may be set for other programs, that is usual.
pub(super) fn unused(document: &Document, flags: &CommonFlags) -> Option<String> {
    let cameras = document.value("camera").and_then(Value::as_array)?;
    let of_file = !cameras.is_empty() && flags.n.is_none();
    let given = [
        ("--stream-server", !flags.stream_server.is_empty()),
        ("--stream-path", flags.stream_path.is_some()),
    ];
    let given = given.into_iter().find(|(_, given)| *given && of_file)?.0;
    Some(format!(
        "{given} has no effect, since the file has cameras; give --n as well for streams of the stream server instead"
    ))
}

/// Which cameras of the tree are wanted, and who says so.
pub(super) struct Picked {
    /// Their ids.
    pub(super) ids: BTreeSet<SourceId>,
    /// `--streams` or `NVR_STREAMS`.
    pub(super) origin: String,
}

impl Picked {
    /// Whether a camera of that number is among them.
    pub(super) fn has(&self, id: i64) -> bool {
        u32::try_from(id).is_ok_and(|id| self.ids.contains(&SourceId(id)))
    }
}

/// Makes the cameras of the short forms.
///
/// `--n` takes the place of the file's cameras. `--streams` picks among them, or names streams of the stream server
/// where the file has none. `--source` adds a camera or gives one another address. Without any of these the file's
/// cameras stand, and where it says nothing of cameras there are those that stream servers were given for by their ids,
/// or six of the stream server.
pub(super) fn apply_cameras(
    document: &mut Document,
    layers: &[(&CommonFlags, Spelling)],
    problems: &mut Problems,
) -> Option<Picked> {
    let top = |option: &str| {
        layers
            .iter()
            .rev()
            .find(|(flags, _)| match option {
                "stream-server" => !flags.stream_server.is_empty(),
                _ => flags.n.is_some() || flags.streams.is_some(),
            })
            .map(|(flags, spelling)| (*flags, spelling.of(option)))
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
    let mut picked = None;
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
                picked = Some(Picked {
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
        let path = layers.iter().rev().find_map(|(flags, spelling)| {
            Some((flags.stream_path.clone()?, spelling.of("stream-path")))
        });
        let cameras = servers.cameras(&ids, path, problems);
        document.set("camera", Value::Array(cameras), &servers.origin);
    }
    apply_sources(document, layers, &mut picked, problems);
    picked
}

/// Applies every `--source`, the lowest layer first. Its camera is among the picked ones.
fn apply_sources(
    document: &mut Document,
    layers: &[(&CommonFlags, Spelling)],
    picked: &mut Option<Picked>,
    problems: &mut Problems,
) {
    let mut known = HashMap::new();
    for (flags, spelling) in layers {
        let origin = spelling.of("source");
        for source in &flags.source {
            match apply_source(document, &mut known, source, &origin) {
                Ok(id) => {
                    if let Some(picked) = picked {
                        picked.ids.insert(id);
                    }
                }
                Err(message) => problems.add("", Some(&origin), message),
            }
        }
    }
}

/// Adds a camera, or changes how one is reached: what its analysis differs in stays. `known` keeps which camera has which place
/// from one call to the next.
fn apply_source(
    document: &mut Document,
    known: &mut HashMap<u64, usize>,
    source: &UriText,
    origin: &str,
) -> Result<SourceId, String> {
    let refused = || "a source is written ID=URI, such as 3=rtsp://camera/path".to_owned();
    let (id, uri) = source.reveal().split_once('=').ok_or_else(refused)?;
    let id: u32 = id.trim().parse().map_err(|_| refused())?;
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
        const REACHED_BY: [&str; 6] = [
            "sub_uri",
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
