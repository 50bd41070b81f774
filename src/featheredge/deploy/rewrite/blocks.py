"""Fill up channels to multiples of 16.

ONNX Runtime computes convolutions on blocks of 8 or 16 channels, the width of a processor's vector
registers. It computes a depthwise convolution of another number of channels without blocks, which
takes several times as long, and converts the maps around it. Channels of zeros cost less.
"""

import numpy as np
import onnx_ir as ir

from featheredge.deploy.rewrite.layout import Groups, Layout, apply_layouts

#: Channels in a block with AVX-512; other processors have blocks of half the size.
BLOCK = 16

#: Maps of fewer channels, such as pictures and logits, keep their number.
_FEWEST = 5


def fill_blocks(graph: ir.Graph) -> int:
    """Add channels of zeros until the number of every group of channels is a multiple of `BLOCK`.

    Returns:
        The number of groups that have changed.
    """
    groups = Groups(graph)
    parts = {
        part
        for group, joins in groups.joined.items()
        if groups.counts[group] >= BLOCK
        for part in joins[0]
    }
    changed = 0

    def fill(group: ir.Value) -> Layout:
        nonlocal changed
        count = groups.counts[group]
        more = -count % BLOCK if count >= _FEWEST or group in parts else 0
        changed += more > 0
        return np.concatenate([np.arange(count), np.full(more, -1)])

    apply_layouts(graph, groups, fill)
    return changed
