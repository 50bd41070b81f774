"""The memory of a network is computed before anything is allocated."""

import resource

import pytest
from torch import nn

from featheredge.errors import RecipeError
from featheredge.models.build import create_model
from featheredge.models.footprint import activation_bytes, parameter_bytes
from toys import TOY_WIDTHS


def test_parameters_and_buffers_are_counted():
    network = create_model("mobile-edge-xs")
    expected = sum(t.nbytes for t in (*network.parameters(), *network.buffers()))
    assert parameter_bytes(lambda: type(network)(network.config)) == expected


def test_tensors_stored_for_the_backward_pass_are_counted():
    """A convolution stores its input, a ReLU its output: 3 and 8 channels of 4 x 16 x 16 floats."""

    def make() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())

    assert activation_bytes(make, 4, 16) == 4 * 16 * 16 * 4 * (3 + 8)


@pytest.mark.parametrize(
    "widths",
    [{"stem": 10**9}, {"stem": 10**12}, {**TOY_WIDTHS, "top": 10**9, "head": 10**9}],
)
def test_impossible_widths_raise_before_memory_is_allocated(widths):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RecipeError, match=r"widths|expected at most 16384"):
        create_model("mobile-edge-v1", widths=widths)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "in kilobytes"
