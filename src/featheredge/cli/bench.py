"""The verb `bench`, which times networks beside published ones."""

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from featheredge.errors import ArgumentError
from featheredge.extras import require


def bench(
    models: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    /,
    *,
    size: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = ("481x321",),
    threads: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    against: str | None = None,
    rounds: Annotated[int, Parameter(validator=Number(gte=1))] = 20,
    memory: bool = True,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Time networks beside published ones, alone and from a JPEG file to a PNG file.

    Every round runs each network once, so all share the load of the machine. Compare the ratios;
    milliseconds of two runs do not compare.

    Example: featheredge bench mobile-edge mobile-edge-s --size 1000x1000 --against rcf

    Args:
        models: Names from `featheredge models`, exported .onnx files, or other networks: a network
            of the zoo (rcf, pidinet, pidinet-small, csnet-l-x2, ...) with random weights or as
            NAME:FILE.safetensors; onnx:FILE with FILE.toml beside it; opencv-canny; rembg.
            Default: all shipped networks.
        size: Width and height of the photo, as in --size 481x321 1000x1000.
        threads: Threads for inference. One thread is timed by processor time, more by elapsed time.
        against: The baseline of the ratios, any of the above. Default: the first model.
        rounds: Number of timing rounds.
        memory: Run each network once more in a fresh process for its peak memory.
        as_json: Print one JSON object.
    """
    require("lab", "`bench`")
    from featheredge.bench.machine import describe
    from featheredge.bench.measure import measure, open_subject
    from featheredge.bench.result import Bench
    from featheredge.catalog import list_models
    from featheredge.timing import clock_for

    sizes = [_parse_size(text) for text in size]
    names = models or tuple(entry.name for entry in list_models())
    names = tuple(dict.fromkeys([*([against] if against else []), *names]))
    benches = []
    machine = describe(threads)
    with TemporaryDirectory() as folder:
        subjects = [open_subject(name, Path(folder), threads) for name in names]
        for each in sizes:
            rows, peak = measure(
                subjects, names[0], each, threads=threads, rounds=rounds, with_memory=memory
            )
            found = Bench(machine, names[0], rounds, clock_for(threads).name, peak, rows)
            benches.append(found.to_dict())
            if not as_json:
                sys.stdout.write(f"{found}\n\n")
                sys.stdout.flush()
    if as_json:
        sys.stdout.write(json.dumps({"sizes": benches}, indent=1) + "\n")


def _parse_size(text: str) -> tuple[int, int]:
    """Return height and width of a text WIDTHxHEIGHT."""
    if (found := re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)) is None:
        raise ArgumentError(f"--size {text}: expected WIDTHxHEIGHT, as in --size 481x321")
    return int(found[2]), int(found[1])
