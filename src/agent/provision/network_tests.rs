//! Tables of the network: what becomes of good ones, and what is said of bad ones.

use super::*;

fn read(text: &str) -> (SystemSettings, Vec<String>) {
    let table: toml::Table = toml::from_str(text).expect("TOML");
    let Value::Object(mut document) = serde_json::to_value(table).expect("JSON") else {
        panic!("a table");
    };
    let mut problems = Vec::new();
    let settings = take(&mut document, &mut problems);
    assert!(document.is_empty());
    (settings, problems)
}

fn files(text: &str) -> Vec<SystemFile> {
    let (settings, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    settings.files()
}

#[test]
fn nothing_given_changes_nothing() {
    assert_eq!(files(""), []);
    let dhcp = files("[network]\ndns = \"10.0.0.1\"");
    assert_eq!(dhcp.len(), 1);
    assert!(
        dhcp[0].2.contains("Type=ether") && dhcp[0].2.ends_with("UseDNS=no\n"),
        "{}",
        dhcp[0].2
    );
}

#[test]
fn an_address_a_vlan_and_time_servers_become_files_of_systemd() {
    let text = r#"
        [network]
        interface = "eth0"
        address = ["10.0.0.5/24", "fd00::5/64"]
        gateway = ["10.0.0.1", "fe80::1"]
        dns = "10.0.0.1"
        domains = "example.com"
        vlan = 20
        [time]
        zone = "Europe/Berlin"
        ntp = ["ntp.example.com", "10.0.0.1"]
        "#;
    let files = files(text);
    let names: Vec<_> = files
        .iter()
        .map(|(folder, name, _)| (*folder, *name))
        .collect();
    assert_eq!(
        names,
        [
            ("network", "10-nvr-vlan.netdev"),
            ("network", "10-nvr-wired.network"),
            ("network", "11-nvr-vlan.network"),
            ("timesyncd.conf.d", "20-nvr.conf"),
        ]
    );
    assert_eq!(
        files[0].2,
        "[NetDev]\nName=nvr-vlan\nKind=vlan\n\n[VLAN]\nId=20\n"
    );
    assert!(files[1].2.starts_with("[Match]\nName=eth0\n") && files[1].2.contains("VLAN=nvr-vlan"));
    let wanted = "[Match]\nName=nvr-vlan\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nAddress=10.0.0.5/24\nAddress=fd00::5/64\n\
        Gateway=10.0.0.1\nGateway=fe80::1\nDNS=10.0.0.1\nDomains=example.com\n";
    assert_eq!(files[2].2, wanted);
    assert_eq!(files[3].2, "[Time]\nNTP=ntp.example.com 10.0.0.1\n");
    assert_eq!(read(text).0.zone.as_deref(), Some("Europe/Berlin"));
}

#[test]
fn every_problem_is_named_with_its_key() {
    let text = r#"
        [network]
        interface = "a name with spaces"
        address = "10.0.0.5"
        gateway = "10.0.0.300"
        dns = ["10.0.0.1", 7]
        vlan = 5000
        adress = "10.0.0.5/24"
        [time]
        zone = "Berlin/Europe"
        ntp = "http://ntp.example.com/"
        "#;
    let expected = [
        "network.adress: unknown key; did you mean `address`? known are interface, address, gateway, dns, domains, vlan",
        "network.interface: must be the name of an interface such as eth0, got \"a name with spaces\"",
        "network.address: must be an address with the length of its prefix, such as 10.0.0.5/24, got \"10.0.0.5\"",
        "network.gateway: must be an address such as 10.0.0.1, got \"10.0.0.300\"",
        "network.dns: must be an address such as 10.0.0.1, got 7",
        "network.vlan: must be a number from 1 to 4094, got 5000",
        "time.ntp: must be a host name or an address, got \"http://ntp.example.com/\"",
        "time.zone: must be a time zone such as Europe/Berlin, got \"Berlin/Europe\"",
    ];
    assert_eq!(read(text).1, expected);
    assert_eq!(read("network = 1").1, ["network: must be a table"]);
}

#[test]
fn settings_that_do_not_fit_together_are_named() {
    for (text, wanted) in [
        (
            "gateway = \"10.0.0.1\"",
            "network.gateway: needs network.address",
        ),
        ("vlan = 20", "network.vlan: needs network.interface"),
        (
            "address = \"10.0.0.5/24\"\ngateway = \"10.0.1.1\"",
            "network.gateway: 10.0.1.1 is in none of the networks of 10.0.0.5/24",
        ),
    ] {
        let problems = read(&format!("[network]\n{text}")).1;
        assert!(
            problems.len() == 1 && problems[0].starts_with(wanted),
            "{problems:?}"
        );
    }
}
