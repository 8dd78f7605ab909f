//! The meaning of an imported network's output: its format and its classes. Nothing is guessed: if the file, the
//! options and a run leave a doubt, the import is refused with the possible formats and the option that decides.

use std::path::{Path, PathBuf};

use super::decode::yolox_cells;
use super::error::dims;
use super::evidence::by_run;
use super::manifest::{ColorOrder, KnownLabels, LabelSource, OutputFormat, Range};
use super::network::Network;
use super::onnx_file::OnnxFile;
use super::output_layout::{OutputLayout, by_metadata, candidates, classes_of, is_worth_a_run};
use super::plausibility::contradiction;
use super::{COCO80, class_names};
use crate::base::Size;

/// Class names, and their origin.
pub(super) type Names = (Vec<String>, &'static str);

/// Maximum length of a metadata excerpt in a message.
const EXCERPT: usize = 60;

/// The file to import, and facts that it does not state.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// The ONNX file.
    pub file: PathBuf,
    /// The id of the new model.
    pub id: String,
    /// The class names; if absent, from the file's metadata or, for 80 classes, COCO's.
    pub labels: Option<Vec<String>>,
    /// The format of the output; if absent, from its shape, the metadata and a run. Refused if these leave a doubt.
    pub format: Option<OutputFormat>,
    /// The conversion of a byte; if absent, the usual one of the format.
    pub range: Option<Range>,
    /// The order of channels; if absent, the usual one of the format.
    pub color_order: Option<ColorOrder>,
    /// The size of the input; only for files that leave it open.
    pub size: Option<Size>,
    /// The licence of the weights.
    pub license: Option<String>,
    /// The origin of the weights.
    pub source: Option<String>,
}

/// The tensors of a network that is being imported.
pub(super) struct Tensors {
    pub(super) input: Size,
    pub(super) input_dims: [usize; 4],
    /// The index of the output.
    pub(super) output: usize,
    /// The dimensions of the output.
    pub(super) shape: Vec<usize>,
}

/// Whether the ONNX file at `path` has class names.
pub fn names_classes(path: &Path) -> bool {
    OnnxFile::read(path).is_ok_and(|file| file.metadata.contains_key("names"))
}

/// The class names from the option or the metadata; none if both are absent.
pub(super) fn names_of(
    request: &ImportRequest,
    file: &Result<OnnxFile, String>,
) -> Result<Option<Names>, String> {
    if let Some(names) = &request.labels {
        return Ok(Some((names.clone(), "--labels names")));
    }
    let found = match file {
        Ok(file) => file.metadata.get("names"),
        Err(reason) => {
            return Err(format!(
                "its metadata can't be read ({reason}); name its classes with --labels"
            ));
        }
    };
    match found {
        None => Ok(None),
        Some(Err(reason)) => Err(format!(
            "the class names in its metadata can't be read ({reason}); name its classes with --labels"
        )),
        Some(Ok(text)) => match class_names::parse(text) {
            Ok(names) => Ok(Some((names, "the file names"))),
            Err(reason) => Err(format!(
                "the class names in its metadata can't be read: {reason}, in `{}`; name its classes with --labels",
                excerpt(text)
            )),
        },
    }
}

impl Tensors {
    /// The output's format.
    pub(super) fn format(
        &self,
        request: &ImportRequest,
        network: &mut dyn Network,
        file: Option<&OnnxFile>,
        names: Option<&Names>,
    ) -> Result<OutputFormat, String> {
        if let Some(format) = request.format {
            return match classes_of(format, &self.shape, self.input) {
                Ok(_) => Ok(format),
                Err(()) => Err(format!(
                    "--output-format {format} needs {}, but its output is {}",
                    self.needed(format),
                    self.found()
                )),
            };
        }
        let all = candidates(&self.shape, self.input, None);
        let named = names.map(|(names, _)| candidates(&self.shape, self.input, Some(names.len())));
        if all.is_empty() && named.as_ref().is_none_or(Vec::is_empty) {
            return Err(format!(
                "its output should be {}, {} or {}, but is {}; name the format with --output-format if it is one of them \
                 all the same",
                self.needed(OutputFormat::Yolov8),
                self.needed(OutputFormat::Yolox),
                self.needed(OutputFormat::End2end),
                self.found()
            ));
        }
        let fitting = match names.zip(named) {
            Some(((names, whence), fitting)) => {
                if fitting.is_empty() {
                    return Err(format!(
                        "{whence} {}, but its output, {}, can only be {}",
                        counted(names.len()),
                        self.found(),
                        self.listed(&all)
                    ));
                }
                fitting
            }
            // Without names, the number of classes may identify a known list.
            None => {
                let mut fitting = candidates(&self.shape, self.input, Some(COCO80.len()));
                fitting.retain(|layout| self.classes(*layout) == Some(COCO80.len()));
                if fitting.is_empty() {
                    return Err(format!(
                        "its output, {}, can be {}, and it names no classes; name them with --labels",
                        self.found(),
                        self.listed(&all)
                    ));
                }
                fitting
            }
        };
        self.decide(request, network, file, fitting)
    }

