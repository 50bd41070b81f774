"""What a network costs, read off its .onnx file: parameters and multiply-adds.

Counted on the file, so that networks of any origin are counted alike, without PyTorch.
"""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime

from featheredge.errors import WeightsError
from featheredge.onnx_runtime import onnx_session, session_options
from featheredge.tiling import round_up

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_UNCOUNTED = ("Gemm", "MatMul", "Einsum", "LSTM", "GRU")  # what would be missed without a word


@dataclass(frozen=True)
class Cost:
    """Numbers that were trained, and multiply-adds for one picture."""

    num_params: int
    multiply_adds: int


def count(file: Path, height: int, width: int, stride: int) -> Cost:
    """Count a weights file's parameters, and multiply-adds of its convolutions for one picture.

    Args:
        file: A weights file, as `featheredge export` writes it.
        height: Pixels.
        width: Pixels.
        stride: A network that takes no other sizes is counted at the next multiples of this,
            which is what pictures are padded to for it.

    Raises:
        WeightsError: The file cannot be read, a layer's size does not follow from the picture's,
            or layers other than convolutions multiply by weights.
    """
    try:
        model = onnx.load(file)
        try:
            fixed = _for_one_size(file, model, height, width)
        except Exception:  # sizes that do not fit; neither library's exceptions share a base class
            fixed = _for_one_size(file, model, round_up(height, stride), round_up(width, stride))
    except Exception as error:
        raise WeightsError(f"{file}: its cost cannot be counted: {error}") from error
    return Cost(_num_params(model, file), _multiply_adds(fixed.graph, file))


def _for_one_size(file: Path, model: onnx.ModelProto, height: int, width: int) -> onnx.ModelProto:
    """The graph for pictures of one size, with what follows from it computed: weights, shapes."""
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    axes = model.graph.input[0].type.tensor_type.shape.dim
    for axis, size in zip(axes, (1, height, width), strict=False):  # and the three channels
        if axis.dim_param:
            options.add_free_dimension_override_by_name(axis.dim_param, size)
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / file.name
        options.optimized_model_filepath = str(folded)
        onnx_session(file, options=options)
        return onnx.shape_inference.infer_shapes(onnx.load(folded), data_prop=True)


def _num_params(model: onnx.ModelProto, file: Path) -> int:
    """Numbers that were trained: a network's own tensors have a dot in their names.

    The running means and variances of batch norms are measured, not trained. Filters that the
    graph computes, as those of difference convolutions, count at the size they are applied at.
    """
    graph = model.graph
    norms = (node for node in graph.node if node.op_type == "BatchNormalization")
    measured = {name for norm in norms for name in norm.input[3:5]}
    own = {t.name: math.prod(t.dims) for t in graph.initializer if "." in t.name}
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    filters = {n.input[1] for n in graph.node if n.op_type in _CONVOLUTIONS}
    computed = {name for name in filters if casts.get(name, name) not in own}
    shapes = _shapes(onnx.shape_inference.infer_shapes(model, data_prop=True).graph)
    trained: int = sum(size for name, size in own.items() if name not in measured)
    return trained + sum(math.prod(_known(shapes, name, file)) for name in computed)


def _shapes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    """Name -> (B, ...) of every tensor, 0 along an axis that is not known."""
    inferred = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    return inferred | {tensor.name: list(tensor.dims) for tensor in graph.initializer}


def _known(shapes: dict[str, list[int]], name: str, file: Path) -> list[int]:
    """The shape of a tensor, if all of it is known."""
    shape = shapes.get(name, [0])
    if 0 in shape:
        raise WeightsError(f"{file}: the shape of {name} does not follow from the picture's size")
    return shape


def _multiply_adds(graph: onnx.GraphProto, file: Path) -> int:
    """Every number that a convolution gives takes one multiply-add for each weight of its filter.

    For a transposed convolution the same holds the other way round, for every number it is given.
    """
    shapes = _shapes(graph)
    total = 0
    for node in graph.node:
        if node.op_type in _UNCOUNTED:
            raise WeightsError(f"{file}: the multiply-adds of its {node.op_type} are not counted")
        if node.op_type not in _CONVOLUTIONS:
            continue
        numbers = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
        kernel = _known(shapes, node.input[1], file)[1:]
        total += math.prod(_known(shapes, numbers, file)) * math.prod(kernel)
    if not total:
        raise WeightsError(f"{file}: has no convolution; expected a network")
    return total
