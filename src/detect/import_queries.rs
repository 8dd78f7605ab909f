//! Networks whose boxes and scores are different outputs: the pair of a network of queries (DETR, RF-DETR, and RT-DETR
//! or D-FINE as exported by Hugging Face), and the triple of RT-DETR and D-FINE as their own repositories export them.

use super::error::dims;
use super::import_output::{Names, counted};
use super::import_request::ImportRequest;
use super::import_tensors::{KnownOutput, PictureInput};
use super::manifest::{Activation, KnownLabels, LabelSource, Output, OutputFormat};
use super::network::Network;

/// Parts of the names of tensors with scores.
const SCORE_NAMES: [&str; 6] = ["logit", "score", "label", "class", "cls", "prob"];
/// Shares of the picture are at most 1, those of noise a little more.
const LARGEST_SHARE: f32 = 2.0;
/// The share of queries that must agree.
const NEARLY_ALL: f64 = 0.9;

/// The outputs that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Together {
    /// Boxes and scores.
    Pair {
        boxes: KnownOutput,
        scores: KnownOutput,
    },
    /// `labels`, `boxes` and `scores`.
    Triple,
}

impl Together {
    /// Finds them; none if one output has everything.
    pub(super) fn of(outputs: &[KnownOutput]) -> Option<Self> {
        let named = |name: &str| outputs.iter().find(|output| output.name == name);
        if let (Some(labels), Some(boxes), Some(scores)) =
            (named("labels"), named("boxes"), named("scores"))
            && let ([1, one], [1, two, 4], [1, three]) =
                (&labels.shape[..], &boxes.shape[..], &scores.shape[..])
            && one == two
            && one == three
        {
            return Some(Self::Triple);
        }
        let rows = |output: &KnownOutput| match output.shape[..] {
            [1, rows, columns] if output.is_f32 => Some((rows, columns)),
            _ => None,
        };
        let is_scores = |output: &KnownOutput| {
            let name = output.name.to_ascii_lowercase();
            SCORE_NAMES.iter().any(|part| name.contains(part))
        };
        let boxes = outputs
            .iter()
            .filter(|output| rows(output).is_some_and(|(_, columns)| columns == 4))
            .min_by_key(|output| is_scores(output))?;
        let (queries, _) = rows(boxes)?;
        let others: Vec<&KnownOutput> = outputs
            .iter()
            .filter(|output| output.index != boxes.index)
            .filter(|output| rows(output).is_some_and(|(rows, _)| rows == queries))
            .collect();
        let named: Vec<&&KnownOutput> = others.iter().filter(|output| is_scores(output)).collect();
        let scores = match (&named[..], &others[..]) {
            ([scores], _) => *scores,
            ([], [scores]) => scores,
            _ => return None,
        };
        Some(Self::Pair {
            boxes: boxes.clone(),
            scores: (*scores).clone(),
        })
    }

    /// Their format.
    pub(super) fn format(&self) -> OutputFormat {
        match self {
            Self::Pair { .. } => OutputFormat::Detr,
            Self::Triple => OutputFormat::Dfine,
        }
    }

    /// The possible readings: outputs with labels.
    ///
    /// # Errors
    /// If the numbers of a run on noise can't be read, or the number of classes does not fit.
    pub(super) fn readings(
        &self,
        request: &ImportRequest,
        network: &mut dyn Network,
        input: &PictureInput,
        names: Option<&Names>,
    ) -> Result<Vec<(Output, LabelSource)>, String> {
        let Self::Pair { boxes, scores } = self else {
            let labels = match names {
                Some((names, _)) => LabelSource::of(names),
                None => LabelSource::Known(KnownLabels::Coco80),
            };
            return Ok(vec![(OutputFormat::Dfine.into(), labels)]);
        };
        let columns = scores.shape[2];
        let kind = kind_of_scores(network, input, boxes, scores)?;
        let activations: Vec<Option<Activation>> = match (request.activation, kind) {
            (Some(said), _) => vec![Some(said)],
            (None, Kind::Probabilities) => vec![None],
            (None, Kind::Sigmoid) => vec![Some(Activation::Sigmoid)],
            (None, Kind::Softmax) => vec![Some(Activation::Softmax)],
            (None, Kind::Logits) => vec![Some(Activation::Sigmoid), Some(Activation::Softmax)],
        };
        let mut readings = Vec::new();
        for activation in activations {
            // How many of the columns may be no class.
            let unused: &[usize] = match activation {
                None => &[0],
                Some(Activation::Sigmoid) => &[0, 1],
                Some(Activation::Softmax) => &[1],
            };
            let fits = |classes: usize| unused.iter().any(|unused| classes + unused == columns);
            let labels = match names {
                Some((names, _)) if fits(names.len()) => LabelSource::of(names),
                Some(_) => continue,
                None if fits(80) => LabelSource::Known(KnownLabels::Coco80),
                None if fits(91) => LabelSource::Known(KnownLabels::Coco91),
                None => continue,
            };
            let output = Output {
                name: Some(boxes.name.clone()),
                format: OutputFormat::Detr,
                scores: Some(scores.name.clone()),
                activation,
            };
            readings.push((output, labels));
        }
        if readings.is_empty() {
            let found = format!(
                "`{}`, {}, has {columns} scores of each box",
                scores.name,
                dims(&scores.shape)
            );
            return Err(match names {
                Some((names, whence)) => format!("{whence} {}, but {found}", counted(names.len())),
                None => format!("{found}; name the classes with --labels"),
            });
        }
        Ok(readings)
    }
}