    fn decide(
        &self,
        request: &ImportRequest,
        network: &mut dyn Network,
        file: Option<&OnnxFile>,
        fitting: Vec<OutputLayout>,
    ) -> Result<OutputFormat, String> {
        let by_file = file.map_or_else(
            || fitting.clone(),
            |file| by_metadata(fitting.clone(), file),
        );
        // Metadata that contradicts the shape is ignored.
        let mut left = if by_file.is_empty() { fitting } else { by_file };
        let usual = if left.contains(&OutputLayout::Yolox) {
            Range::Bytes
        } else {
            Range::Unit
        };
        let range = request.range.unwrap_or(usual);
        let mut proven = None;
        if is_worth_a_run(&left) {
            proven = self.run_on_noise(network, range, |shape, numbers| {
                by_run(&left, shape, numbers, self.input)
            })?;
        }
        if let Some(layout) = proven {
            left = vec![layout];
        }
        if let [layout] = left[..]
            && let Some(format) = layout.format()
        {
            if proven.is_none() {
                self.check_by_run(network, range, format)?;
            }
            return Ok(format);
        }
        let readable: Vec<String> = left
            .iter()
            .filter_map(|layout| layout.format())
            .map(|format| format!("--output-format {format}"))
            .collect();
        if readable.is_empty() {
            return Err(format!(
                "its output, {}, is that of {}, which can't be read; export it as yolov8 or with its duplicates removed \
                 (end2end), or name the format with --output-format if it is yolov8, yolox or end2end all the same",
                self.found(),
                self.listed(&left)
            ));
        }
        Err(format!(
            "its output, {}, can be {}, and nothing in the file tells which; if you know that it is, say {} (the others \
             can't be read)",
            self.found(),
            self.listed(&left),
            readable.join(" or ")
        ))
    }

    /// Refuses a network whose numbers contradict the format that its shape and its metadata leave.
    fn check_by_run(
        &self,
        network: &mut dyn Network,
        range: Range,
        format: OutputFormat,
    ) -> Result<(), String> {
        let reason = self.run_on_noise(network, range, |shape, numbers| {
            contradiction(format, shape, numbers, self.input)
        })?;
        match reason {
            None => Ok(()),
            Some(reason) => Err(format!(
                "its output, {}, has the shape of {format}, but in a run on noise {reason}; export it in that format, with \
                 boxes in pixels and scores from 0 to 1, or say --output-format {format} if it has it all the same",
                self.found()
            )),
        }
    }

    /// What `judge` finds in the output of a run on noise.
    fn run_on_noise<T>(
        &self,
        network: &mut dyn Network,
        range: Range,
        judge: impl Fn(&[usize], &[f32]) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let scale = match range {
            Range::Bytes => 255.0,
            Range::Unit => 1.0,
        };
        let mut rng = fastrand::Rng::with_seed(1);
        let noise: Vec<f32> = std::iter::repeat_with(|| rng.f32() * scale)
            .take(self.input_dims.iter().product())
            .collect();
        let mut found = None;
        network
            .run(
                &noise,
                self.input_dims,
                self.output,
                &mut |shape, numbers| {
                    found = judge(shape, numbers);
                    Ok(())
                },
            )
            .map_err(|message| format!("a run on noise failed: {message}"))?
            .map_err(|error| error.to_string())?;
        Ok(found)
    }

    /// The class names for an output in this format.
    pub(super) fn labels(
        &self,
        format: OutputFormat,
        names: Option<Names>,
    ) -> Result<LabelSource, String> {
        let classes = classes_of(format, &self.shape, self.input).unwrap_or_default();
        let found = self.found();
        let is_coco = |names: &[String]| names.iter().map(String::as_str).eq(COCO80);
        match (names, classes) {
            (Some((names, whence)), Some(classes)) if names.len() != classes => Err(format!(
                "{whence} {}, but its output, {found} as {format}, has {classes}",
                counted(names.len())
            )),
            (Some((names, _)), _) if is_coco(&names) => Ok(LabelSource::Known(KnownLabels::Coco80)),
            (Some((names, _)), _) => Ok(LabelSource::Inline(names)),
            (None, Some(80)) => Ok(LabelSource::Known(KnownLabels::Coco80)),
            (None, Some(classes)) => Err(format!(
                "its output, {found} as {format}, has {}; name them with --labels",
                counted(classes)
            )),
            (None, None) => Err(format!(
                "its output, {found} as {format}, does not state its classes; name them with --labels"
            )),
        }
    }

    fn found(&self) -> String {
        dims(&self.shape)
    }

    fn classes(&self, layout: OutputLayout) -> Option<usize> {
        match self.shape[..] {
            [1, rows, columns] => layout.classes(rows, columns, self.input).ok().flatten(),
            _ => None,
        }
    }

    /// `yolox (1 class), end2end or RT-DETR (2 classes)`.
    fn listed(&self, layouts: &[OutputLayout]) -> String {
        let all: Vec<String> = layouts
            .iter()
            .map(|layout| layout.described(&self.shape, self.input))
            .collect();
        match all.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, before)) => format!("{} or {last}", before.join(", ")),
            None => String::new(),
        }
    }

    fn needed(&self, format: OutputFormat) -> String {
        match format {
            OutputFormat::Yolov8 => "1x(4+classes)xN (yolov8)".to_owned(),
            OutputFormat::Yolox => format!(
                "1x{}x(5+classes) (yolox at {})",
                yolox_cells(self.input),
                self.input
            ),
            OutputFormat::End2end => "1xNx6 (end2end)".to_owned(),
        }
    }
}

fn counted(classes: usize) -> String {
    if classes == 1 {
        "1 class".to_owned()
    } else {
        format!("{classes} classes")
    }
}

fn excerpt(text: &str) -> String {
    let mut characters = text
        .chars()
        .map(|found| if found.is_control() { ' ' } else { found });
    let mut shown: String = characters.by_ref().take(EXCERPT).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}
