//! The tables `network` and `time` of a provisioning file: checks, and the files of systemd-networkd and systemd-timesyncd.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::unknown_key;

/// Maximum length of an interface's name in bytes (the kernel's IFNAMSIZ without the final zero).
const INTERFACE_BYTES: usize = 15;
/// Keys of the table `network`.
const NETWORK_KEYS: [&str; 6] = ["interface", "address", "gateway", "dns", "domains", "vlan"];
/// Keys of the table `time`.
const TIME_KEYS: [&str; 2] = ["zone", "ntp"];

/// The settings of the system. What is absent keeps the image's default: DHCP on every wired interface, its time servers, UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SystemSettings {
    pub(super) network: Option<Network>,
    pub(super) ntp: Vec<String>,
    pub(super) zone: Option<String>,
}

/// The wired network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Network {
    /// The interface, else every wired one.
    interface: Option<String>,
    /// Addresses with the length of their prefix; none is DHCP.
    addresses: Vec<String>,
    gateways: Vec<String>,
    dns: Vec<String>,
    domains: Vec<String>,
    vlan: Option<u16>,
}

/// A file that is to be written: its folder and name below `systemd`, and its text.
pub(super) type SystemFile = (&'static str, &'static str, String);

/// Takes the tables out of `document`. Every problem goes to `problems`, with its key.
pub(super) fn take(
    document: &mut serde_json::Map<String, Value>,
    problems: &mut Vec<String>,
) -> SystemSettings {
    let network = table(document, "network", &NETWORK_KEYS, problems);
    let time = table(document, "time", &TIME_KEYS, problems);
    let mut settings = SystemSettings::default();
    if let Some(table) = network {
        let mut reader = Reader {
            name: "network",
            table,
            problems,
        };
        settings.network = Some(read_network(&mut reader));
    }
    if let Some(table) = time {
        let mut reader = Reader {
            name: "time",
            table,
            problems,
        };
        settings.ntp = reader.list("ntp", "a host name or an address", is_host);
        settings.zone = reader.one("zone", "a time zone such as Europe/Berlin", is_zone);
    }
    settings
}

fn read_network(reader: &mut Reader<'_>) -> Network {
    let network = Network {
        interface: reader.one(
            "interface",
            "the name of an interface such as eth0",
            is_interface,
        ),
        addresses: reader.list(
            "address",
            "an address with the length of its prefix, such as 10.0.0.5/24",
            is_prefixed,
        ),
        gateways: reader.list("gateway", "an address such as 10.0.0.1", is_address),
        dns: reader.list("dns", "an address such as 10.0.0.1", is_address),
        domains: reader.list("domains", "a domain such as example.com", is_host),
        vlan: reader.vlan(),
    };
    if network.addresses.is_empty() && !network.gateways.is_empty() {
        reader.report(
            "gateway",
            "needs network.address; without one the network's DHCP server gives both",
        );
    }
    if network.vlan.is_some() && network.interface.is_none() {
        reader.report(
            "vlan",
            "needs network.interface, the interface with the cable",
        );
    }
    for gateway in &network.gateways {
        if !network.addresses.is_empty()
            && !network.addresses.iter().any(|own| reaches(own, gateway))
        {
            let known = network.addresses.join(", ");
            let text =
                format!("{gateway} is in none of the networks of {known}; correct one of them");
            reader.report("gateway", &text);
        }
    }
    network
}

fn table(
    document: &mut serde_json::Map<String, Value>,
    name: &'static str,
    known: &[&str],
    problems: &mut Vec<String>,
) -> Option<serde_json::Map<String, Value>> {
    match document.remove(name)? {
        Value::Object(table) => {
            for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
                problems.push(format!("{name}.{key}: {}", unknown_key(key, known)));
            }
            Some(table)
        }
        _ => {
            problems.push(format!("{name}: must be a table"));
            None
        }
    }
}

struct Reader<'a> {
    name: &'static str,
    table: serde_json::Map<String, Value>,
    problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    fn report(&mut self, key: &str, text: &str) {
        self.problems.push(format!("{}.{key}: {text}", self.name));
    }

    fn one(&mut self, key: &str, wanted: &str, is_good: fn(&str) -> bool) -> Option<String> {
        let value = self.table.remove(key)?;
        match value.as_str().map(str::trim) {
            Some(text) if is_good(text) => Some(text.to_owned()),
            _ => {
                self.report(key, &format!("must be {wanted}, got {}", shown(&value)));
                None
            }
        }
    }

    /// A text, or a list of texts.
    fn list(&mut self, key: &str, wanted: &str, is_good: fn(&str) -> bool) -> Vec<String> {
        let values = match self.table.remove(key) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        let mut good = Vec::new();
        for value in values {
            match value.as_str().map(str::trim) {
                Some(text) if is_good(text) => good.push(text.to_owned()),
                _ => self.report(key, &format!("must be {wanted}, got {}", shown(&value))),
            }
        }
        good
    }

    fn vlan(&mut self) -> Option<u16> {
        let value = self.table.remove("vlan")?;
        let number = value.as_u64().filter(|number| (1..=4094).contains(number));
        let number = number.and_then(|number| u16::try_from(number).ok());
        if number.is_none() {
            self.report(
                "vlan",
                &format!("must be a number from 1 to 4094, got {}", shown(&value)),
            );
        }
        number
    }
}

