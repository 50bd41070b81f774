"""Training speed of networks on this processor, in float32 and in mixed bfloat16.

Processors with AMX multiply bfloat16 matrices several times faster. The gain for a network depends
on its share of dense convolutions. Measured are forward pass, loss and backward pass of one batch
of noise, all cases interleaved, in processor time of one thread.

    python benchmarks/bench_precision.py [rcf pidinet mobile-edge-s] [--crop-px 256] [--batch 4]
"""

import argparse
from collections.abc import Callable

import torch

from featheredge.models.build import create_model
from featheredge.timing import clock_for, time_cases
from featheredge.training.cpu import keep_freed_memory
from featheredge.training.losses import EdgeLoss
from interleaved import write_result

PRECISIONS = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=["rcf", "pidinet", "mobile-edge-s"])
    parser.add_argument("--crop-px", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    cases = {
        f"{name} {precision}": step(name, kind, options.batch, options.crop_px)
        for name in options.networks
        for precision, kind in PRECISIONS.items()
    }
    times = time_cases(cases, options.rounds, clock_for(1).read)
    crops = {case: round(1e3 * options.batch / timing.min_ms, 2) for case, timing in times.items()}
    ratios = {
        name: round(crops[f"{name} bf16-mixed"] / crops[f"{name} 32-true"], 2)
        for name in options.networks
    }
    result = {"torch": torch.__version__, "crop_px": options.crop_px, "batch": options.batch}
    write_result("precision", {**result, "crops_per_s": crops, "bf16_over_32": ratios})


def step(name: str, kind: torch.dtype, batch: int, side: int) -> Callable[[], None]:
    """Return a training step without the optimiser step."""
    network = create_model(name).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.rand(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    label, loss = torch.rand(batch, 1, side, side), EdgeLoss()

    def run() -> None:
        with torch.autocast("cpu", kind, enabled=kind != torch.float32):
            value = loss(network(image), label)
        value.backward()
        network.zero_grad()

    return run


if __name__ == "__main__":
    main()
