//! The check of a fleet: each device's document as the device would check it, and what only the whole fleet shows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fleet_file::FleetFile;
use super::fleet_reader::DeviceEntry;
use super::layers::Merged;
use super::render::{Rendered, document, render};
use super::{LintProblem, LintProblems};
use crate::base::SourceId;
use crate::fleet::{BodySources, CheckedBodies, Desired, DocumentError, codes, instance_id};

/// The checked documents of a fleet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Linted {
    /// The document of each device, with generation 1 and without a base.
    pub documents: BTreeMap<String, Desired>,
    /// Problems that stop nothing.
    pub warnings: Vec<LintProblem>,
}

impl Linted {
    /// The number of devices in words.
    pub fn summary(&self) -> String {
        super::operation::devices(self.documents.len())
    }
}

/// Renders the documents of `devices` and checks each as a device would. Logins in plain text are problems unless they are
/// allowed. Checks of the whole fleet see every device of the file.
///
/// # Errors
/// Every problem at once.
pub fn lint(
    fleet: &FleetFile,
    devices: &[&DeviceEntry],
    allow_plain_secrets: bool,
) -> Result<Linted, LintProblems> {
    let mut lint = Lint {
        fleet,
        sources: BodySources::of_desk(),
        problems: Vec::new(),
        linted: Linted::default(),
        claims: BTreeMap::new(),
        instances: BTreeMap::new(),
    };
    for device in &fleet.devices {
        let is_selected = devices.iter().any(|one| one.id == device.id);
        lint.device(device, is_selected, allow_plain_secrets);
    }
    if lint.problems.is_empty() {
        Ok(lint.linted)
    } else {
        Err(LintProblems::new(lint.problems))
    }
}

struct Lint<'a> {
    fleet: &'a FleetFile,
    sources: BodySources,
    problems: Vec<LintProblem>,
    linted: Linted,
    /// The devices that analyse each source.
    claims: BTreeMap<SourceId, String>,
    /// The devices whose role has each name on the broker.
    instances: BTreeMap<(&'static str, String), String>,
}

impl Lint<'_> {
    fn device(&mut self, device: &DeviceEntry, is_selected: bool, allow_plain_secrets: bool) {
        let Rendered { merged, problems } = render(self.fleet, device);
        let had = self.problems.len();
        for problem in problems {
            let (message, origin) = (problem.message, self.fleet.toml.origin(&problem.path));
            let origin = origin.map(str::to_owned);
            let problem = LintProblem {
                devices: vec![device.id.clone()],
                path: problem.path,
                code: "unknown-variable".to_owned(),
                message,
                origin,
            };
            if is_selected {
                add(&mut self.problems, problem);
            }
        }
        let checked = document(&device.id, &merged.body)
            .and_then(|desired| self.sources.check(&desired).map(|bodies| (desired, bodies)));
        match checked {
            // A text with an unknown variable has failed already.
            Err(_) if self.problems.len() > had => {}
            Err(_) if !is_selected => {}
            Err(errors) => {
                for error in errors.iter() {
                    let problem = self.placed(device, &merged, error);
                    add(&mut self.problems, problem);
                }
            }
            Ok((desired, bodies)) => {
                self.name(device, &merged, &desired, is_selected);
                self.claim(device, &merged, &bodies, is_selected);
                if is_selected {
                    self.accept(device, &merged, desired, bodies, allow_plain_secrets);
                }
            }
        }
    }

    fn accept(
        &mut self,
        device: &DeviceEntry,
        merged: &Merged,
        desired: Desired,
        bodies: CheckedBodies,
        allow_plain_secrets: bool,
    ) {
        for warning in &bodies.warnings {
            let problem = self.placed(device, merged, warning);
            let is_fault = warning.code == codes::PLAIN_SECRET && !allow_plain_secrets;
            let list = match is_fault {
                true => &mut self.problems,
                false => &mut self.linted.warnings,
            };
            add(list, problem);
        }
        if !desired.models.is_empty() && !desired.role.has_processor() {
            let message = "no processor runs on this device, which alone uses models; remove them, or correct the role";
            let warning = DocumentError::new("models", "unused-models", message);
            let problem = self.placed(device, merged, &warning);
            add(&mut self.linted.warnings, problem);
        }
        self.linted.documents.insert(device.id.clone(), desired);
    }

    /// A broker has one client of a name: it ends the connection of the former one.
    fn name(
        &mut self,
        device: &DeviceEntry,
        merged: &Merged,
        desired: &Desired,
        is_selected: bool,
    ) {
        for role in desired.bodies().into_iter().filter(|role| role.is_run) {
            let instance = instance_id(role.body, &device.id);
            let role = role.name;
            let key = (role, instance.to_owned());
            let other = self.instances.insert(key, device.id.clone());
            if let Some(other) = other.filter(|_| is_selected) {
                let message = format!(
                    "the {role} of {other} is {instance} as well; instance ids are unique on a broker"
                );
                let path = format!("{role}.instance_id");
                let error = DocumentError::new(path, "instance-named-twice", message);
                let problem = self.placed(device, merged, &error);
                add(&mut self.problems, problem);
            }
        }
    }

    /// A source has one processor: of two that claim it, the later one is refused on the broker.
    fn claim(
        &mut self,
        device: &DeviceEntry,
        merged: &Merged,
        bodies: &CheckedBodies,
        is_selected: bool,
    ) {
        let Some(processor) = &bodies.processor else {
            return;
        };
        let cameras = merged
            .body
            .get("processor")
            .and_then(|body| body.get("camera")?.as_array());
        let place = |id: SourceId| {
            let is_it =
                |camera: &Value| camera.get("id").and_then(Value::as_u64) == Some(id.0.into());
            cameras.and_then(|cameras| cameras.iter().position(is_it))
        };
        for id in processor.settings.sources.keys().copied() {
            let Some(other) = self.claims.insert(id, device.id.clone()) else {
                continue;
            };
            if is_selected {
                let message = format!(
                    "the source {id} is analysed by {other} as well; ids of cameras are unique on a broker"
                );
                let path = match place(id) {
                    Some(index) => format!("processor.camera[{index}].id"),
                    None => "processor.camera".to_owned(),
                };
                let error = DocumentError::new(path, "source-claimed-twice", message);
                let problem = self.placed(device, merged, &error);
                add(&mut self.problems, problem);
            }
        }
    }

    fn placed(&self, device: &DeviceEntry, merged: &Merged, error: &DocumentError) -> LintProblem {
        let own = || device.layer.at.as_str();
        let source = merged.source(&error.path).unwrap_or_else(own);
        LintProblem {
            devices: vec![device.id.clone()],
            path: error.path.clone(),
            code: error.code.to_string(),
            message: error.message.clone(),
            origin: self.fleet.toml.origin(source).map(str::to_owned),
        }
    }
}

/// Adds a problem, or its device to the same problem of other devices.
fn add(problems: &mut Vec<LintProblem>, problem: LintProblem) {
    let is_same = |known: &&mut LintProblem| {
        (&known.path, &known.code, &known.message, &known.origin)
            == (
                &problem.path,
                &problem.code,
                &problem.message,
                &problem.origin,
            )
    };
    match problems.iter_mut().find(is_same) {
        Some(known) => known.devices.extend(problem.devices),
        None => problems.push(problem),
    }
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