fn shown(value: &Value) -> String {
    const CHARS: usize = 60;
    value.to_string().chars().take(CHARS).collect()
}

fn is_interface(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=INTERFACE_BYTES).contains(&text.len())
        && text.bytes().all(is_name)
        && !text.starts_with('.')
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>()
        .is_ok_and(|address| !address.is_unspecified())
}

fn prefixed(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = length
        .parse()
        .ok()
        .filter(|length| (1..=longest).contains(length))?;
    (!address.is_unspecified()).then_some((address, length))
}

fn is_prefixed(text: &str) -> bool {
    prefixed(text).is_some()
}

/// Whether `gateway` is in the network of the address `own`. A link-local gateway is in every one.
fn reaches(own: &str, gateway: &str) -> bool {
    let Some((own, length)) = prefixed(own) else {
        return false;
    };
    match (own, gateway.parse()) {
        (IpAddr::V4(own), Ok(IpAddr::V4(gateway))) => {
            let shift = 32 - u32::from(length);
            u32::from(own) >> shift == u32::from(gateway) >> shift
        }
        (IpAddr::V6(own), Ok(IpAddr::V6(gateway))) => {
            let shift = 128 - u32::from(length);
            gateway.is_unicast_link_local()
                || u128::from(own) >> shift == u128::from(gateway) >> shift
        }
        _ => false,
    }
}

fn is_host(text: &str) -> bool {
    const LONGEST: usize = 253;
    let is_label = |label: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(is_letter)
    };
    is_address(text) || (text.len() <= LONGEST && text.split('.').all(is_label))
}

fn is_zone(text: &str) -> bool {
    jiff::tz::TimeZone::get(text).is_ok()
}

impl SystemSettings {
    /// The files for the folders below `/run/systemd`.
    pub(super) fn files(&self) -> Vec<SystemFile> {
        let mut files = Vec::new();
        if let Some(network) = &self.network {
            network.files(&mut files);
        }
        if !self.ntp.is_empty() {
            let text = format!("[Time]\nNTP={}\n", self.ntp.join(" "));
            files.push(("timesyncd.conf.d", "20-nvr.conf", text));
        }
        files
    }
}

impl Network {
    fn files(&self, files: &mut Vec<SystemFile>) {
        // Nothing waits for the network (RequiredForOnline).
        let wired = match &self.interface {
            Some(name) => format!("[Match]\nName={name}\n\n[Link]\nRequiredForOnline=no\n\n"),
            None => "[Match]\nKind=!*\nType=ether\nName=!wl*\n\n[Link]\nRequiredForOnline=no\n\n"
                .to_owned(),
        };
        let Some(vlan) = self.vlan else {
            files.push(("network", "10-nvr-wired.network", wired + &self.addresses()));
            return;
        };
        let netdev = format!("[NetDev]\nName=nvr-vlan\nKind=vlan\n\n[VLAN]\nId={vlan}\n");
        files.push(("network", "10-nvr-vlan.netdev", netdev));
        let carrier = wired + "[Network]\nVLAN=nvr-vlan\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n";
        files.push(("network", "10-nvr-wired.network", carrier));
        let vlan = "[Match]\nName=nvr-vlan\n\n[Link]\nRequiredForOnline=no\n\n".to_owned();
        files.push(("network", "11-nvr-vlan.network", vlan + &self.addresses()));
    }

    fn addresses(&self) -> String {
        use std::fmt::Write as _;
        let mut text = "[Network]\n".to_owned();
        let mut add = |key: &str, values: &[String]| {
            for value in values {
                // Writing to a text does not fail.
                let _ = writeln!(text, "{key}={value}");
            }
        };
        add("Address", &self.addresses);
        add("Gateway", &self.gateways);
        add("DNS", &self.dns);
        add("Domains", &self.domains);
        if self.addresses.is_empty() {
            text +=
                "DHCP=yes\nIPv6AcceptRA=yes\n\n[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\n";
            // Servers that were given take the place of those of DHCP.
            if !self.dns.is_empty() {
                text += "UseDNS=no\n";
            }
        }
        text
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
