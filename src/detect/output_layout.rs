//! The possible layouts of an output tensor: those that fit its shape, the number of classes and the exporter's
//! metadata. A shape alone is not sufficient: 1x25200x6 and 1x300x6 each fit several layouts. `evidence` decides by a
//! run.

use super::decode::yolox_cells;
use super::manifest::OutputFormat;
use super::onnx_file::OnnxFile;
use crate::base::Size;

/// A known layout of one output tensor. This program reads those that have a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OutputLayout {
    /// [`OutputFormat::Yolov8`].
    Yolov8,
    /// [`OutputFormat::Yolox`].
    Yolox,
    /// [`OutputFormat::End2end`].
    End2end,
    /// [`OutputFormat::End2end7`].
    End2end7,
    /// 1 × boxes × (5 + classes), boxes in pixels, one per cell.
    DecodedCells,
    /// 1 × boxes × (5 + classes), three boxes per cell.
    Anchors,
    /// 1 × (5 + classes) × boxes.
    AnchorsTurned,
    /// 1 × boxes × (4 + classes).
    Yolov8Turned,
    /// 1 × boxes × 6, one box per cell: left, top, right, bottom, score, class, with duplicates.
    DeepStream,
    /// 1 × queries × (4 + classes), boxes as shares of the picture.
    Detr,
    /// 1 × 6 × boxes.
    End2endTurned,
    /// 1 × (4 + classes + 1) × boxes: the box's angle is the last row.
    Oriented,
    /// 1 × (4 + classes + 32) × boxes: coefficients of masks are the last rows.
    Masks,
    /// 1 × (4 + classes + keypoints) × boxes.
    Keypoints,
    /// 1 × boxes × 5: left, top, right, bottom, score. The classes are another output.
    ScoredBoxes,
}

use OutputLayout::{
    Anchors, AnchorsTurned, DecodedCells, DeepStream, Detr, End2end, End2end7, End2endTurned,
    Keypoints, Masks, Oriented, ScoredBoxes, Yolov8, Yolov8Turned, Yolox,
};

const ALL: [OutputLayout; 15] = [
    Yolov8,
    Yolox,
    End2end,
    End2end7,
    DecodedCells,
    Anchors,
    AnchorsTurned,
    Yolov8Turned,
    DeepStream,
    Detr,
    End2endTurned,
    Oriented,
    Masks,
    Keypoints,
    ScoredBoxes,
];

/// Strides of the grids that detection networks have.
pub(super) const GRIDS: [&[u32]; 4] = [&[8, 16, 32], &[16, 32], &[4, 8, 16, 32], &[8, 16, 32, 64]];
/// Maximum number of classes that is accepted if the number is not known: LVIS has 1203.
const MOST_CLASSES: usize = 1500;
/// The minimum number of keypoint rows, those of a face: five keypoints, each with a position and a score.
const FEWEST_KEYPOINT_ROWS: usize = 15;
/// The minimum number of queries of a network with a query decoder.
const FEWEST_QUERIES: usize = 50;
/// The maximum number of rows of a network that removes duplicates itself.
const MOST_SELECTED: usize = 3000;

impl OutputLayout {
    /// Its format, if this program can read it.
    pub(super) fn format(self) -> Option<OutputFormat> {
        match self {
            Yolov8 | Yolov8Turned => Some(OutputFormat::Yolov8),
            Yolox => Some(OutputFormat::Yolox),
            End2end => Some(OutputFormat::End2end),
            End2end7 => Some(OutputFormat::End2end7),
            DecodedCells | Anchors | AnchorsTurned => Some(OutputFormat::Yolov5),
            Detr => Some(OutputFormat::Detr),
            _ => None,
        }
    }

