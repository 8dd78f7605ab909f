//! Checks the raw settings and makes the checked settings. Every problem is reported.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::Document;
use super::duration::Span;
use super::layers::StreamSelection;
use super::problem::Problems;
use super::range::{Quantity, Ranged, ends, range_text};
use super::raw_role::RETRY_LIMITS;
use super::reference::MASK;
use super::{
    Environment, ModelChoice, ProblemKind, ProcessorSettings, RawProcessor, RawSettings, Secret,
    SecretRef, Settings, SourceSettings, identity,
};
use crate::base::{SourceId, first_names, models_dirs};

/// Context of the checks, and the problems and warnings that they report.
pub(super) struct Checker<'a> {
    pub(super) document: &'a Document,
    pub(super) environment: &'a Environment,
    /// Directory from which relative file names of secrets start.
    pub(super) base: &'a Path,
    /// Whether the role is wall, not processor.
    pub(super) for_wall: bool,
    /// Whether secrets are resolved and files are looked up on this machine.
    pub(super) on_this_machine: bool,
    pub(super) problems: &'a mut Problems,
    /// Warnings for the log about valid settings.
    pub(super) warnings: Vec<String>,
}

impl Checker<'_> {
    /// The checked settings; valid only if no problem was reported.
    pub(super) fn settings(
        &mut self,
        raw: &RawSettings,
        selection: Option<&StreamSelection>,
    ) -> Settings {
        let mqtt = self.mqtt(&raw.mqtt, raw.processor.encoding);
        let processor = self.processor(&raw.processor);
        let http = self.address("processor.http", raw.processor.http.as_deref());
        let sources = self.sources(raw, selection);
        let record = self.record(&raw.record, processor.backend, &sources);
        let first: Vec<PathBuf> = raw.models_dirs.iter().map(PathBuf::from).collect();
        Settings {
            instance_id: self.instance_id(raw.instance_id.as_deref()),
            mqtt,
            sources,
            processor,
            record,
            wall: self.wall(raw, selection),
            models_dirs: models_dirs(&first),
            http,
            http_token: self.processor_token(raw),
            http_hosts: self.http_hosts(&raw.http_hosts),
            watchdog: raw.processor.watchdog,
        }
    }

    /// Reads the token of a processor's page. Without one the page outside loopback has no recordings.
    fn processor_token(&mut self, raw: &RawSettings) -> Option<Secret> {
        if self.for_wall {
            return None;
        }
        let processor = &raw.processor;
        let address = processor.http.as_ref().and_then(|http| http.parse().ok());
        if let Some(address) = address.filter(|address: &SocketAddr| !address.ip().is_loopback())
            && raw.record.dir.is_some()
            && processor.http_token.is_none()
        {
            self.warnings.push(format!(
                "processor.http: {address} can be reached from other machines, so recordings are not shown there without \
                 processor.http_token (or NVR_HTTP_TOKEN)"
            ));
        }
        self.secret("processor.http_token", processor.http_token.as_ref())
    }

    pub(super) fn report(&mut self, path: &str, message: impl Into<String>) {
        self.problems.add(path, self.document.origin(path), message);
    }

    pub(super) fn report_kind(
        &mut self,
        kind: ProblemKind,
        path: &str,
        message: impl Into<String>,
    ) {
        let origin = self.document.origin(path);
        self.problems.add_kind(kind, path, origin, message);
    }

    fn instance_id(&mut self, given: Option<&str>) -> String {
        let Some(id) = given else {
            return identity::default_instance_id().0;
        };
        let longest = identity::LONGEST;
        if !identity::is_instance_id(id) {
            self.report(
                "instance_id",
                format!("must be 1 to {longest} letters, digits, `-`, `_` and `.`, got `{id}`"),
            );
        }
        id.to_owned()
    }

    fn processor(&mut self, raw: &RawProcessor) -> ProcessorSettings {
        let model = match &raw.model {
            None => ModelChoice::Default,
            Some(id) => {
                let allowed = |c: char| identity::is_allowed(c);
                if id.is_empty() || id.starts_with('.') || !id.chars().all(allowed) {
                    self.report("processor.model", format!("must be a model's id (letters, digits, `-`, `_` and `.`), got `{id}`; a file becomes a model by `nvr model import`"));
                }
                ModelChoice::Named(id.clone())
            }
        };
        let threads = self.within("processor", raw.threads());
        let lanes = self.within("processor", raw.lanes()).flatten();
        let (retry_first, retry_longest) =
            self.retry_waits("processor", raw.retry_first, raw.retry_longest());
        ProcessorSettings {
            model,
            backend: raw.backend,
            openvino_precision: raw.openvino_precision,
            iou: self.within("processor", raw.iou()) as f32,
            threads: threads.map(|threads| threads as usize),
            lanes: lanes.map(|lanes| lanes as usize),
            tracking: raw.tracking,
            scripted_delay: self.within("processor", raw.scripted_delay()),
            stage_limit: self.within("processor", raw.stage_limit()),
            retry_first,
            retry_longest,
        }
    }

    fn sources(
        &mut self,
        raw: &RawSettings,
        selection: Option<&StreamSelection>,
    ) -> BTreeMap<SourceId, SourceSettings> {
        // Inherited values are checked even if every camera overrides them.
        let inherited = self.inherited(raw);
        let cameras = raw.camera.as_deref().unwrap_or_default();
        let mut sources = BTreeMap::new();
        let mut first_index = BTreeMap::new();
        for (index, camera) in cameras.iter().enumerate() {
            let path = format!("camera[{index}]");
            for (key, id) in [("id", camera.id), ("main_id", camera.main_id)] {
                let Some(id) = id else { continue };
                if let Some((first, of)) = first_index.insert(id, (index, key)) {
                    let message =
                        format!("{id} is already the {of} of camera[{first}]; ids must be unique");
                    self.report(&format!("{path}.{key}"), message);
                }
            }
            if let Some((source, main)) = self.camera(&path, camera, &inherited) {
                let both = std::iter::once(source).chain(main);
                sources.extend(both.map(|source| (source.id, source)));
            }
        }
        // A wall without cameras shows how to configure them.
        if cameras.is_empty() && !self.for_wall {
            self.report(
                "camera",
                "no camera is configured; add a [[camera]], or give --n, --streams or --source",
            );
        }
        if let Some(selection) = selection {
            let own = sources.values().filter(|source| !source.is_only_recorded());
            let own: Vec<SourceId> = own.map(|source| source.id).collect();
            for id in &selection.ids {
                if !matches!(first_index.get(&i64::from(id.0)), Some((_, "id"))) {
                    let message = format!(
                        "there is no camera {id}; the file has {}; add it there or by --source {id}=URI",
                        name_list(own.iter())
                    );
                    self.problems
                        .add("camera", Some(&selection.origin), message);
                }
            }
            sources.retain(|_, source| selection.ids.contains(&source.sub.unwrap_or(source.id)));
        }
        sources
    }

    /// The first and the longest wait before a retry of a failed camera.
    pub(super) fn retry_waits(
        &mut self,
        role: &str,
        first: Span,
        longest: Ranged<Span>,
    ) -> (Duration, Duration) {
        let longest = self.within(role, longest);
        let range = *RETRY_LIMITS.start()..=longest;
        let first = self.in_range(&format!("{role}.retry_first"), first, range);
        (first, longest)
    }

    pub(super) fn address(&mut self, path: &str, address: Option<&str>) -> Option<SocketAddr> {
        let address = address?;
        let parsed = address.parse();
        if parsed.is_err() {
            let message =
                format!("must be an address and a port such as 127.0.0.1:9100, got `{address}`");
            self.report(path, message);
        }
        parsed.ok()
    }

    fn http_hosts(&mut self, hosts: &[String]) -> Vec<String> {
        let is_host = |host: &String| {
            let right = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            !host.is_empty() && host.len() <= 253 && host.chars().all(right)
        };
        for host in hosts.iter().filter(|host| !is_host(host)) {
            let message = format!(
                "must be host names such as wall.example.com, without scheme and port, got `{host}`"
            );
            self.report("http_hosts", message);
        }
        hosts.to_vec()
    }

    /// Checks a display name.
    pub(super) fn name(&mut self, path: &str, name: &str) {
        if name.chars().count() > 128 || name.chars().any(char::is_control) {
            self.report(path, "must be at most 128 characters without line breaks");
        }
    }

    /// Checks a key of the table at the path `table` against its declared range.
    pub(super) fn within<T: Quantity>(&mut self, table: &str, ranged: Ranged<T>) -> T::Checked {
        let Ranged { key, value, range } = ranged;
        self.in_range(&format!("{table}.{key}"), value, range)
    }

    /// Checks a value against a range that is not declared with its key.
    pub(super) fn in_range<T: Quantity>(
        &mut self,
        path: &str,
        value: T,
        range: RangeInclusive<T::Bound>,
    ) -> T::Checked {
        if let Some(value) = value.out_of_range(&range) {
            let range = range_text(&ends::<T>(&range));
            self.report(path, format!("must be {range}, got {value}"));
        }
        value.checked(&range)
    }

    pub(super) fn rate(&mut self, path: &str, fps: f64) -> f64 {
        if !(fps > 0.0 && fps <= 1000.0) {
            self.report(
                path,
                format!("must be above 0 and at most 1000, got {fps}; remove the key for no limit"),
            );
        }
        fps
    }

    pub(super) fn class_names(&mut self, path: &str, classes: &[String]) -> Vec<String> {
        if classes.is_empty() {
            self.report(
                path,
                "an empty list would publish nothing; remove the key for all classes",
            );
        } else if classes.iter().any(|class| class.trim().is_empty()) {
            self.report(path, "contains an empty class name");
        }
        classes.to_vec()
    }

    pub(super) fn secret(&mut self, path: &str, secret: Option<&SecretRef>) -> Option<Secret> {
        let secret = secret?;
        if !self.on_this_machine && !matches!(secret, SecretRef::Plain(_)) {
            return Some(Secret::new(MASK));
        }
        let resolved = secret.resolve(self.environment, self.base);
        resolved.map_err(|message| self.report(path, message)).ok()
    }

    /// Checks that a file exists. Its path is already absolute.
    pub(super) fn file(&mut self, path: &str, file: Option<&str>) -> Option<PathBuf> {
        let file = PathBuf::from(file?);
        if !self.on_this_machine {
            return Some(file);
        }
        let readable = std::fs::File::open(&file).and_then(|opened| opened.metadata());
        match readable {
            Ok(meta) if meta.is_file() => {}
            Ok(_) => self.report(path, format!("{} is not a file", file.display())),
            Err(err) => self.report(path, format!("can't read {}: {err}", file.display())),
        }
        Some(file)
    }
}

/// A list of names. A long list is cut, and the number of the others is appended.
pub(super) fn name_list(names: impl ExactSizeIterator<Item = impl ToString>) -> String {
    const MOST: usize = 40;
    first_names(names, MOST, ", ")
}
