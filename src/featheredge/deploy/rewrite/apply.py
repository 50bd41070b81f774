"""Apply all exact rewrites to an ONNX model, and count what they did."""

from dataclasses import dataclass, fields

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveUnusedNodesPass

from featheredge.deploy.rewrite.blocks import fill_blocks
from featheredge.deploy.rewrite.branches import add_joined, share_pools, shrink_before_enlarging
from featheredge.deploy.rewrite.dead import drop_dead_channels
from featheredge.deploy.rewrite.norms import fold_norms
from featheredge.deploy.rewrite.slopes import replace_prelu

#: Smaller weights become zero. Products of two or three of them are subnormal, which is slow on
#: CPUs; in sums with normal numbers they have no effect.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class Counts:
    """How often each rewrite was applied.

    Attributes:
        shared_pools: Pools of a map that was pooled in the same way already.
        moved: 1x1 convolutions moved before an interpolation.
        norms: Batch norms folded into convolutions.
        joined: Concatenations of convolutions computed as sums.
        relu: PReLU layers replaced by ReLU.
        leaky: PReLU layers replaced by LeakyReLU.
        split: PReLU layers replaced by a sum of two convolutions.
        dead: Channels removed because they are constant or no layer reads them.
        filled: Groups of channels filled up to full blocks.
        flushed: Weights below `NEGLIGIBLE` set to zero.
        rounded: The largest change of a PReLU slope; 0 if all rewrites are exact.
    """

    shared_pools: int
    moved: int
    norms: int
    joined: int
    relu: int
    leaky: int
    split: int
    dead: int
    filled: int
    flushed: int
    rounded: float

    def __str__(self) -> str:
        """One line for each rewrite that was applied, with its count."""
        lines = []
        for field in fields(self):
            count = getattr(self, field.name)
            if count and field.name in _WORDS:
                lines.append(f"{count:6}  {_WORDS[field.name]}")
        if self.rounded:
            lines.append(f"{self.rounded:6.4f}  largest change of a PReLU slope")
        return "\n".join(lines)


_WORDS = {
    "shared_pools": "pooled maps shared between layers",
    "moved": "1x1 convolutions moved before an interpolation",
    "norms": "batch norms folded into convolutions",
    "joined": "concatenations of convolutions computed as sums",
    "relu": "PReLU layers replaced by ReLU",
    "leaky": "PReLU layers replaced by LeakyReLU",
    "split": "PReLU layers split into two convolutions",
    "dead": "dead channels removed",
    "filled": "groups of channels filled up to full blocks",
    "flushed": "negligible weights set to zero",
}


def rewrite(
    model: onnx.ModelProto, *, slope_tolerance: float = 0.0, input_px: int | None = None
) -> tuple[onnx.ModelProto, Counts]:
    """Return a model that computes the same in less time.

    Args:
        model: A model of `featheredge.deploy.export.trace`; it is not changed. Its weights are
            float32.
        slope_tolerance: PReLU slopes may change by this much if that makes a layer a ReLU or a
            LeakyReLU; with 0 everything is exact.
        input_px: If given, the model takes one square picture of this side only. ONNX Runtime then
            knows that maps which are added have one size, and adds them within convolutions.

    Returns:
        The model, whose weights no longer have the names of the network's parameters, and how often
        each rewrite was applied.
    """
    rewritten = ir.from_proto(model)
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(rewritten)
    graph = rewritten.graph
    shared_pools = share_pools(graph)
    moved = shrink_before_enlarging(graph)
    norms = fold_norms(graph)
    joined = add_joined(graph)
    slopes = replace_prelu(graph, slope_tolerance)
    RemoveUnusedNodesPass()(rewritten)
    flushed = flush_negligible(graph)
    dead = drop_dead_channels(graph)
    filled = fill_blocks(graph)
    RemoveUnusedNodesPass()(rewritten)
    _forget_shapes(graph)
    if input_px is not None:
        for value in (*graph.inputs, *graph.outputs):
            assert value.shape is not None
            value.shape = ir.Shape([1, input_px, input_px, *value.shape[3:]])
    counts = Counts(
        shared_pools=shared_pools,
        moved=moved,
        norms=norms,
        joined=joined,
        relu=slopes.relu,
        leaky=slopes.leaky,
        split=slopes.split,
        dead=dead,
        filled=filled,
        flushed=flushed,
        rounded=slopes.rounded,
    )
    return ir.to_proto(rewritten), counts


def _forget_shapes(graph: ir.Graph) -> None:
    """Remove annotations of shapes, which are not up to date; readers infer them."""
    for node in graph:
        for output in node.outputs:
            if not output.is_graph_output():
                output.shape = None


def flush_negligible(graph: ir.Graph) -> int:
    """Set weights below `NEGLIGIBLE` to zero.

    Returns:
        The number of weights that have changed.
    """
    flushed = 0
    for value in graph.initializers.values():
        tensor = value.const_value
        if tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) != 4:
            continue
        array = tensor.numpy().copy()
        small = (np.abs(array) < NEGLIGIBLE) & (array != 0)
        if small.any():
            array[small] = 0
            value.const_value = ir.tensor(array, name=value.name)
            flushed += int(small.sum())
    return flushed
