//! The meaning of an imported network's output: its format and its classes. Nothing is guessed: if the file, the
//! options and a run leave a doubt, the import is refused with the possible formats and the option that decides.

use std::path::Path;

use super::decode::yolox_cells;
use super::error::dims;
use super::import_request::ImportRequest;
use super::import_tensors::PictureInput;
use super::manifest::{KnownLabels, LabelSource, OutputFormat};
use super::onnx_file::OnnxFile;
use super::output_layout::{OutputLayout, by_metadata, candidates, classes_of, metadata_decides};
use super::{COCO80, class_names};

/// Class names, and their origin.
pub(super) type Names = (Vec<String>, &'static str);

/// Maximum length of a metadata excerpt in a message.
const EXCERPT: usize = 60;

/// The tensors of a network that is being imported.
pub(super) struct Tensors {
    pub(super) input: PictureInput,
    /// The index of the output that has everything.
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

/// The layouts of one output that its shape, the class names and the metadata leave.
pub(super) struct Candidates {
    pub(super) layouts: Vec<OutputLayout>,
    /// Whether the exporter's metadata decides, so that a run need not.
    pub(super) by_metadata: bool,
}

impl Candidates {
    /// The formats that this program can read.
    pub(super) fn formats(&self) -> Vec<OutputFormat> {
        let mut formats = Vec::new();
        for format in self.layouts.iter().filter_map(|layout| layout.format()) {
            if !formats.contains(&format) {
                formats.push(format);
            }
        }
        formats
    }
}

impl Tensors {
    /// Checks that the output may have the format that the options state.
    ///
    /// # Errors
    /// With the shape that it needs, and the one that is there.
    pub(super) fn check(&self, format: OutputFormat) -> Result<(), String> {
        classes_of(format, &self.shape, self.input.size)
            .map(|_| ())
            .map_err(|()| {
                format!(
                    "--output-format {format} needs {}, but its output is {}",
                    self.needed(format),
                    self.found()
                )
            })
    }

    /// The output's possible layouts.
    ///
    /// # Errors
    /// If there are none, or if they contradict the class names.
    pub(super) fn candidates(
        &self,
        file: Option<&OnnxFile>,
        names: Option<&Names>,
    ) -> Result<Candidates, String> {
        let size = self.input.size;
        let all = candidates(&self.shape, size, None);
        let named = names.map(|(names, _)| candidates(&self.shape, size, Some(names.len())));
        if all.is_empty() && named.as_ref().is_none_or(Vec::is_empty) {
            let needed = [
                OutputFormat::Yolov8,
                OutputFormat::Yolov5,
                OutputFormat::Yolox,
                OutputFormat::End2end,
                OutputFormat::End2end7,
            ];
            let needed = needed.map(|format| self.needed(format)).join(", ");
            return Err(format!(
                "its output should be one of {needed}, but is {}; name the format with --output-format if it is one of them \
                 all the same",
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
                let mut fitting = candidates(&self.shape, size, Some(COCO80.len()));
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
        let by_file = file.map_or_else(Vec::new, |file| by_metadata(fitting.clone(), file));
        let decides = file.is_some_and(metadata_decides) && by_file.len() == 1;
        Ok(Candidates {
            // Metadata that contradicts the shape is ignored.
            layouts: if by_file.is_empty() { fitting } else { by_file },
            by_metadata: decides,
        })
    }

    /// The class names for an output in this format.
    pub(super) fn labels(
        &self,
        format: OutputFormat,
        names: Option<Names>,
    ) -> Result<LabelSource, String> {
        let classes = classes_of(format, &self.shape, self.input.size).unwrap_or_default();
        let found = self.found();
        match (names, classes) {
            (Some((names, whence)), Some(classes)) if names.len() != classes => Err(format!(
                "{whence} {}, but its output, {found} as {format}, has {classes}",
                counted(names.len())
            )),
            (Some((names, _)), _) => Ok(LabelSource::of(&names)),
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

    pub(super) fn found(&self) -> String {
        dims(&self.shape)
    }

    fn classes(&self, layout: OutputLayout) -> Option<usize> {
        match self.shape[..] {
            [1, rows, columns] => layout
                .classes(rows, columns, self.input.size)
                .ok()
                .flatten(),
            _ => None,
        }
    }

    /// `yolox (1 class), end2end or RT-DETR (2 classes)`.
    pub(super) fn listed(&self, layouts: &[OutputLayout]) -> String {
        let all: Vec<String> = layouts
            .iter()
            .map(|layout| layout.described(&self.shape, self.input.size))
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
            OutputFormat::Yolov5 => "1xNx(5+classes) (yolov5)".to_owned(),
            OutputFormat::Yolox => format!(
                "1x{}x(5+classes) (yolox at {})",
                yolox_cells(self.input.size),
                self.input.size
            ),
            OutputFormat::End2end => "1xNx6 (end2end)".to_owned(),
            OutputFormat::End2end7 => "Nx7 (end2end7)".to_owned(),
            OutputFormat::Detr => {
                "1xNx4 and 1xNxclasses in two outputs, or 1xNx(4+classes) (detr)".to_owned()
            }
            OutputFormat::Dfine => "the outputs labels, boxes and scores (dfine)".to_owned(),
        }
    }
}

pub(super) fn counted(classes: usize) -> String {
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
