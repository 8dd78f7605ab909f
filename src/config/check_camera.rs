//! The checks of one camera, and the settings that it inherits from the role that runs.

use std::time::Duration;

use super::StreamChoice;
use super::check::Checker;
use super::location::SCHEME_REMEDY;
use super::raw::{JITTER_BUFFER, RawCameraTls};
use super::{
    AnalysisSettings, Credentials, DecodeChoice, Location, ProblemKind, RawCamera, RawSettings,
    RecordChoice, Secret, SourceSettings, SourceTls, StreamSettings, UriText,
};
use crate::base::SourceId;

/// Ends the names of main streams that are recorded beside the sub-stream.
const MAIN_SUFFIX: &str = " (main stream)";

/// Settings of the role that a camera inherits.
pub(super) struct Inherited {
    stream: StreamChoice,
    analysis: AnalysisSettings,
    event_classes: Option<Vec<String>>,
    /// Whether a directory of recordings is configured.
    records: bool,
    stall_limit: Duration,
    start_limit: Duration,
}

impl Checker<'_> {
    pub(super) fn inherited(&mut self, raw: &RawSettings) -> Inherited {
        let RawSettings {
            processor,
            wall,
            record,
            ..
        } = raw;
        let classes = processor.classes.as_deref();
        let analysis = AnalysisSettings {
            confidence: self.within("processor", processor.confidence()) as f32,
            classes: classes.map(|classes| self.class_names("processor.classes", classes)),
            max_fps: processor
                .max_fps
                .map(|fps| self.rate("processor.max_fps", fps)),
            decode: DecodeChoice::Auto,
        };
        let event_classes = record.event_classes.as_deref();
        let event_classes =
            event_classes.map(|classes| self.event_classes("record.event_classes", classes));
        // The limits of both roles are checked. Cameras inherit those of the role that runs.
        let of_processor = (
            self.within("processor", processor.stall_limit()),
            self.within("processor", processor.start_limit()),
        );
        let of_wall = (
            self.within("wall", wall.stall_limit()),
            self.within("wall", wall.start_limit()),
        );
        let (stream, (stall_limit, start_limit)) = if self.for_wall {
            (wall.stream, of_wall)
        } else {
            (processor.stream, of_processor)
        };
        Inherited {
            stream,
            analysis,
            event_classes,
            records: record.dir.is_some(),
            stall_limit,
            start_limit,
        }
    }

    /// The source of a camera, and the one that records its main stream, if there is one.
    pub(super) fn camera(
        &mut self,
        path: &str,
        raw: &RawCamera,
        inherited: &Inherited,
    ) -> Option<(SourceSettings, Option<SourceSettings>)> {
        let at = |key: &str| format!("{path}.{key}");
        let id = self.within(path, raw.id());
        let id = id.map(|id| SourceId(id as u32));
        if id.is_none() {
            self.report(&at("id"), "is missing; give every camera a unique number");
        }
        if let Some(name) = &raw.name {
            self.name(&at("name"), name);
        }
        let main = self.uri(&at("uri"), raw.uri.as_ref());
        if raw.uri.is_none() {
            self.report(
                &at("uri"),
                "is missing; give the address of the camera, such as rtsp://host/path",
            );
        }
        let sub = self.uri(&at("sub_uri"), raw.sub_uri.as_ref());
        let login = self.login(path, raw, [&main, &sub]);
        let wants_sub = inherited.stream == StreamChoice::Sub && raw.sub_uri.is_some();
        let main_id = self.main_id(path, raw, wants_sub, inherited.records);
        let (chosen, other) = if wants_sub { (sub, main) } else { (main, None) };
        let stream = self.stream(
            path,
            raw,
            inherited,
            chosen.as_ref().map(|(location, _)| location),
        );
        let analysis = self.analysis(path, raw, &inherited.analysis);
        let event_classes = match &raw.event_classes {
            Some(classes) => Some(self.event_classes(&at("event_classes"), classes)),
            None => inherited.event_classes.clone(),
        };
        let (location, in_uri) = chosen?;
        let (tls, jitter_buffer, stall_limit, start_limit) = stream;
        let source = SourceSettings {
            id: id?,
            name: raw.name.clone(),
            stream: StreamSettings {
                location,
                credentials: in_uri.or_else(|| login.clone()),
                transport: raw.transport,
                jitter_buffer,
                tls,
                stall_limit,
                start_limit,
            },
            analysis,
            record: raw.record,
            event_classes,
            main: main_id,
            sub: None,
        };
        let main = main_id
            .zip(other)
            .map(|(id, (location, in_uri))| main_source(&source, id, location, in_uri.or(login)));
        Some((source, main))
    }

    /// The id under which the main stream is recorded beside the sub-stream; nothing where that is not done.
    fn main_id(
        &mut self,
        path: &str,
        raw: &RawCamera,
        wants_sub: bool,
        records: bool,
    ) -> Option<SourceId> {
        let id = self.within(path, raw.main_id())?;
        let path = format!("{path}.main_id");
        let no_effect = if raw.sub_uri.is_none() {
            self.report(
                &path,
                "records the main stream beside the sub-stream, and there is no sub_uri; add it, or remove main_id",
            );
            return None;
        } else if self.for_wall || !records {
            return None;
        } else if !wants_sub {
            "processor.stream = \"main\" analyses and records the main stream as the camera itself; remove one of them"
        } else if raw.record == RecordChoice::Off {
            "record = \"off\" records neither stream; remove one of them"
        } else {
            return Some(SourceId(id as u32));
        };
        self.warnings
            .push(format!("{path}: has no effect: {no_effect}"));
        None
    }

    fn uri(
        &mut self,
        path: &str,
        uri: Option<&UriText>,
    ) -> Option<(Location, Option<Credentials>)> {
        match uri?.parse(self.base) {
            Ok(parsed) => Some(parsed),
            Err(messages) => {
                for message in messages {
                    let kind = match message.starts_with(SCHEME_REMEDY) {
                        true => ProblemKind::Scheme,
                        false => ProblemKind::Value,
                    };
                    self.report_kind(kind, path, message);
                }
                None
            }
        }
    }

    fn login(
        &mut self,
        path: &str,
        raw: &RawCamera,
        uris: [&Option<(Location, Option<Credentials>)>; 2],
    ) -> Option<Credentials> {
        let (user_path, password_path) = (format!("{path}.username"), format!("{path}.password"));
        let username = self.secret(&user_path, raw.username.as_ref());
        let password = self.secret(&password_path, raw.password.as_ref());
        if raw.username.is_some() || raw.password.is_some() {
            let in_uri = uris.iter().any(|uri| matches!(uri, Some((_, Some(_)))));
            if in_uri {
                self.report(
                    &user_path,
                    "the URI contains a login as well; give the login once",
                );
            }
        }
        if raw.password.is_some() && raw.username.is_none() {
            self.report(
                &password_path,
                format!("needs {user_path} as well; set both"),
            );
        }
        Some(Credentials {
            username: username?,
            password: password.unwrap_or_else(|| Secret::new("")),
        })
    }

    fn stream(
        &mut self,
        path: &str,
        raw: &RawCamera,
        inherited: &Inherited,
        location: Option<&Location>,
    ) -> (SourceTls, Duration, Duration, Duration) {
        let is_plain = matches!(location, Some(Location::Rtsp(url)) if url.scheme() == "rtsp");
        let tls = match &raw.tls {
            None => SourceTls::default(),
            Some(tls) => {
                if is_plain && (tls.pin.is_some() || tls.ca.is_some()) {
                    self.report(&format!("{path}.tls"), "has no effect on rtsp://, which is not encrypted; use rtsps:// or remove the table");
                }
                self.camera_tls(path, tls)
            }
        };
        let buffer = self.within(path, raw.jitter_buffer());
        let stall_limit = self.within(path, raw.stall_limit());
        let start_limit = self.within(path, raw.start_limit());
        (
            tls,
            buffer.unwrap_or(JITTER_BUFFER),
            stall_limit.unwrap_or(inherited.stall_limit),
            start_limit.unwrap_or(inherited.start_limit),
        )
    }

    fn camera_tls(&mut self, path: &str, raw: &RawCameraTls) -> SourceTls {
        let ca = self.file(&format!("{path}.tls.ca"), raw.ca.as_deref());
        let pin = raw.pin.as_deref().and_then(|text| {
            let pin = parse_pin(text);
            if pin.is_none() {
                let message = "must be a SHA-256 of 64 hexadecimal digits, as `openssl x509 -fingerprint -sha256` prints it";
                self.report(&format!("{path}.tls.pin"), message);
            }
            pin
        });
        if raw.ca.is_some() && raw.pin.is_some() {
            self.report(
                &format!("{path}.tls"),
                "a pinned certificate needs no authority; give ca or pin",
            );
        }
        SourceTls {
            ca,
            pinned_sha256: pin,
        }
    }

    fn analysis(
        &mut self,
        path: &str,
        raw: &RawCamera,
        inherited: &AnalysisSettings,
    ) -> AnalysisSettings {
        let at = |key: &str| format!("{path}.{key}");
        AnalysisSettings {
            confidence: match self.within(path, raw.confidence()) {
                Some(confidence) => confidence as f32,
                None => inherited.confidence,
            },
            classes: match &raw.classes {
                Some(classes) => Some(self.class_names(&at("classes"), classes)),
                None => inherited.classes.clone(),
            },
            max_fps: match raw.max_fps {
                Some(fps) => Some(self.rate(&at("max_fps"), fps)),
                None => inherited.max_fps,
            },
            decode: raw.decode,
        }
    }
}

/// The source that records the main stream of a camera beside its sub-stream `sub`.
fn main_source(
    sub: &SourceSettings,
    id: SourceId,
    location: Location,
    credentials: Option<Credentials>,
) -> SourceSettings {
    let name = sub.name.clone();
    let name = name.unwrap_or_else(|| format!("Camera {}", sub.id));
    SourceSettings {
        id,
        name: Some(name + MAIN_SUFFIX),
        stream: StreamSettings {
            location,
            credentials,
            ..sub.stream.clone()
        },
        main: None,
        sub: Some(sub.id),
        ..sub.clone()
    }
}

/// Reads the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons between bytes.
pub fn parse_pin(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    (digits.len() == 64)
        .then(|| bytes.try_into().ok())
        .flatten()
}
