//! TLS between the link and real brokers, with generated certificates.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nvr::bus::{ProbeStep, StepResult, probe_broker};
use nvr::config::{MqttSettings, TlsSettings};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use tempfile::TempDir;

use crate::bus::{against_both, connected, reason, retrying_quickly, runtime, settings, start};
use crate::support::broker::{Broker, Kind, Setup, Tls};

against_both! {
    a_broker_of_a_known_authority_is_trusted
    a_broker_of_an_unknown_authority_is_not
    a_broker_that_asks_for_a_certificate_lets_its_holder_in_only
    a_plain_client_at_a_tls_port_is_told_so
    a_client_that_says_nothing_keeps_nobody_out
    a_probe_of_a_broker_reports_each_step
}

/// An authority and the files of its certificates.
struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = called("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let dir = TempDir::new().expect("a directory");
        fs::write(dir.path().join("ca.pem"), issuer.pem()).expect("it is written");
        Self { dir, issuer }
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Certificate and key for `name`.
    fn certify(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.distinguished_name = called(name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |suffix: &str, text: &str| {
            let path: &Path = self.dir.path();
            let path = path.join(format!("{name}.{suffix}"));
            fs::write(&path, text).expect("it is written");
            path
        };
        (
            file("pem", &certificate.pem()),
            file("key", &key.serialize_pem()),
        )
    }

    fn broker(&self, kind: Kind, ask_client: bool) -> Broker {
        let (certificate, key) = self.certify("localhost");
        let setup = Setup {
            tls: Some(Tls {
                ca: self.ca(),
                certificate,
                key,
                ask_client,
            }),
            ..Setup::default()
        };
        Broker::start_with(kind, setup)
    }
}

/// A distinct subject: OpenSSL treats a certificate with equal subject and issuer as self-signed.
fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

fn over_tls(broker: &Broker, tls: TlsSettings) -> MqttSettings {
    MqttSettings {
        tls: Some(tls),
        ..settings(broker.port())
    }
}

fn trusting(authority: &Authority) -> TlsSettings {
    TlsSettings {
        ca: Some(authority.ca()),
        ..TlsSettings::default()
    }
}

fn a_broker_of_a_known_authority_is_trusted(kind: Kind) {
    let authority = Authority::new();
    let broker = authority.broker(kind, false);
    let runtime = runtime();
    connected(&start(
        &runtime,
        retrying_quickly(over_tls(&broker, trusting(&authority))),
    ));
}

fn a_probe_of_a_broker_reports_each_step(kind: Kind) {
    let authority = Authority::new();
    let broker = authority.broker(kind, false);
    let probe = |tls: TlsSettings| {
        let mut told: Vec<StepResult> = Vec::new();
        let settings = over_tls(&broker, tls);
        let listen = Duration::from_millis(100);
        runtime().block_on(probe_broker(&settings, listen, &mut |reached| {
            told.push(reached)
        }));
        told
    };
    let told = probe(trusting(&authority));
    let steps: Vec<ProbeStep> = told.iter().map(|reached| reached.step).collect();
    assert_eq!(
        steps,
        [
            ProbeStep::Name,
            ProbeStep::Tcp,
            ProbeStep::Tls,
            ProbeStep::Login,
            ProbeStep::Subscription
        ]
    );
    assert!(
        told.iter().all(|reached| reached.outcome.is_ok()),
        "{told:?}"
    );
    assert_eq!(
        told[2].outcome.as_deref(),
        Ok("the broker's certificate is trusted, TLS 1.3")
    );
    let told = probe(trusting(&Authority::new()));
    let last = told.last().expect("a step");
    assert_eq!((last.step, told.len()), (ProbeStep::Tls, 3));
    let reason = last.outcome.as_ref().expect_err("it is not trusted");
    assert!(
        reason.starts_with("TLS fails: the ") && reason.contains("--mqtt-ca"),
        "{reason}"
    );
}

fn a_broker_of_an_unknown_authority_is_not(kind: Kind) {
    // Kept: mosquitto listens before it reads its certificates.
    let stranger = Authority::new();
    let broker = stranger.broker(kind, false);
    let runtime = runtime();
    let link = start(
        &runtime,
        retrying_quickly(over_tls(&broker, trusting(&Authority::new()))),
    );
    let reason = reason(&link);
    assert!(
        reason.starts_with(&format!(
            "TLS to the MQTT broker at localhost:{} fails: the ",
            broker.port()
        )) && reason.contains("(--mqtt-ca, mqtt.tls.ca)"),
        "{reason}"
    );
}

fn a_broker_that_asks_for_a_certificate_lets_its_holder_in_only(kind: Kind) {
    let authority = Authority::new();
    let broker = authority.broker(kind, true);
    let runtime = runtime();
    let stranger = start(
        &runtime,
        retrying_quickly(over_tls(&broker, trusting(&authority))),
    );
    let told = reason(&stranger);
    assert!(
        told.contains("TLS to the MQTT broker")
            && told
                .contains("requires a client certificate, and none is set; set one (--mqtt-cert"),
        "{told}"
    );
    let (certificate, key) = authority.certify("box");
    let holder = TlsSettings {
        certificate: Some(certificate),
        key: Some(key),
        ..trusting(&authority)
    };
    connected(&start(
        &runtime,
        retrying_quickly(over_tls(&broker, holder)),
    ));
}

fn a_plain_client_at_a_tls_port_is_told_so(kind: Kind) {
    let authority = Authority::new();
    let broker = authority.broker(kind, false);
    let runtime = runtime();
    let link = start(&runtime, retrying_quickly(settings(broker.port())));
    let reason = reason(&link);
    // By an alert, or by hanging up.
    assert!(
        reason.contains("expects TLS, which is not configured")
            || reason.contains("that the port is not a TLS port"),
        "{reason}"
    );
}

/// A broker with this certificate.
fn showing(certificate: &str, key: &KeyPair, dir: &TempDir) -> Broker {
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("it is written");
        path
    };
    let setup = Setup {
        tls: Some(Tls {
            ca: file("ca.pem", certificate),
            certificate: file("broker.pem", certificate),
            key: file("broker.key", &key.serialize_pem()),
            ask_client: false,
        }),
        ..Setup::default()
    };
    Broker::start_with(Kind::Mosquitto, setup)
}