/// What the scores are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Probabilities,
    /// Nearly all are below 0: a network that is trained with a sigmoid finds nothing in noise.
    Sigmoid,
    /// The last one of each query, that of no object, is the largest.
    Softmax,
    Logits,
}

/// Determines the kind of the scores by a run on noise.
fn kind_of_scores(
    network: &mut dyn Network,
    input: &PictureInput,
    boxes: &KnownOutput,
    scores: &KnownOutput,
) -> Result<Kind, String> {
    let noise = input.noise(1.0);
    let columns = scores.shape[2].max(1);
    let mut found = None;
    let wanted = [boxes.index, scores.index];
    network
        .run(&input.feed(&noise), &wanted, &mut |outputs| {
            if let [boxes, scores] = outputs {
                let are_shares = boxes.numbers.iter().all(|side| side.abs() <= LARGEST_SHARE);
                found = are_shares.then(|| kind(scores.numbers, columns));
            }
            Ok(())
        })
        .map_err(|message| format!("a run on noise failed: {message}"))?
        .map_err(|error| error.to_string())?;
    found.ok_or_else(|| {
        format!(
            "its boxes in `{}` are in pixels and its scores in another output, `{}`, as YOLO-NAS and SSD have them, which \
             can't be read; export it with its duplicates removed (end2end)",
            boxes.name, scores.name
        )
    })
}

fn kind(scores: &[f32], columns: usize) -> Kind {
    if scores.iter().all(|score| (-0.01..=1.01).contains(score)) {
        return Kind::Probabilities;
    }
    let rows = || scores.chunks_exact(columns);
    let share = |agrees: &dyn Fn(&[f32]) -> bool| {
        rows().filter(|row| agrees(row)).count() as f64 / rows().count().max(1) as f64
    };
    let is_lowest = |row: &[f32]| row.iter().all(|score| *score < 0.0);
    let ends_highest = |row: &[f32]| match row.split_last() {
        Some((last, others)) => others.iter().all(|score| score < last),
        None => false,
    };
    match (
        share(&is_lowest) >= NEARLY_ALL,
        share(&ends_highest) >= NEARLY_ALL,
    ) {
        (true, false) => Kind::Sigmoid,
        (false, true) => Kind::Softmax,
        _ => Kind::Logits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(index: usize, name: &str, shape: &[usize]) -> KnownOutput {
        KnownOutput {
            index,
            name: name.to_owned(),
            shape: shape.to_vec(),
            is_f32: true,
        }
    }

    fn pair(outputs: &[KnownOutput]) -> Option<(usize, usize)> {
        match Together::of(outputs)? {
            Together::Pair { boxes, scores } => Some((boxes.index, scores.index)),
            Together::Triple => None,
        }
    }

    #[test]
    fn boxes_and_scores_are_found_whatever_else_there_is() {
        let boxes = output(0, "dets", &[1, 300, 4]);
        let scores = output(1, "labels", &[1, 300, 91]);
        assert_eq!(pair(&[boxes.clone(), scores.clone()]), Some((0, 1)));
        let hidden = output(2, "last_hidden_state", &[1, 300, 256]);
        let masks = output(3, "masks", &[1, 300, 96, 96]);
        assert_eq!(
            pair(&[boxes.clone(), scores, hidden.clone(), masks]),
            Some((0, 1))
        );
        // Two that may be scores.
        let other = output(1, "a", &[1, 300, 80]);
        assert_eq!(pair(&[boxes.clone(), other.clone(), hidden]), None);
        assert_eq!(pair(&[boxes, other]), Some((0, 1)));
        // Four classes.
        let logits = output(0, "logits", &[1, 100, 4]);
        let of_boxes = output(1, "pred_boxes", &[1, 100, 4]);
        assert_eq!(pair(&[logits, of_boxes]), Some((1, 0)));
        assert_eq!(pair(&[output(0, "output0", &[1, 84, 8400])]), None);
        assert_eq!(pair(&[output(0, "output0", &[1, 300, 4])]), None);
    }

    #[test]
    fn labels_boxes_and_scores_of_one_length_are_a_triple() {
        let mut outputs = [
            output(0, "labels", &[1, 300]),
            output(1, "boxes", &[1, 300, 4]),
            output(2, "scores", &[1, 300]),
        ];
        assert_eq!(Together::of(&outputs), Some(Together::Triple));
        outputs[2].shape = vec![1, 200];
        assert_eq!(Together::of(&outputs), None);
    }

    #[test]
    fn numbers_tell_what_the_scores_are() {
        assert_eq!(
            kind(&[0.1, 0.9, 0.0, 0.0, 0.2, 0.3], 3),
            Kind::Probabilities
        );
        assert_eq!(
            kind(&[-4.0, -5.0, -3.0, -2.0, -4.0, -4.0], 3),
            Kind::Sigmoid
        );
        assert_eq!(kind(&[-4.0, -5.0, 3.0, 0.5, -4.0, 4.0], 3), Kind::Softmax);
        assert_eq!(kind(&[-4.0, 5.0, 3.0, 0.5, -4.0, 4.0], 3), Kind::Logits);
        assert_eq!(kind(&[-4.0, -5.0, -3.0, -4.0, -5.0, -3.0], 3), Kind::Logits);
    }
}
