//! Tiny ONNX networks with a known output: `constant + slope × mean brightness`, in any detection format.
//!
//! An ONNX file is a protobuf; the field numbers are those of `onnx.proto3`. The networks use only the operators ReduceMean, Mul
//! and Add of opset 13, which every engine supports.

use nvr::base::{BBox, Size};
use nvr::detect::OutputFormat;

/// Element types of tensors.
pub(super) const FLOAT: u64 = 1;
const FLOAT16: u64 = 10;

/// A network with a fixed set of objects.
#[derive(Debug, Clone)]
pub(crate) struct TinyNetwork {
    pub(crate) input: Size,
    /// The output's dimensions.
    pub(crate) shape: [usize; 3],
    /// Its value for a black picture.
    pub(crate) constant: Vec<f32>,
    /// The addition for a white picture, whose brightness is 1 with an input range of 0-1.
    pub(crate) slope: Vec<f32>,
    /// Metadata, as written by exporters.
    pub(crate) metadata: Vec<(String, String)>,
}

/// An object in the output of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TinyObject {
    /// In pixels of the input.
    pub(crate) bbox: BBox,
    pub(crate) class: usize,
    /// Its score in a black and in a white picture.
    pub(crate) score: [f32; 2],
}

impl TinyNetwork {
    /// A network that finds `objects`, in the given format.
    pub(crate) fn finding(
        format: OutputFormat,
        input: Size,
        classes: usize,
        objects: &[TinyObject],
    ) -> Self {
        let cells = |stride: u32| ((input.width / stride) * (input.height / stride)) as usize;
        let boxes = match format {
            OutputFormat::End2end => 10,
            OutputFormat::Yolov8 | OutputFormat::Yolox => cells(8) + cells(16) + cells(32),
            other => panic!("{other}: rewrap a real network for it"),
        };
        let shape = match format {
            OutputFormat::Yolov8 => [1, 4 + classes, boxes],
            OutputFormat::Yolox => [1, boxes, 5 + classes],
            _ => [1, boxes, 6],
        };
        let mut constant = vec![0.0; shape.iter().product()];
        let mut slope = constant.clone();
        for (index, object) in objects.iter().enumerate() {
            let BBox {
                x,
                y,
                width,
                height,
            } = object.bbox;
            let [black, white] = object.score;
            let mut set = |at: usize, values: [f32; 2]| {
                constant[at] = values[0];
                slope[at] = values[1] - values[0];
            };
            let fixed = |value: f32| [value, value];
            match format {
                OutputFormat::Yolov8 => {
                    for (row, value) in [x, y, width, height].into_iter().enumerate() {
                        set(row * boxes + index, fixed(value));
                    }
                    set((4 + object.class) * boxes + index, [black, white]);
                }
                OutputFormat::Yolox => {
                    // In the first line of the grid of stride 8.
                    let row = index * (5 + classes);
                    let place = [x / 8.0 - index as f32, y / 8.0];
                    let size = [(width / 8.0).ln(), (height / 8.0).ln()];
                    let values = [place[0], place[1], size[0], size[1], 1.0];
                    for (column, value) in values.into_iter().enumerate() {
                        set(row + column, fixed(value));
                    }
                    set(row + 5 + object.class, [black, white]);
                }
                _ => {
                    let [left, top, right, bottom] = object.bbox.corners();
                    for (column, value) in [left, top, right, bottom].into_iter().enumerate() {
                        set(index * 6 + column, fixed(value));
                    }
                    set(index * 6 + 4, [black, white]);
                    set(index * 6 + 5, fixed(object.class as f32));
                }
            }
        }
        Self {
            input,
            shape,
            constant,
            slope,
            metadata: Vec::new(),
        }
    }

    /// The ONNX file.
    pub(crate) fn onnx(&self) -> Vec<u8> {
        self.written(FLOAT, |name, values| {
            [head(name, FLOAT, &self.shape), message(9, &raw(values))].concat()
        })
    }

    /// The ONNX file of the same network with 16-bit floats.
    pub(crate) fn onnx_half(&self) -> Vec<u8> {
        self.written(FLOAT16, |name, values| {
            let half = |value: &f32| half::f16::from_f32(*value).to_le_bytes();
            let raw: Vec<u8> = values.iter().flat_map(half).collect();
            [head(name, FLOAT16, &self.shape), message(9, &raw)].concat()
        })
    }

    /// The ONNX file whose weights lie in others: `constant` and `slope` from `offset` on in the file of that name.
    pub(crate) fn onnx_beside(&self, constant: &str, slope: &str, offset: u64) -> Vec<u8> {
        self.written(FLOAT, |name, values| {
            let location = if name == "constant" { constant } else { slope };
            let length = 4 * values.len() as u64;
            external(name, &self.shape, location, offset, length)
        })
    }