    /// The number of classes in an output of `rows` × `columns`; none if the shape does not tell, an error if the shape
    /// does not fit this layout.
    pub(super) fn classes(
        self,
        rows: usize,
        columns: usize,
        input: Size,
    ) -> Result<Option<usize>, ()> {
        let (cells, other_cells) = (is_grid(rows, 1, input), is_grid(columns, 1, input));
        let (anchors, other_anchors) = (is_grid(rows, 3, input), is_grid(columns, 3, input));
        let none = |fits: bool| if fits { Ok(None) } else { Err(()) };
        let some = |fits: bool, side: usize, geometry: usize| match side.checked_sub(geometry) {
            Some(classes @ 1..) if fits => Ok(Some(classes)),
            _ => Err(()),
        };
        match self {
            Yolov8 => some(other_cells || columns > rows, rows, 4),
            Yolox => some(rows == yolox_cells(input), columns, 5),
            DecodedCells => some(cells, columns, 5),
            Anchors => some(anchors, columns, 5),
            AnchorsTurned => some(other_anchors || other_cells, rows, 5),
            Yolov8Turned => some(cells, columns, 4),
            Detr => some(
                !cells && !anchors && !other_cells && rows >= FEWEST_QUERIES,
                columns,
                4,
            ),
            End2end => none(columns == 6 && !cells && !anchors && rows <= MOST_SELECTED),
            End2end7 => none(columns == 7 && !cells && !anchors && rows <= MOST_SELECTED),
            DeepStream => none(columns == 6 && (cells || anchors)),
            End2endTurned => none(
                rows == 6
                    && !other_cells
                    && !other_anchors
                    && (7..=MOST_SELECTED).contains(&columns),
            ),
            Oriented => some(other_cells, rows, 5),
            Masks => some(other_cells, rows, 36),
            // The number of keypoints is not known: the names must give the number of classes.
            Keypoints => none(other_cells),
            ScoredBoxes => none(columns == 5 && !cells && !anchors),
        }
    }

    /// Whether an output of `shape` fits this layout, with the number of classes if it is known.
    fn fits(self, shape: &[usize], input: Size, known: Option<usize>) -> bool {
        let (rows, columns) = match *shape {
            [1, rows, columns] => (rows, columns),
            [rows, columns] if self == End2end7 => (rows, columns),
            _ => return false,
        };
        let Ok(classes) = self.classes(rows, columns, input) else {
            return false;
        };
        match (classes, known) {
            (Some(classes), Some(known)) => classes == known,
            (Some(classes), None) => classes <= MOST_CLASSES,
            (None, Some(known)) if self == Keypoints => rows
                .checked_sub(4 + known)
                .is_some_and(|rest| rest >= FEWEST_KEYPOINT_ROWS && rest % 3 == 0),
            (None, None) => self != Keypoints,
            (None, Some(_)) => true,
        }
    }

    /// Its name for people, with the number of classes of an output of `shape`.
    pub(super) fn described(self, shape: &[usize], input: Size) -> String {
        let name = match self {
            Yolov8 => "yolov8",
            Yolox => "yolox",
            End2end => "end2end",
            End2end7 => "end2end7",
            DecodedCells => "YOLOX with decode_in_inference or YOLOv6",
            Anchors => "YOLOv5 or YOLOv7",
            AnchorsTurned => "YOLOv5 or YOLOv7 with its axes exchanged",
            Yolov8Turned => "YOLOv8 with its axes exchanged",
            DeepStream => "DeepStream-Yolo",
            Detr => "RT-DETR",
            End2endTurned => "end2end with its axes exchanged",
            Oriented => "YOLOv8-obb",
            Masks => "YOLOv8-seg",
            Keypoints => "YOLOv8-pose",
            ScoredBoxes => "mmdetection with its classes in another output",
        };
        let classes = match *shape {
            [1, rows, columns] => self.classes(rows, columns, input).ok().flatten(),
            _ => None,
        };
        match classes {
            Some(1) => format!("{name} (1 class)"),
            Some(classes) => format!("{name} ({classes} classes)"),
            None => name.to_owned(),
        }
    }
}

/// The number of classes of an output of `shape` in a format; none if the shape does not tell.
///
/// # Errors
/// If the shape does not fit the format.
pub(super) fn classes_of(
    format: OutputFormat,
    shape: &[usize],
    input: Size,
) -> Result<Option<usize>, ()> {
    let (rows, columns) = match *shape {
        [1, rows, columns] => (rows, columns),
        [_, 7] if format == OutputFormat::End2end7 => return Ok(None),
        _ => return Err(()),
    };
    let beyond = |side: usize, geometry: usize| {
        let classes = side.checked_sub(geometry);
        classes.filter(|classes| *classes > 0).map(Some)
    };
    match format {
        // Boxes are more than their numbers, as a rule.
        OutputFormat::Yolov8 => beyond(shorter(rows, columns, input), 4),
        OutputFormat::Yolov5 if rows == columns => beyond(columns, 5),
        OutputFormat::Yolov5 => beyond(shorter(rows, columns, input), 5),
        OutputFormat::Yolox if rows == yolox_cells(input) => beyond(columns, 5),
        OutputFormat::End2end if columns == 6 => Some(None),
        OutputFormat::End2end7 if columns == 7 => Some(None),
        OutputFormat::Detr => beyond(columns, 4),
        _ => None,
    }
    .ok_or(())
}

