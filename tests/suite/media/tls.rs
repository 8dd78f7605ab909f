//! RTSPS: which certificates are trusted, and the messages for the others.

use super::*;

/// Certificates of an authority and of a camera signed for `names`, and the camera's fingerprint.
struct Pki {
    folder: tempfile::TempDir,
    fingerprint: [u8; 32],
}

impl Pki {
    fn new(names: &[&str]) -> Self {
        use sha2::Digest as _;
        let folder = tempfile::tempdir().expect("a folder");
        let names = names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>();
        let key = || rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        let name = format!("authority of {}", folder.path().display());
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = key();
        let authority = params.self_signed(&authority_key).expect("an authority");
        let issuer = rcgen::Issuer::new(params, authority_key);
        let camera_key = key();
        let camera = rcgen::CertificateParams::new(names)
            .expect("good names")
            .signed_by(&camera_key, &issuer)
            .expect("a certificate");
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("ca.pem", authority.pem());
        write("cert.pem", camera.pem());
        write("key.pem", camera_key.serialize_pem());
        Self {
            folder,
            fingerprint: sha2::Sha256::digest(camera.der()).into(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn camera(&self) -> Testcam {
        start(TestcamOptions {
            cameras: vec![pattern()],
            tls: Some(TestcamTls {
                certificate: self.path("cert.pem"),
                key: self.path("key.pem"),
            }),
            ..TestcamOptions::default()
        })
    }
}

fn trusting(testcam: &Testcam, ca: Option<&Path>, pin: Option<[u8; 32]>) -> StreamSettings {
    let mut settings = settings(testcam.url(0).as_str());
    settings.tls = SourceTls {
        ca: ca.map(Path::to_owned),
        pinned_sha256: pin,
    };
    settings
}

#[test]
fn rtsps_is_trusted_only_with_its_authority() {
    let pki = Pki::new(&["127.0.0.1"]);
    let testcam = pki.camera();
    let ca = pki.path("ca.pem");
    Session::start(&trusting(&testcam, Some(&ca), None)).frames(3);
    let stranger = Pki::new(&["127.0.0.1"]);
    for ca in [None, Some(stranger.path("ca.pem"))] {
        let (code, message) = Session::start(&trusting(&testcam, ca.as_deref(), None)).end();
        assert_eq!(code, "tls", "{message}");
        assert!(
            message.contains("no known authority signed it"),
            "{message}"
        );
    }
    let missing = pki.path("missing.pem");
    let (code, message) = Session::start(&trusting(&testcam, Some(&missing), None)).end();
    assert_eq!(code, "tls", "{message}");
    assert!(message.contains("missing.pem"), "{message}");
}

#[test]
fn an_authority_s_certificate_for_another_host_is_refused() {
    let pki = Pki::new(&["camera.example"]);
    let testcam = pki.camera();
    let ca = pki.path("ca.pem");
    let (code, message) = Session::start(&trusting(&testcam, Some(&ca), None)).end();
    assert_eq!(code, "tls", "{message}");
    assert!(message.contains("issued for another host"), "{message}");
}

#[test]
fn a_pinned_certificate_is_the_only_one_that_is_accepted() {
    let pki = Pki::new(&["camera.example"]);
    let testcam = pki.camera();
    Session::start(&trusting(&testcam, None, Some(pki.fingerprint))).frames(3);
    // The right authority does not help if the certificate is not the pinned one.
    let ca = pki.path("ca.pem");
    let (code, message) = Session::start(&trusting(&testcam, Some(&ca), Some([7; 32]))).end();
    assert_eq!(code, "tls", "{message}");
    assert!(message.contains("pinned is 0707"), "{message}");
}

#[test]
fn rtsps_against_a_plain_port_is_a_tls_error() {
    let testcam = cameras(vec![pattern()]);
    let url = testcam.url(0).as_str().replacen("rtsp:", "rtsps:", 1);
    let (code, message) = Session::start(&settings(&url)).end();
    assert_eq!(code, "tls", "{message}");
}