    /// The ONNX file of the same network, whose output passes an operator that ONNX Runtime has beyond ONNX's. It changes nothing.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn onnx_for_onnxruntime_alone(&self) -> Vec<u8> {
        const DOMAIN: &str = "com.microsoft";
        let content = [
            text(1, "sum"),
            text(2, "output0"),
            text(3, "echo"),
            text(4, "SampleOp"),
            text(7, DOMAIN),
        ];
        let nodes = [
            node("Add", &["lit", "constant"], "sum", &[]),
            message(1, &content.concat()),
        ];
        let mut model = self.with_end(FLOAT, &nodes.concat(), |name, values| {
            [head(name, FLOAT, &self.shape), message(9, &raw(values))].concat()
        });
        model.extend(message(8, &[text(1, DOMAIN), number(2, 1)].concat()));
        model
    }

    fn written(&self, element: u64, weights: impl Fn(&str, &[f32]) -> Vec<u8>) -> Vec<u8> {
        let end = node("Add", &["lit", "constant"], "output0", &[]);
        self.with_end(element, &end, weights)
    }

    /// The model whose last nodes, which make `output0` of `lit`, are `end`.
    fn with_end(
        &self,
        element: u64,
        end: &[u8],
        weights: impl Fn(&str, &[f32]) -> Vec<u8>,
    ) -> Vec<u8> {
        let input = [1, 3, self.input.height as usize, self.input.width as usize];
        let graph = [
            node(
                "ReduceMean",
                &["images"],
                "columns",
                &[ints("axes", &[2, 3]), int("keepdims", 0)],
            ),
            node(
                "ReduceMean",
                &["columns"],
                "brightness",
                &[ints("axes", &[1]), int("keepdims", 1)],
            ),
            node("Mul", &["brightness", "slope"], "lit", &[]),
            end.to_vec(),
            text(2, "tiny"),
            message(5, &weights("slope", &self.slope)),
            message(5, &weights("constant", &self.constant)),
            message(11, &value_info("images", element, &input)),
            message(12, &value_info("output0", element, &self.shape)),
        ]
        .concat();
        let mut model = [
            number(1, 8),
            text(2, "tests"),
            message(7, &graph),
            message(8, &[text(1, ""), number(2, 13)].concat()),
        ]
        .concat();
        for (key, value) in &self.metadata {
            model.extend(message(14, &[text(1, key), text(2, value)].concat()));
        }
        model
    }
}

pub(super) fn node(
    operator: &str,
    inputs: &[&str],
    output: &str,
    attributes: &[Vec<u8>],
) -> Vec<u8> {
    let mut content: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    content.extend(text(2, output));
    content.extend(text(3, output));
    content.extend(text(4, operator));
    for attribute in attributes {
        content.extend(message(5, attribute));
    }
    message(1, &content)
}

pub(super) fn int(name: &str, value: u64) -> Vec<u8> {
    [text(1, name), number(3, value), number(20, 2)].concat()
}

pub(super) fn ints(name: &str, values: &[u64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|value| number(8, *value)).collect();
    [text(1, name), values, number(20, 7)].concat()
}

fn external(name: &str, shape: &[usize], location: &str, offset: u64, length: u64) -> Vec<u8> {
    let entry = |key: &str, value: &str| message(13, &[text(1, key), text(2, value)].concat());
    [
        head(name, FLOAT, shape),
        entry("location", location),
        entry("offset", &offset.to_string()),
        entry("length", &length.to_string()),
        number(14, 1),
    ]
    .concat()
}

pub(super) fn head(name: &str, element: u64, shape: &[usize]) -> Vec<u8> {
    let dims: Vec<u8> = shape
        .iter()
        .flat_map(|dim| number(1, *dim as u64))
        .collect();
    [dims, number(2, element), text(8, name)].concat()
}

/// Numbers as a file of weights has them.
pub(crate) fn raw(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

pub(super) fn value_info(name: &str, element: u64, shape: &[usize]) -> Vec<u8> {
    let dims: Vec<u8> = shape
        .iter()
        .flat_map(|dim| message(1, &number(1, *dim as u64)))
        .collect();
    let tensor = [number(1, element), message(2, &dims)].concat();
    [text(1, name), message(2, &message(1, &tensor))].concat()
}

pub(super) fn number(field: u64, value: u64) -> Vec<u8> {
    let mut bytes = varint(field << 3);
    bytes.extend(varint(value));
    bytes
}

pub(super) fn text(field: u64, value: &str) -> Vec<u8> {
    message(field, value.as_bytes())
}

pub(super) fn message(field: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(field << 3 | 2);
    bytes.extend(varint(content.len() as u64));
    bytes.extend_from_slice(content);
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
