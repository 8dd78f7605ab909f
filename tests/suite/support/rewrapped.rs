//! A real network with another input and another output, as other exporters write them: nodes are put before and behind its
//! own.
//!
//! What the network finds stays the same, so that a test sees whether the other form is read rightly.

use std::path::PathBuf;

use super::onnx::{FLOAT, head, int, ints, message, node, number, raw, text, value_info};

/// Element type of whole numbers.
const INT64: u64 = 7;
/// Classes of the network.
const CLASSES: usize = 80;
/// Its boxes before duplicates are removed.
const CELLS: usize = 2100;
/// Its input's side.
const SIDE: usize = 320;
/// Rows of an output without duplicates.
const ROWS: usize = 300;

/// The output of a rewrapped network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// 1 × 2100 × 84.
    Yolov8Rows,
    /// 1 × 2100 × 85, with an objectness of 1.
    Yolov5,
    /// 1 × 85 × 2100.
    Yolov5Columns,
    /// 1 × 2100 × 84 with boxes as shares of the picture.
    Yolov8Shares,
    /// 1 × 300 × 6.
    End2end,
    /// Rows × 7.
    End2end7,
    /// 1 × 300 × 84, boxes as shares.
    DetrRows,
    /// `pred_boxes` and `logits`, for a sigmoid.
    DetrSigmoid,
    /// The same for a softmax, with a score for no object.
    DetrSoftmax,
    /// `labels`, `boxes` and `scores`, in pixels of `orig_target_sizes`.
    Dfine,
}

/// What a rewrapped network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Unit,
    Bytes,
    ImageNet,
}

/// The nodes of a part of a graph.
#[derive(Default)]
struct Part {
    nodes: Vec<u8>,
    weights: Vec<u8>,
    inputs: Vec<u8>,
    outputs: Vec<u8>,
    count: usize,
}

impl Part {
    /// Adds a node, and returns its output's name.
    fn op(&mut self, operator: &str, inputs: &[&str], attributes: &[Vec<u8>]) -> String {
        let name = self.name();
        self.nodes.extend(node(operator, inputs, &name, attributes));
        name
    }

    fn name(&mut self) -> String {
        self.count += 1;
        format!("rewrapped{}", self.count)
    }

    fn floats(&mut self, shape: &[usize], values: &[f32]) -> String {
        let name = self.name();
        let tensor = [head(&name, FLOAT, shape), message(9, &raw(values))].concat();
        self.weights.extend(message(5, &tensor));
        name
    }

    fn integers(&mut self, values: &[i64]) -> String {
        let name = self.name();
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let tensor = [head(&name, INT64, &[values.len()]), message(9, &bytes)].concat();
        self.weights.extend(message(5, &tensor));
        name
    }

    /// `from` to `to` of an axis.
    fn slice(&mut self, input: &str, axis: i64, from: usize, to: usize) -> String {
        let parts = [from as i64, to as i64, axis].map(|value| self.integers(&[value]));
        let [starts, ends, axes] = &parts;
        self.op("Slice", &[input, starts, ends, axes], &[])
    }

    fn concat(&mut self, inputs: &[&str], axis: u64) -> String {
        self.op("Concat", inputs, &[int("axis", axis)])
    }

    fn output(&mut self, name: &str, from: &str, element: u64, shape: &[usize]) {
        self.nodes.extend(node("Identity", &[from], name, &[]));
        let described = value_info(name, element, shape);
        self.outputs.extend(message(12, &described));
    }

    /// The same of an output whose number of rows only a run gives.
    fn open_output(&mut self, name: &str, from: &str) {
        self.nodes.extend(node("Identity", &[from], name, &[]));
        let tensor = number(1, FLOAT);
        let described = [text(1, name), message(2, &message(1, &tensor))].concat();
        self.outputs.extend(message(12, &described));
    }
}

