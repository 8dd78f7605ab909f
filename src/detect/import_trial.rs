//! Reads the built-in picture with each possible manifest of a network that is being imported, and compares what they find.

use super::contract::Contract;
use super::manifest::Manifest;
use super::network::{Network, detect_once};
use super::reference::{self, Score};
use super::{DetectError, InstalledModel, Thresholds, labels};

/// Confidence that a known object must have.
const THRESHOLDS: Thresholds = Thresholds {
    confidence: 0.25,
    iou: 0.45,
};
/// Readings whose mean confidences differ by less are equally good.
const EQUAL_CONFIDENCE: f32 = 0.05;

/// A manifest, and what a model with it finds in the built-in picture.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) manifest: Manifest,
    pub(super) score: Score,
}

/// Runs `network` on the built-in picture with each of `manifests` that the picture can judge. The first that finds all
/// known objects ends the search among those of the same output: the usual input comes first.
///
/// # Errors
/// If the network can't run.
pub(super) fn judge(
    network: &mut dyn Network,
    id: &str,
    manifests: Vec<Manifest>,
) -> Result<Vec<Judged>, DetectError> {
    let mut judged: Vec<Judged> = Vec::new();
    for manifest in manifests {
        let Ok(names) = manifest.labels.names() else {
            continue;
        };
        let labels = labels::shared(names.iter().map(String::as_str));
        let (size, padding) = (manifest.input_size(), manifest.input.frame_padding());
        let is_found = judged.iter().any(|other| {
            other.manifest.output == manifest.output
                && other.manifest.labels == manifest.labels
                && other.score.is_full()
        });
        if is_found || !reference::can_judge(&labels, size) {
            continue;
        }
        let model = InstalledModel {
            id: id.to_owned(),
            manifest_path: Default::default(),
            weights_dir: Default::default(),
            manifest,
        };
        let contract = Contract::new(network.inputs(), network.outputs(), &model, labels.clone());
        let Ok(mut contract) = contract else {
            // Another number of classes than this reading needs.
            continue;
        };
        let canvas = reference::drawn(size, padding)?;
        let Some(picture) = canvas.picture() else {
            continue;
        };
        let mut tensor = vec![0.0; contract.numbers()];
        let found = detect_once(network, &mut contract, &mut tensor, &picture, THRESHOLDS)?;
        judged.push(Judged {
            manifest: model.manifest,
            score: Score::of(&found, &labels),
        });
    }
    Ok(judged)
}

/// The reading that finds the most; none if none finds a known object, or two with different outputs are equally good.
pub(super) fn best(judged: &[Judged]) -> Option<&Judged> {
    let rank = |one: &Judged| (one.score.objects(), one.score.confidence());
    let best = judged
        .iter()
        // Of equals the last one wins, and the usual reading is the first.
        .rev()
        .filter(|one| one.score.is_good())
        .max_by(|one, other| {
            let (one, other) = (rank(one), rank(other));
            one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
        })?;
    let (objects, confidence) = rank(best);
    let has_rival = judged.iter().any(|other| {
        let is_other = other.manifest.output != best.manifest.output
            || other.manifest.labels != best.manifest.labels;
        let difference = confidence - other.score.confidence();
        is_other
            && other.score.objects() == objects
            && difference < EQUAL_CONFIDENCE * objects as f32
    });
    (!has_rival).then_some(best)
}
