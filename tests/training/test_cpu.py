"""Denormal numbers: zero while training, and only then."""

import torch

from featheredge.training.cpu import flushed_denormals


def small() -> float:
    """Half the smallest normal number, computed."""
    return (torch.tensor(torch.finfo(torch.float32).tiny) / 2).item()


def test_they_are_zero_inside_and_as_before_outside():
    assert small() > 0
    with flushed_denormals():
        inside = small()
        with flushed_denormals():
            pass
        after_another = small()
    if torch.set_flush_denormal(False):  # what says whether this processor can
        assert inside == after_another == 0
    assert small() > 0
