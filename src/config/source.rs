//! The layers of a process's configuration, kept so that it can be reloaded.

use std::path::{Path, PathBuf};

use super::check::Checker;
use super::document::Document;
use super::overrides::{FlagOrigin, of_environment};
use super::problem::{ConfigProblems, Problem, ProblemKind, Problems};
use super::role_flags::role_of_environment;
use super::text::{LONGEST_CONFIG, read_text};
use super::{
    Environment, MqttFlags, MqttSettings, RawSettings, RoleFlags, Settings, identity, layers,
    parse_json, read,
};

/// The layers of a configuration: options override environment variables, the file and the defaults. Each load reads the
/// file again, with the same options and environment.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    flags: RoleFlags,
    environment: Environment,
    body: Body,
    on_this_machine: bool,
}

/// The file, or a document in its place.
#[derive(Clone)]
enum Body {
    File,
    Json(serde_json::Value),
    Toml(String),
}

impl std::fmt::Debug for Body {
    /// Documents may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Json(_) => "JSON document",
            Self::Toml(_) => "TOML document",
        })
    }
}

/// Checked settings, and the merged raw settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Checked settings.
    pub settings: Settings,
    /// Raw settings of all layers, with the short forms expanded. Logins are masked when serialised.
    pub raw: RawSettings,
    /// Warnings for the log.
    pub warnings: Vec<String>,
}

impl ConfigSource {
    /// Options of a role and an environment. The file is named by one of the two, or there is none.
    pub fn new(flags: impl Into<RoleFlags>, environment: Environment) -> Self {
        Self {
            flags: flags.into(),
            environment,
            body: Body::File,
            on_this_machine: true,
        }
    }

    /// The same options and environment with a JSON document in the place of the file.
    pub fn with_document(&self, document: serde_json::Value) -> Self {
        Self {
            body: Body::Json(document),
            ..self.clone()
        }
    }

    /// The same layers for the check of another machine's configuration: secrets by reference are not resolved, and files are
    /// not looked up.
    pub fn for_another_machine(&self) -> Self {
        Self {
            on_this_machine: false,
            ..self.clone()
        }
    }

    /// The same options and environment with a TOML document in the place of the file.
    pub fn with_toml(&self, document: impl Into<String>) -> Self {
        Self {
            body: Body::Toml(document.into()),
            ..self.clone()
        }
    }

    /// The configuration file, if one is named.
    pub fn file(&self) -> Option<PathBuf> {
        let named = self.flags.common().config.as_deref();
        let named = named.or_else(|| self.environment.get("NVR_CONFIG"));
        named.map(PathBuf::from)
    }

    /// Reads every layer and checks the result.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn load(&self) -> Result<Settings, ConfigProblems> {
        self.load_all().map(|loaded| loaded.settings)
    }

    /// Like [`ConfigSource::load`], with the merged layers and the warnings.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn load_all(&self) -> Result<Loaded, ConfigProblems> {
        let mut problems = Problems::default();
        let variables = role_of_environment(&self.flags, &self.environment, &mut problems);
        let for_wall = matches!(self.flags, RoleFlags::Wall(_));
        let mut document = match self.document() {
            Ok(document) => document,
            Err(found) => {
                for problem in found {
                    problems.add(&problem.path, problem.origin.as_deref(), problem.message);
                }
                return Err(problems.into_error());
            }
        };
        let over = [
            (&variables, FlagOrigin::Variable),
            (&self.flags, FlagOrigin::Option),
        ];
        layers::apply_file(&mut document, &mut problems);
        layers::apply_login(&mut document, &self.environment);
        let token = match for_wall {
            true => "wall.http_token",
            false => "processor.http_token",
        };
        layers::apply_secret(&mut document, &self.environment, token, "NVR_HTTP_TOKEN");
        for (flags, flag_origin) in over {
            layers::apply(&mut document, flags, flag_origin, &mut problems);
        }
        let unused = layers::unused(&document, self.flags.common());
        let over = over.map(|(flags, flag_origin)| (flags.common(), flag_origin));
        let selection = layers::apply_cameras(&mut document, &over, &mut problems);

        let base = self.base();
        let mut raw = read::read(&mut document, &mut problems);
        raw.make_absolute(&base);
        let mut checker = Checker {
            document: &document,
            environment: &self.environment,
            base: &base,
            for_wall,
            on_this_machine: self.on_this_machine,
            problems: &mut problems,
            warnings: Vec::new(),
        };
        let settings = checker.settings(&raw, selection.as_ref());
        let checked = checker.warnings;
        let warnings = unused
            .into_iter()
            .chain(machine_warning(&raw))
            .chain(checked)
            .collect();
        raw.instance_id = Some(settings.instance_id.clone());
        if let (Some(cameras), Some(selection)) = (&mut raw.camera, &selection) {
            cameras.retain(|camera| camera.id.is_some_and(|id| selection.has(id)));
        }
        problems.or(Loaded {
            settings,
            raw,
            warnings,
        })
    }

    fn document(&self) -> Result<Document, Vec<Problem>> {
        match (&self.body, self.file()) {
            (Body::Json(value), _) => Document::from_json(value.clone()),
            (Body::Toml(text), _) => Document::from_toml(text, "document"),
            (Body::File, None) => Ok(Document::default()),
            (Body::File, Some(path)) => {
                let name = path.display().to_string();
                let text = read_text(&path, LONGEST_CONFIG).map_err(|reason| {
                    let problem = Problem {
                        path: String::new(),
                        origin: Some(name.clone()),
                        message: format!("can't read the configuration file: {reason}"),
                        kind: ProblemKind::Value,
                    };
                    vec![problem]
                })?;
                if is_json(&path) {
                    return of_json(&text, &name);
                }
                Document::from_toml(&text, &name)
            }
        }
    }

    /// Base of relative paths: the directory of the file, else the working directory.
    fn base(&self) -> PathBuf {
        let here = || std::path::absolute(".").unwrap_or_else(|_| PathBuf::from("."));
        let file = self.file().and_then(|file| std::path::absolute(file).ok());
        file.as_deref()
            .and_then(Path::parent)
            .map_or_else(here, Path::to_path_buf)
    }
}

