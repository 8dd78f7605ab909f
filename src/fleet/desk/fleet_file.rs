//! The file of a fleet: broker, variables, defaults, groups and devices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::DeskError;
use super::fleet_reader::{DeviceEntry, Layer, Reader};
use crate::config::{ConfigProblems, Environment, MqttFlags, MqttSettings, TomlFile, did_you_mean};

/// A fleet, as its file describes it.
#[derive(Debug, Clone)]
pub struct FleetFile {
    path: PathBuf,
    pub(super) toml: TomlFile,
    pub(super) vars: Map<String, Value>,
    pub(super) defaults: Layer,
    pub(super) groups: BTreeMap<String, Layer>,
    /// The devices in the order of the file.
    pub devices: Vec<DeviceEntry>,
}

/// Some of the devices. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Ids of devices.
    pub devices: Vec<String>,
    /// Names of groups.
    pub groups: Vec<String>,
}

impl FleetFile {
    /// Reads a file and checks its structure. The documents are checked by [`lint`](super::lint()).
    ///
    /// # Errors
    /// Every problem at once, each with its line.
    pub fn read(path: &Path) -> Result<Self, ConfigProblems> {
        Self::of(TomlFile::read(path)?, path)
    }

    /// Takes a text; `path` is the name of the file in messages.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigProblems> {
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::of(
            TomlFile::parse(text, &path.display().to_string(), base)?,
            path,
        )
    }

    fn of(toml: TomlFile, path: &Path) -> Result<Self, ConfigProblems> {
        let mut reader = Reader {
            toml: &toml,
            problems: Vec::new(),
        };
        let tree = toml.tree();
        reader.keys(tree, "", &["broker", "vars", "defaults", "group", "device"]);
        let vars = reader.vars(tree.get("vars"), "vars");
        let defaults = reader.layer(tree.get("defaults"), "defaults", &[]);
        let mut groups = BTreeMap::new();
        for (name, group) in reader.table(tree.get("group"), "group") {
            let at = format!("group.{name}");
            groups.insert(name.clone(), reader.layer(Some(&group), &at, &[]));
        }
        let devices = reader.devices(tree.get("device"), &groups);
        let problems = reader.problems;
        ConfigProblems::or(
            problems,
            Self {
                path: path.to_owned(),
                vars,
                defaults,
                groups,
                devices,
                toml: toml.clone(),
            },
        )
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings of the broker. Environment variables and options override the file.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn broker(
        &self,
        flags: &MqttFlags,
        environment: &Environment,
    ) -> Result<MqttSettings, ConfigProblems> {
        self.toml.broker("broker", flags, environment)
    }

    /// The selected devices in the order of the file.
    ///
    /// # Errors
    /// When a device or group is unknown, or nothing is selected.
    pub fn select(&self, selection: &Selection) -> Result<Vec<&DeviceEntry>, DeskError> {
        let ids: BTreeSet<&str> = self.devices.iter().map(|device| &*device.id).collect();
        let groups: Vec<&str> = self.groups.keys().map(String::as_str).collect();
        for id in &selection.devices {
            if !ids.contains(&**id) {
                let known: Vec<&str> = ids.iter().copied().collect();
                let guess = did_you_mean(id, &known);
                return Err(DeskError::Usage(format!(
                    "{} has no device `{id}`; {guess}`nvr fleet lint` lists them",
                    self.path.display()
                )));
            }
        }
        for name in &selection.groups {
            if !self.groups.contains_key(name) {
                return Err(DeskError::Usage(format!(
                    "{} has no group `{name}`; {}known are {}",
                    self.path.display(),
                    did_you_mean(name, &groups),
                    groups.join(", ")
                )));
            }
        }
        let all = selection.devices.is_empty() && selection.groups.is_empty();
        let is_selected = |device: &&DeviceEntry| {
            let in_group = || {
                device
                    .groups
                    .iter()
                    .any(|name| selection.groups.contains(name))
            };
            all || selection.devices.contains(&device.id) || in_group()
        };
        let selected: Vec<&DeviceEntry> = self.devices.iter().filter(is_selected).collect();
        if selected.is_empty() {
            let path = self.path.display();
            return Err(DeskError::Usage(format!(
                "{path} has no such devices; add [[device]] tables"
            )));
        }
        Ok(selected)
    }
}

#[cfg(test)]
#[path = "fleet_file_tests.rs"]
mod tests;
