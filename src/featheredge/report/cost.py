"""Parameters and multiply-adds of a network, counted on its .onnx file.

Counting on the file treats networks of any origin alike, and needs no PyTorch.
"""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime

from featheredge.errors import WeightsError
from featheredge.onnx_file import read_onnx_file
from featheredge.onnx_runtime import onnx_session, session_options
from featheredge.run_folder import NETWORK_FILE
from featheredge.tiling import round_up

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_UNCOUNTED = ("Gemm", "MatMul", "Einsum", "LSTM", "GRU")  # refused: they multiply but add no count


@dataclass(frozen=True)
class Cost:
    """Cost of a network.

    Attributes:
        num_params: Number of trained parameters.
        multiply_adds: Multiply-adds of its convolutions for one picture.
    """

    num_params: int
    multiply_adds: int


def count(file: Path, height: int, width: int, stride: int) -> Cost:
    """Count the parameters of a network, and the multiply-adds of its convolutions.

    Args:
        file: A weights file, as `featheredge export` writes it.
        height: Height of the picture in pixels.
        width: Width of the picture in pixels.
        stride: A network that needs multiples of this is counted at the next larger multiples,
            because its pictures are padded to them.

    Raises:
        WeightsError: The file cannot be read, the size of a layer does not follow from the size of
            the picture, or layers other than convolutions multiply.
    """
    fixed = graph_for_one_size(file, height, width, stride)
    model = onnx.load_from_string(read_onnx_file(file))
    return Cost(_num_params(model, file), _multiply_adds(fixed.graph, file))


def graph_for_one_size(file: Path, height: int, width: int, stride: int) -> onnx.ModelProto:
    """Return the graph for pictures of one size, with constants folded and shapes inferred.

    Args:
        file: See `count`.
        height: See `count`.
        width: See `count`.
        stride: See `count`.

    Raises:
        WeightsError: The file cannot be read, or cannot run pictures of this size.
    """
    try:
        content = read_onnx_file(file)
        try:
            return _for_one_size(content, height, width)
        except Exception:  # the size does not fit; the exceptions of the two libraries differ
            return _for_one_size(content, round_up(height, stride), round_up(width, stride))
    except Exception as error:
        raise WeightsError(f"{file}: its cost cannot be counted: {error}") from error


def _for_one_size(content: bytes, height: int, width: int) -> onnx.ModelProto:
    """Return the graph for pictures of exactly this size."""
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    axes = onnx.load_from_string(content).graph.input[0].type.tensor_type.shape.dim
    for axis, size in zip(axes, (1, height, width), strict=False):  # and the three channels
        if axis.dim_param:
            options.add_free_dimension_override_by_name(axis.dim_param, size)
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / NETWORK_FILE
        options.optimized_model_filepath = str(folded)
        onnx_session(content, options=options)
        return onnx.shape_inference.infer_shapes(onnx.load(folded), data_prop=True)


def _num_params(model: onnx.ModelProto, file: Path) -> int:
    """Count parameters: the tensors of a network have a dot in their names.

    Running means and variances of batch norms do not count, fixed filters do. Filters that the
    graph computes, such as those of difference convolutions, count at the size of the computed
    filter.
    """
    graph = model.graph
    norms = (node for node in graph.node if node.op_type == "BatchNormalization")
    statistics = {name for norm in norms for name in norm.input[3:5]}
    sizes = {t.name: math.prod(t.dims) for t in graph.initializer if "." in t.name}
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    filters = {n.input[1] for n in graph.node if n.op_type in _CONVOLUTIONS}
    computed = {name for name in filters if casts.get(name, name) not in sizes}
    shapes = tensor_shapes(onnx.shape_inference.infer_shapes(model, data_prop=True).graph)
    trained: int = sum(size for name, size in sizes.items() if name not in statistics)
    return trained + sum(math.prod(_known(shapes, name, file)) for name in computed)


def tensor_shapes(graph: onnx.GraphProto) -> dict[str, list[int]]:
    """Return the shape of every tensor by name; a size that is not known is 0."""
    inferred = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    return inferred | {tensor.name: list(tensor.dims) for tensor in graph.initializer}


def _known(shapes: dict[str, list[int]], name: str, file: Path) -> list[int]:
    """Return the shape of a tensor; raise WeightsError if it is not completely known."""
    shape = shapes.get(name, [0])
    if 0 in shape:
        raise WeightsError(
            f"{file}: the shape of the tensor {name} does not follow from the size of the picture"
        )
    return shape


def _multiply_adds(graph: onnx.GraphProto, file: Path) -> int:
    """Count one multiply-add per filter weight for each output value of a convolution.

    For a transposed convolution, count it for each input value.
    """
    shapes = tensor_shapes(graph)
    total = 0
    for node in graph.node:
        if node.op_type in _UNCOUNTED:
            raise WeightsError(
                f"{file}: has a {node.op_type} layer, whose multiply-adds cannot be counted; only "
                "convolutions are counted"
            )
        if node.op_type not in _CONVOLUTIONS:
            continue
        counted = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
        kernel = _known(shapes, node.input[1], file)[1:]
        total += math.prod(_known(shapes, counted, file)) * math.prod(kernel)
    if not total:
        raise WeightsError(f"{file}: has no convolution; expected a network with convolutions")
    return total
