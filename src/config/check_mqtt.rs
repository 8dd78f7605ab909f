//! The checks of the connection to the broker.

use super::broker_address::BrokerAddress;
use super::check::Checker;
use super::raw::usual_port;
use super::{Encoding, MqttSettings, RawMqtt, TlsSettings};

/// Maximum length of a topic root. A topic of MQTT has at most 65,535 bytes, and levels with the kind and the id follow.
const LONGEST_ROOT: usize = 65_400;
/// Maximum number of levels of a topic root. Mosquitto accepts 200, and two are appended.
const MOST_LEVELS: usize = 198;

impl Checker<'_> {
    pub(super) fn mqtt(&mut self, raw: &RawMqtt, encoding: Encoding) -> MqttSettings {
        // `layers` has split the address of a file. In other documents the host must be plain.
        match BrokerAddress::parse(&raw.host) {
            Ok(address) if address.host.eq_ignore_ascii_case(&raw.host) => {}
            Ok(_) => self.report(
                "mqtt.host",
                "must be a host name or an address, without port and login",
            ),
            Err(message) => self.report("mqtt.host", message),
        }
        let username = self.secret("mqtt.username", raw.username.as_ref());
        let password = self.secret("mqtt.password", raw.password.as_ref());
        if raw.password.is_some() && raw.username.is_none() {
            self.report("mqtt.password", "needs mqtt.username as well; set both");
        }
        let tls = raw.tls.as_ref().map(|tls| {
            if tls.certificate.is_some() != tls.key.is_some() {
                self.report(
                    "mqtt.tls",
                    "certificate and key belong together; give both or neither",
                );
            }
            TlsSettings {
                ca: self.file("mqtt.tls.ca", tls.ca.as_deref()),
                certificate: self.file("mqtt.tls.certificate", tls.certificate.as_deref()),
                key: self.file("mqtt.tls.key", tls.key.as_deref()),
            }
        });
        let usual_port = usual_port(tls.is_some());
        let port = self.within("mqtt", raw.port());
        self.topic("mqtt.topic_root", &raw.topic_root);
        let prefix = raw
            .topic_prefix
            .clone()
            .unwrap_or_else(|| format!("{}/detections", raw.topic_root));
        if raw.topic_prefix.is_some() {
            self.topic("mqtt.topic_prefix", &prefix);
        }
        for ours in ["processors", "walls", "sources", "fleet"] {
            let taken = format!("{}/{ours}", raw.topic_root);
            if prefix == taken || prefix.starts_with(&format!("{taken}/")) {
                self.report(
                    "mqtt.topic_prefix",
                    format!("{taken} is used by other documents; choose another prefix"),
                );
            }
        }
        MqttSettings {
            host: raw.host.clone(),
            port: port.map_or(usual_port, |port| port as u16),
            username,
            password,
            tls,
            topic_root: raw.topic_root.clone(),
            detections_prefix: prefix,
            qos: self.within("mqtt", raw.qos()) as u8,
            encoding,
        }
    }

    fn topic(&mut self, path: &str, topic: &str) {
        let bytes = topic.len();
        if !(1..=LONGEST_ROOT).contains(&bytes) {
            self.report(
                path,
                format!("must be 1 to {LONGEST_ROOT} bytes long, has {bytes}"),
            );
        } else if topic.contains('\0') {
            self.report(path, "must not contain the character NUL");
        } else if topic.contains(['+', '#']) {
            let shown: String = topic.chars().take(200).collect();
            self.report(
                path,
                format!("must not contain + or #, which are wildcards, got `{shown}`"),
            );
        }
        let mut warn = |what: &str| self.warnings.push(format!("{path}: {what}"));
        if topic.starts_with('$') {
            warn(
                "topics that begin with $ are reserved for the broker: many brokers refuse to publish them, and no wildcard matches them",
            );
        }
        if topic.chars().any(char::is_control) {
            warn("contains a control character; brokers may close the connection");
        }
        if topic.split('/').count() > MOST_LEVELS {
            warn("has more levels than mosquitto accepts, 200");
        }
    }
}