/// The file of the network with the given input and output. Its metadata has the names of its classes alone.
pub(crate) fn rewrapped(form: Form, taken: Taken) -> Vec<u8> {
    let original = std::fs::read(original()).expect("the model of the set-up");
    let mut before = Part::default();
    before_input(&mut before, taken);
    let mut behind = Part {
        count: before.count,
        ..Part::default()
    };
    behind_output(&mut behind, form);
    let mut model = Vec::new();
    for (field, content, whole) in fields(&original) {
        match field {
            7 => {
                let graph = fields(content);
                let kept = |wanted: &dyn Fn(u64) -> bool| -> Vec<u8> {
                    let kept = graph.iter().filter(|(field, ..)| wanted(*field));
                    kept.flat_map(|(_, _, whole)| whole.to_vec()).collect()
                };
                let graph = [
                    before.nodes.clone(),
                    // All but its inputs and outputs.
                    kept(&|field| field != 11 && field != 12),
                    behind.nodes.clone(),
                    before.weights.clone(),
                    behind.weights.clone(),
                    before.inputs.clone(),
                    behind.inputs.clone(),
                    behind.outputs.clone(),
                ];
                model.extend(message(7, &graph.concat()));
            }
            14 => {
                let key = fields(content);
                if key.first().is_some_and(|(_, key, _)| *key == b"names") {
                    model.extend(whole);
                }
            }
            _ => model.extend(whole),
        }
    }
    model
}

fn original() -> PathBuf {
    nvr::base::cache_dir().join("models/yolo12n-320/model.onnx")
}

fn before_input(part: &mut Part, taken: Taken) {
    let shape = [1, 3, SIDE, SIDE];
    if taken == Taken::Unit {
        part.inputs = message(11, &value_info("images", FLOAT, &shape));
        return;
    }
    part.inputs = message(11, &value_info("pictures", FLOAT, &shape));
    // The network itself takes 0 to 1.
    let (factor, offset) = match taken {
        Taken::ImageNet => ([0.229, 0.224, 0.225], [0.485, 0.456, 0.406]),
        _ => ([1.0 / 255.0; 3], [0.0; 3]),
    };
    let factor = part.floats(&[1, 3, 1, 1], &factor);
    let offset = part.floats(&[1, 3, 1, 1], &offset);
    let scaled = part.op("Mul", &["pictures", &factor], &[]);
    part.nodes
        .extend(node("Add", &[&scaled, &offset], "images", &[]));
}

fn behind_output(part: &mut Part, form: Form) {
    let rows = part.op("Transpose", &["output0"], &[ints("perm", &[0, 2, 1])]);
    let boxes = part.slice(&rows, 2, 0, 4);
    let scores = part.slice(&rows, 2, 4, 4 + CLASSES);
    let side = part.floats(&[1], &[SIDE as f32]);
    match form {
        Form::Yolov8Rows => part.output("out", &rows, FLOAT, &[1, CELLS, 4 + CLASSES]),
        Form::Yolov8Shares => {
            let shares = part.op("Div", &[&boxes, &side], &[]);
            let both = part.concat(&[&shares, &scores], 2);
            part.output("out", &both, FLOAT, &[1, CELLS, 4 + CLASSES]);
        }
        Form::Yolov5 | Form::Yolov5Columns => {
            let ones = part.floats(&[1, CELLS, 1], &[1.0; CELLS]);
            let all = part.concat(&[&boxes, &ones, &scores], 2);
            if form == Form::Yolov5 {
                part.output("out", &all, FLOAT, &[1, CELLS, 5 + CLASSES]);
            } else {
                let columns = part.op("Transpose", &[&all], &[ints("perm", &[0, 2, 1])]);
                part.output("out", &columns, FLOAT, &[1, 5 + CLASSES, CELLS]);
            }
        }
        _ => without_duplicates(part, form, [&rows, &boxes, &scores, &side]),
    }
}