#[test]
fn a_certificate_that_is_not_accepted_is_told_in_words_with_the_remedy() {
    let runtime = runtime();
    let self_signed = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.distinguished_name = called("localhost");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        (certificate.pem(), key)
    };
    type Change<'a> = &'a dyn Fn(&mut CertificateParams);
    let cases: [(Change<'_>, &str); 4] = [
        (
            &|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            "fails: the broker presents the certificate of an authority (a self-signed one with CA:TRUE)",
        ),
        (
            &|params| {
                params.not_before = rcgen::date_time_ymd(2001, 1, 1);
                params.not_after = rcgen::date_time_ymd(2002, 1, 1);
            },
            "fails: the broker's certificate expired at 2002-01-01T00:00:00Z, and this machine's clock says ",
        ),
        (
            &|params| {
                params.not_before = rcgen::date_time_ymd(2100, 1, 1);
                params.not_after = rcgen::date_time_ymd(2101, 1, 1);
            },
            "fails: the broker's certificate is valid only from 2100-01-01T00:00:00Z",
        ),
        (
            &|params| {
                let named = CertificateParams::new(["other.example".to_owned()]);
                params.subject_alt_names = named.expect("a name").subject_alt_names;
            },
            "fails: the broker's certificate is for other.example and not for localhost; connect by a name in it",
        ),
    ];
    for (change, part) in cases {
        let dir = TempDir::new().expect("a directory");
        let (certificate, key) = self_signed(change);
        let broker = showing(&certificate, &key, &dir);
        let tls = TlsSettings {
            ca: Some(dir.path().join("ca.pem")),
            ..TlsSettings::default()
        };
        let link = start(&runtime, retrying_quickly(over_tls(&broker, tls)));
        let reason = reason(&link);
        assert!(reason.contains(part), "{reason}");
        assert!(!reason.contains("Error("), "{reason}");
    }
    // The remedy for the first one works.
    let dir = TempDir::new().expect("a directory");
    let (certificate, key) = self_signed(&|params| params.is_ca = IsCa::ExplicitNoCa);
    let broker = showing(&certificate, &key, &dir);
    let tls = TlsSettings {
        ca: Some(dir.path().join("ca.pem")),
        ..TlsSettings::default()
    };
    connected(&start(&runtime, retrying_quickly(over_tls(&broker, tls))));
}

#[test]
fn tls_at_a_port_without_it_is_told_as_such() {
    let broker = Broker::start(Kind::Mosquitto);
    let runtime = runtime();
    let authority = Authority::new();
    let link = start(
        &runtime,
        retrying_quickly(over_tls(&broker, trusting(&authority))),
    );
    let reason = reason(&link);
    assert!(
        reason.contains("use the broker's TLS port, usually 8883, or")
            || reason.contains("use its TLS port"),
        "{reason}"
    );
}

fn a_client_that_says_nothing_keeps_nobody_out(kind: Kind) {
    let authority = Authority::new();
    let broker = authority.broker(kind, false);
    let _silent = TcpStream::connect((Ipv4Addr::LOCALHOST, broker.port())).expect("it listens");
    let runtime = runtime();
    connected(&start(
        &runtime,
        retrying_quickly(over_tls(&broker, trusting(&authority))),
    ));
}