/// The side that has the numbers of a box, if the other has the boxes: the one that is no number of cells, or the shorter
/// one.
fn shorter(rows: usize, columns: usize, input: Size) -> usize {
    let is_boxes = |side: usize| is_grid(side, 1, input) || is_grid(side, 3, input);
    match (is_boxes(rows), is_boxes(columns)) {
        (true, false) => columns,
        (false, true) => rows,
        _ => rows.min(columns),
    }
}

/// All layouts that fit an output of `shape`, with the number of classes if it is known.
pub(super) fn candidates(
    shape: &[usize],
    input: Size,
    classes: Option<usize>,
) -> Vec<OutputLayout> {
    ALL.into_iter()
        .filter(|layout| layout.fits(shape, input, classes))
        .collect()
}

/// The candidates that agree with the exporter's metadata. Only Ultralytics' metadata is sufficient: it has the task,
/// whether duplicates are removed inside, and the family of the network.
pub(super) fn by_metadata(mut candidates: Vec<OutputLayout>, file: &OnnxFile) -> Vec<OutputLayout> {
    let says = |key: &str| file.text(key).map(str::to_ascii_lowercase);
    let is_true = |text: &str| matches!(text, "true" | "1" | "yes");
    let removes_duplicates = says("end2end").as_deref().map(is_true);
    let args = says("args").unwrap_or_default();
    let nms = says("nms").as_deref().map(is_true).unwrap_or_default()
        || args.replace(' ', "").contains("'nms':true");
    if removes_duplicates == Some(true) || nms {
        candidates.retain(|layout| matches!(layout, End2end | End2endTurned));
        return candidates;
    }
    if file.text("author") != Some("Ultralytics") {
        return candidates;
    }
    candidates.retain(|layout| {
        matches!(
            layout,
            Yolov8 | End2end | Detr | Oriented | Masks | Keypoints
        )
    });
    let description = says("description")
        .unwrap_or_default()
        .replace(['-', '_'], "");
    let is_detr = description.contains("rtdetr");
    let selects = description.contains("yolov10");
    candidates.retain(|layout| match layout {
        Detr => is_detr || !description.contains("yolo"),
        End2end => !is_detr && (selects || removes_duplicates != Some(false)),
        _ => !is_detr && !selects,
    });
    candidates
}

/// Whether the metadata of a file is sufficient to know its format: the exporter names the task and the kind of the output.
pub(super) fn metadata_decides(file: &OnnxFile) -> bool {
    file.text("author") == Some("Ultralytics") || file.text("end2end").is_some()
}

/// The refusal of a network of Ultralytics that is not for detection. Its output may have the shape of another format.
pub(super) fn other_task(file: &OnnxFile) -> Option<String> {
    const OTHERS: [&str; 4] = ["segment", "pose", "obb", "classify"];
    let task = file.text("task")?.trim();
    let is_other = file.text("author") == Some("Ultralytics") && OTHERS.contains(&task);
    is_other.then(|| {
        format!(
            "it is a network for the task `{task}`, as its metadata says, and only `detect` can be read; export one that \
             was trained for detection"
        )
    })
}

/// Whether one of the candidates can be read, and a run can decide between them.
pub(super) fn is_worth_a_run(candidates: &[OutputLayout]) -> bool {
    candidates.len() > 1 && candidates.iter().any(|layout| layout.format().is_some())
}

pub(super) fn cells(strides: &[u32], input: Size) -> usize {
    strides
        .iter()
        .map(|stride| (input.width / stride) as usize * (input.height / stride) as usize)
        .sum()
}

/// Whether `count` is `each` boxes per cell of a usual set of grids.
fn is_grid(count: usize, each: usize, input: Size) -> bool {
    count > 0
        && GRIDS
            .iter()
            .any(|strides| each * cells(strides, input) == count)
}

#[cfg(test)]
#[path = "output_layout_tests.rs"]
mod tests;