impl MqttFlags {
    /// Broker settings from these options, the environment and the defaults, for commands without a configuration file.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn load(&self, environment: &Environment) -> Result<MqttSettings, ConfigProblems> {
        let mut problems = Problems::default();
        let mut document = Document::default();
        let variables = of_environment(environment, &mut problems);
        layers::apply_login(&mut document, environment);
        layers::apply_mqtt(
            &mut document,
            &variables,
            FlagOrigin::Variable,
            &mut problems,
        );
        layers::apply_mqtt(&mut document, self, FlagOrigin::Option, &mut problems);
        let raw = read::read(&mut document, &mut problems);
        let mut checker = Checker {
            document: &document,
            environment,
            base: Path::new(""),
            for_wall: false,
            on_this_machine: true,
            problems: &mut problems,
            warnings: Vec::new(),
        };
        let settings = checker.mqtt(&raw.mqtt, raw.processor.encoding);
        problems.or(settings)
    }
}

fn is_json(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "json")
}

/// A file of JSON, as the agent of a box writes it. The text, which may contain secrets, is not quoted: the parser's reasons are
/// fixed words and a place.
fn of_json(text: &str, name: &str) -> Result<Document, Vec<Problem>> {
    let value = parse_json(text.as_bytes()).map_err(|err| {
        let problem = Problem {
            path: String::new(),
            origin: Some(name.to_owned()),
            message: format!("not JSON: {err}"),
            kind: ProblemKind::Value,
        };
        vec![problem]
    })?;
    Document::from_json(value)
}

/// The text of a configuration file without its byte order mark.
///
/// # Errors
/// The reason why it can't be read: its kind, its length (8 MB at most) or its encoding.
pub fn read_config_text(path: &Path) -> Result<String, String> {
    read_text(path, LONGEST_CONFIG)
}

/// Reads a file as a document for [`ConfigSource::with_document`]: JSON if its name ends with `.json`, else TOML.
///
/// # Errors
/// Every syntax problem. The text of the file, which may contain secrets, is not quoted.
pub fn read_document(path: &Path) -> Result<serde_json::Value, ConfigProblems> {
    let name = path.display().to_string();
    let mut problems = Problems::default();
    let mut refused = |message: String| problems.add("", Some(&name), message);
    let is_json = is_json(path);
    let document = match read_config_text(path) {
        Err(reason) => {
            refused(format!("can't read the configuration file: {reason}"));
            None
        }
        Ok(text) if is_json => parse_json(text.as_bytes())
            .map_err(|err| refused(format!("not JSON: {err}")))
            .ok(),
        Ok(text) => match Document::from_toml(&text, &name) {
            Ok(document) => Some(serde_json::Value::Object(document.tree)),
            Err(found) => {
                for problem in found {
                    problems.add("", problem.origin.as_deref(), problem.message);
                }
                None
            }
        },
    };
    match document {
        Some(document) => Ok(document),
        None => Err(problems.into_error()),
    }
}

fn machine_warning(raw: &RawSettings) -> Option<String> {
    if raw.instance_id.is_some() {
        return None;
    }
    let (id, lacks_machine_id) = identity::default_instance_id();
    lacks_machine_id.then(|| {
        format!(
            "this system has no /etc/machine-id: instance_id is only the hostname, `{id}`; set instance_id if hostnames are not unique or change"
        )
    })
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "properties.rs"]
mod properties;