/// The forms whose rows are the ones that a removal of duplicates keeps.
fn without_duplicates(part: &mut Part, form: Form, [rows, boxes, scores, side]: [&str; 4]) {
    let by_class = part.op("Transpose", &[scores], &[ints("perm", &[0, 2, 1])]);
    let most = part.integers(&[50]);
    let overlap = part.floats(&[1], &[0.5]);
    let least = part.floats(&[1], &[0.1]);
    // Picture, class and cell of each row.
    let chosen = part.op(
        "NonMaxSuppression",
        &[boxes, &by_class, &most, &overlap, &least],
        &[int("center_point_box", 1)],
    );
    let cell = part.slice(&chosen, 1, 2, 3);
    let last = part.integers(&[1]);
    let cells = part.op("Squeeze", &[&cell, &last], &[]);
    let kept = part.op("Gather", &[rows, &cells], &[int("axis", 1)]);
    let nothing = part.floats(&[1, ROWS, 4 + CLASSES], &vec![0.0; ROWS * (4 + CLASSES)]);
    let padded = part.concat(&[&kept, &nothing], 1);
    let first = part.slice(&padded, 1, 0, ROWS);
    let (boxes, scores) = (
        part.slice(&first, 2, 0, 4),
        part.slice(&first, 2, 4, 4 + CLASSES),
    );
    let shares = part.op("Div", &[&boxes, side], &[]);
    let half = part.floats(&[1], &[0.5]);
    let centre = part.slice(&boxes, 2, 0, 2);
    let extent = part.slice(&boxes, 2, 2, 4);
    let halves = part.op("Mul", &[&extent, &half], &[]);
    let low = part.op("Sub", &[&centre, &halves], &[]);
    let high = part.op("Add", &[&centre, &halves], &[]);
    let corners = part.concat(&[&low, &high], 2);
    let axis = part.integers(&[2]);
    let best = part.op("ReduceMax", &[&scores, &axis], &[int("keepdims", 1)]);
    let class = part.op("ArgMax", &[&scores], &[int("axis", 2), int("keepdims", 1)]);
    let class_number = part.op("Cast", &[&class], &[int("to", FLOAT)]);
    match form {
        Form::End2end => {
            let all = part.concat(&[&corners, &best, &class_number], 2);
            part.output("out", &all, FLOAT, &[1, ROWS, 6]);
        }
        Form::End2end7 => {
            let zero = part.floats(&[1, ROWS, 1], &[0.0; ROWS]);
            let all = part.concat(&[&zero, &corners, &class_number, &best], 2);
            let first = part.integers(&[0]);
            let rows = part.op("Squeeze", &[&all, &first], &[]);
            part.open_output("out", &rows);
        }
        Form::DetrRows => {
            let all = part.concat(&[&shares, &scores], 2);
            part.output("out", &all, FLOAT, &[1, ROWS, 4 + CLASSES]);
        }
        Form::DetrSigmoid | Form::DetrSoftmax => {
            let least = part.floats(&[], &[1e-5]);
            let most = part.floats(&[], &[1.0 - 1e-5]);
            let one = part.floats(&[1], &[1.0]);
            let probability = part.op("Clip", &[&scores, &least, &most], &[]);
            let log = part.op("Log", &[&probability], &[]);
            let logits = if form == Form::DetrSigmoid {
                let rest = part.op("Sub", &[&one, &probability], &[]);
                let log_rest = part.op("Log", &[&rest], &[]);
                part.op("Sub", &[&log, &log_rest], &[])
            } else {
                let best = part.op("Clip", &[&best, &least, &most], &[]);
                let rest = part.op("Sub", &[&one, &best], &[]);
                let nothing = part.op("Log", &[&rest], &[]);
                part.concat(&[&log, &nothing], 2)
            };
            part.output("pred_boxes", &shares, FLOAT, &[1, ROWS, 4]);
            let columns = CLASSES + usize::from(form == Form::DetrSoftmax);
            part.output("logits", &logits, FLOAT, &[1, ROWS, columns]);
        }
        Form::Dfine => {
            part.inputs = message(11, &value_info("orig_target_sizes", INT64, &[1, 2]));
            let of_picture = part.op("Cast", &["orig_target_sizes"], &[int("to", FLOAT)]);
            let twice = part.concat(&[&of_picture, &of_picture], 1);
            let in_shares = part.op("Div", &[&corners, side], &[]);
            let pixels = part.op("Mul", &[&in_shares, &twice], &[]);
            let labels = part.op("Squeeze", &[&class, &axis], &[]);
            let scores = part.op("Squeeze", &[&best, &axis], &[]);
            part.output("labels", &labels, INT64, &[1, ROWS]);
            part.output("boxes", &pixels, FLOAT, &[1, ROWS, 4]);
            part.output("scores", &scores, FLOAT, &[1, ROWS]);
        }
        _ => unreachable!("its duplicates stay"),
    }
}

/// The fields of a protobuf message: number, content and the whole field.
fn fields(bytes: &[u8]) -> Vec<(u64, &[u8], &[u8])> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let begin = at;
        let tag = varint(bytes, &mut at);
        let content = match tag & 7 {
            0 => {
                let start = at;
                varint(bytes, &mut at);
                start..at
            }
            2 => {
                let length = varint(bytes, &mut at) as usize;
                at += length;
                at - length..at
            }
            5 => {
                at += 4;
                at - 4..at
            }
            1 => {
                at += 8;
                at - 8..at
            }
            other => panic!("wire type {other}"),
        };
        found.push((tag >> 3, &bytes[content], &bytes[begin..at]));
    }
    found
}

fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
