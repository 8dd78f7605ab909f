//! TLS between the link and real brokers, with certificates made on the spot.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nvr::bus::{Reached, Step, reach};
use nvr::config::{MqttSettings, TlsSettings};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use tempfile::TempDir;

use crate::bus::{against_both, connected, impatient, reason, runtime, settings, start};
use crate::support::broker::{Broker, Kind, Setup, Tls};

against_both! {
    a_broker_of_a_known_authority_is_trusted
    a_broker_of_an_unknown_authority_is_not
    a_broker_that_asks_for_a_certificate_lets_its_holder_in_only
    a_plain_client_at_a_tls_port_is_told_so
    a_client_that_says_nothing_keeps_nobody_out
    the_way_to_a_broker_is_told_step_by_step
}

/// An authority, and files of what it certified.
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

/// OpenSSL takes a certificate whose subject is its issuer for one that certifies itself.
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
        impatient(over_tls(&broker, trusting(&authority))),
    ));
}

fn the_way_to_a_broker_is_told_step_by_step(kind: Kind) {
    let authority = Authority::new();
    let broker = authority.broker(kind, false);
    let way = |tls: TlsSettings| {
        let mut told: Vec<Reached> = Vec::new();
        let settings = over_tls(&broker, tls);
        let listen = Duration::from_millis(100);
        runtime().block_on(reach(&settings, listen, &mut |reached| told.push(reached)));
        told
    };
    let told = way(trusting(&authority));
    let steps: Vec<Step> = told.iter().map(|reached| reached.step).collect();
    assert_eq!(
        steps,
        [
            Step::Name,
            Step::Tcp,
            Step::Tls,
            Step::Login,
            Step::Subscription
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
    let told = way(trusting(&Authority::new()));
    let last = told.last().expect("a step");
    assert_eq!((last.step, told.len()), (Step::Tls, 3));
    let reason = last.outcome.as_ref().expect_err("it is not trusted");
    assert!(
        reason.starts_with("TLS fails: invalid peer certificate: "),
        "{reason}"
    );
}

fn a_broker_of_an_unknown_authority_is_not(kind: Kind) {
    let broker = Authority::new().broker(kind, false);
    let runtime = runtime();
    let link = start(
        &runtime,
        impatient(over_tls(&broker, trusting(&Authority::new()))),
    );
    let reason = reason(&link);
    assert!(
        reason.starts_with(&format!(
            "TLS to the MQTT broker at localhost:{} fails: invalid peer certificate: ",
            broker.port()
        )),
        "{reason}"
    );
}

fn a_broker_that_asks_for_a_certificate_lets_its_holder_in_only(kind: Kind) {
    let authority = Authority::new();
    let broker = authority.broker(kind, true);
    let runtime = runtime();
    let stranger = start(&runtime, impatient(over_tls(&broker, trusting(&authority))));
    let told = reason(&stranger);
    assert!(
        told.contains("TLS to the MQTT broker") && told.contains("CertificateRequired"),
        "{told}"
    );
    let (certificate, key) = authority.certify("box");
    let holder = TlsSettings {
        certificate: Some(certificate),
        key: Some(key),
        ..trusting(&authority)
    };
    connected(&start(&runtime, impatient(over_tls(&broker, holder))));
}

fn a_plain_client_at_a_tls_port_is_told_so(kind: Kind) {
    let authority = Authority::new();
    let broker = authority.broker(kind, false);
    let runtime = runtime();
    let link = start(&runtime, impatient(settings(broker.port())));
    let reason = reason(&link);
    assert!(
        reason.contains("not a TLS port used without TLS"),
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
        impatient(over_tls(&broker, trusting(&authority))),
    ));
}
