//! What a loss of power leaves of a model of a disk, and what it must leave.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fastrand::Rng;

use super::model_disk::{ModelDisk, Node, Op, Tree};

/// What a sync made durable, by the model: after this number of operations.
#[derive(Debug, Clone)]
pub(super) struct Durable {
    pub after: usize,
    pub path: PathBuf,
    pub content: Arc<[u8]>,
}

/// How kind a loss of power is to what was not synced.
#[derive(Debug, Clone, Copy)]
enum Mood {
    LosesAll,
    KeepsAll,
    /// Chooses for each page of this size, and each name.
    Mixes(usize),
}

impl Mood {
    fn draw(random: &mut Rng) -> Self {
        match random.u8(0..10) {
            0 => Self::LosesAll,
            1 => Self::KeepsAll,
            2..4 => Self::Mixes(512),
            _ => Self::Mixes(4096),
        }
    }

    /// Which of `number` states, from that of the last sync to the newest, is on the disk.
    fn choose(self, number: usize, random: &mut Rng) -> usize {
        match self {
            Self::LosesAll => 0,
            Self::KeepsAll => number - 1,
            Self::Mixes(_) => random.usize(0..number),
        }
    }
}

impl ModelDisk {
    /// The disk after a loss of power that followed the first `after` operations. `random` decides about all that was not synced.
    pub(super) fn lose_power(&self, after: usize, random: &mut Rng) -> Self {
        let model = self.lock();
        let trace = &model.trace[..after];
        let (mut tree, mood) = (Tree::default(), Mood::draw(random));
        for content in 0..model.live.files.len() {
            let start = model.start.files.get(content).cloned().unwrap_or_default();
            tree.files
                .push(torn_content(start, trace, content, mood, random));
        }
        tree.names = torn_names(&model.start.names, trace, mood, random);
        Self::of(tree)
    }
}

fn torn_content(
    start: Vec<u8>,
    trace: &[Op],
    file: usize,
    mood: Mood,
    random: &mut Rng,
) -> Vec<u8> {
    let mut states = vec![start];
    for op in trace {
        let newest = states.len() - 1;
        match op {
            Op::Append(of, bytes) if *of == file => {
                let state = [states[newest].as_slice(), bytes].concat();
                states.push(state);
            }
            Op::Truncate(of, bytes) if *of == file => {
                let mut state = states[newest].clone();
                state.resize(*bytes, 0);
                states.push(state);
            }
            Op::SyncFile(of) if *of == file => {
                states.drain(..newest);
            }
            _ => {}
        }
    }
    if states.len() == 1 {
        return states.remove(0);
    }
    let page_bytes = match mood {
        Mood::Mixes(bytes) => bytes,
        _ => usize::MAX,
    };
    let size = states[mood.choose(states.len(), random)].len();
    let mut content = vec![0; size];
    for (number, page) in content.chunks_mut(page_bytes).enumerate() {
        let state = &states[mood.choose(states.len(), random)];
        let from = state.get(number * page_bytes.min(size)..).unwrap_or(&[]);
        let length = from.len().min(page.len());
        page[..length].copy_from_slice(&from[..length]);
    }
    content
}

fn torn_names(
    start: &BTreeMap<PathBuf, Node>,
    trace: &[Op],
    mood: Mood,
    random: &mut Rng,
) -> BTreeMap<PathBuf, Node> {
    let mut states: BTreeMap<&Path, Vec<Option<Node>>> = BTreeMap::new();
    for (path, node) in start {
        states.insert(path, vec![Some(*node)]);
    }
    for op in trace {
        match op {
            Op::Name(path, node) => {
                states.entry(path).or_insert_with(|| vec![None]).push(*node);
            }
            Op::SyncFolder(folder) => {
                for (_, states) in states
                    .iter_mut()
                    .filter(|(path, _)| path.parent() == Some(folder))
                {
                    states.drain(..states.len() - 1);
                }
            }
            _ => {}
        }
    }
    let mut names = BTreeMap::new();
    for (path, states) in states {
        let Some(node) = states[mood.choose(states.len(), random)] else {
            continue;
        };
        let is_reachable = path.parent().is_none_or(|parent| {
            start.get(path).is_some_and(|_| start.get(parent).is_none())
                || names.contains_key(parent)
        });
        if is_reachable {
            names.insert(path.to_owned(), node);
        }
    }
    names
}

/// All that is durable by the model: what the last sync of each file left, once its name and its folders were synced.
pub(super) fn durable_by_model(disk: &ModelDisk) -> Vec<Durable> {
    let model = disk.lock();
    let mut found = Vec::new();
    let mut content: Vec<Vec<u8>> = model.start.files.clone();
    content.resize(model.live.files.len(), Vec::new());
    let mut synced = content.clone();
    let mut names: BTreeMap<PathBuf, Node> = model.start.names.clone();
    let mut durable_names: BTreeSet<PathBuf> = names.keys().cloned().collect();
    for (index, op) in model.trace.iter().enumerate() {
        let mut changed = Vec::new();
        match op {
            Op::Name(path, Some(node)) => {
                names.insert(path.clone(), *node);
            }
            Op::Name(path, None) => {
                names.remove(path);
                durable_names.remove(path);
            }
            Op::Append(file, bytes) => content[*file].extend(bytes),
            Op::Truncate(file, bytes) => content[*file].resize(*bytes, 0),
            Op::SyncFile(file) => {
                synced[*file] = content[*file].clone();
                changed.extend(names.iter().filter(|(_, node)| **node == Node::File(*file)));
            }
            Op::SyncFolder(folder) => {
                let inside = names
                    .iter()
                    .filter(|(path, _)| path.parent() == Some(folder));
                durable_names.extend(inside.map(|(path, _)| path.clone()));
                changed.extend(names.iter().filter(|(path, _)| path.starts_with(folder)));
            }
        }
        for (path, node) in changed {
            let is_durable = path
                .ancestors()
                .filter(|above| names.contains_key(*above))
                .all(|above| durable_names.contains(above));
            let is_recording = path.extension().is_some_and(|name| name == "mp4");
            if let (Node::File(file), true) = (node, is_durable && is_recording)
                && !synced[*file].is_empty()
            {
                found.push(Durable {
                    after: index + 1,
                    path: path.clone(),
                    content: synced[*file].as_slice().into(),
                });
            }
        }
    }
    found
}
