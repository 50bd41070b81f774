"""Define what is timed: a network or another program, in one or more forms.

Shapes: `H W` pixels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Picture: TypeAlias = NDArray[np.uint8]

#: Runs a network on a picture, (H, W, 3) uint8 RGB, that is prepared before the time starts.
Form: TypeAlias = Callable[[], object]


@dataclass(frozen=True)
class Cost:
    """What a network costs, whatever the machine.

    Attributes:
        num_params: Number of parameters; None if unknown.
        multiply_adds: Multiply-adds of its convolutions for one picture; None if unknown.
        traffic_bytes: Bytes that its convolutions read and write for one picture, as float32, if
            every convolution reads its input once; None if unknown.
        file_bytes: Size of its file; None if it has none.
    """

    num_params: int | None = None
    multiply_adds: int | None = None
    traffic_bytes: int | None = None
    file_bytes: int | None = None


@dataclass(frozen=True)
class Subject:
    """A network or another program.

    Attributes:
        name: Its name, as on the command line.
        prepare: Takes a picture and returns the forms to time the network alone: name of the
            runtime -> function. Empty for a program that only runs from file to file.
        cost: Takes height and width and returns the cost for such a picture.
        end_to_end: Takes the bytes of a JPEG file and returns those of a PNG file; None if the
            network has no trained weights, because the size of a PNG depends on the map.
        fresh: Arguments of `featheredge.bench.fresh` for the same work in a new process.
    """

    name: str
    prepare: Callable[[Picture], Mapping[str, Form]]
    cost: Callable[[int, int], Cost] = lambda height, width: Cost()
    end_to_end: Callable[[bytes], bytes] | None = None
    fresh: tuple[str, ...] = field(default=())
