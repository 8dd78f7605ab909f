#!/usr/bin/env python3
"""Makes a YOLO12 ONNX file of another input size out of one of 640x640: resize_yolo12.py IN.onnx OUT.onnx SIZE

The weights are convolutions and do not care for the size; what does is written into the exported graph as constants: the
shapes that the area attention reshapes to, the anchor centres and the strides of the head. They are computed anew here,
and a file that holds anything else than the shapes expected of YOLO12 is refused. Needs the Python package `onnx`.
The same input gives the same bytes, so that the result's SHA-256 can be pinned.
"""

import sys

import numpy as np
import onnx
from onnx import numpy_helper

OLD = 640
STRIDES = (8, 16, 32)


def anchors(size):
    """Centres of the head's cells in cells, shape (1, 2, N), and each one's stride, shape (1, N)."""
    centres, strides = [], []
    for stride in STRIDES:
        cells = size // stride
        x, y = np.meshgrid(np.arange(cells) + 0.5, np.arange(cells) + 0.5)
        centres.append(np.stack([x.ravel(), y.ravel()]))
        strides.append(np.full(cells * cells, stride))
    return np.concatenate(centres, 1)[None].astype(np.float32), np.concatenate(strides)[None].astype(np.float32)


def resized_shapes(size):
    """The constant shapes of reshapes that depend on the input size: old -> new."""
    def shapes(s):
        n16, n32, total = (s // 16) ** 2, (s // 32) ** 2, sum((s // k) ** 2 for k in STRIDES)
        return [
            (4, n16 // 4, 2, 96), (1, s // 16, s // 16, 64),    # attention over four areas, stride 16
            (1, n32, 4, 96), (1, s // 32, s // 32, 128),        # attention over the whole, stride 32
            (1, 4, 16, total), (1, 4, total),                   # distribution focal loss
        ]
    return dict(zip(shapes(OLD), shapes(size)))


def resize(model, size):
    shapes = resized_shapes(size)
    (old_centres, old_strides), (centres, strides) = anchors(OLD), anchors(size)
    changed = {key: 0 for key in [*shapes, "centres", "strides"]}
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.int64 and value.ndim == 1 and tuple(value.tolist()) in shapes:
            key = tuple(value.tolist())
            new = np.array(shapes[key], dtype=np.int64)
        elif value.shape == old_centres.shape and np.array_equal(value, old_centres):
            key, new = "centres", centres
        elif value.size == old_strides.size and np.array_equal(value.reshape(old_strides.shape), old_strides):
            key, new = "strides", strides
        else:
            continue
        tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))
        changed[key] += 1
    missing = [str(key) for key, count in changed.items() if count == 0]
    if missing:
        sys.exit(f"not a YOLO12 export of {OLD}x{OLD}: no constant {', '.join(missing)} in it")

    (image,), (output,) = model.graph.input, model.graph.output
    for axis in (2, 3):
        image.type.tensor_type.shape.dim[axis].dim_value = size
    output.type.tensor_type.shape.dim[2].dim_value = centres.shape[2]
    del model.graph.value_info[:]  # shapes of what flows between, inferred by every engine itself
    for entry in model.metadata_props:
        if entry.key == "imgsz":
            entry.value = f"[{size}, {size}]"


def main():
    source, target, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if size % 64 != 0:
        sys.exit(f"the size must be a multiple of 64, got {size}")
    model = onnx.load(source)
    resize(model, size)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model, strict_mode=True))
    with open(target, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
