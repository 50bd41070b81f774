"""Work that does not fit in memory is refused before it begins."""

import pytest

from featheredge import memory
from featheredge.errors import RecipeError
from featheredge.memory import machine_bytes, refuse_above_memory


def test_an_estimate_above_the_machine_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "machine_bytes", lambda: 8_000_000_000)
    refuse_above_memory(7.9e9, "a step", "make it smaller")
    with pytest.raises(RecipeError, match=r"a step needs about 9 GB .* has 8 GB: make it smaller"):
        refuse_above_memory(9e9, "a step", "make it smaller")


def test_the_memory_of_the_machine_is_plausible():
    found = machine_bytes()
    assert found is None or found > 2**28
