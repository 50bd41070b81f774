"""Write the encoder of a trained network, without some of its blocks, as backbone weights.

    python tools/shorten_encoder.py NETWORK OUT.safetensors [BLOCK ...]

A block with a residual changes its input little, so the encoder computes nearly the same features
without it. NETWORK is a name, a run's `model` folder or a weights file. BLOCK counts from 0, as in
`network.blocks`.
"""

import sys

from safetensors.torch import save_file

from featheredge.models.build import load_trained


def main(source: str, target: str, *dropped: str) -> None:
    encoder = {}
    for name, tensor in load_trained(source).state_dict().items():
        if name.startswith("encoder.features."):
            _, _, layer, rest = name.split(".", 3)
            encoder[int(layer), rest] = tensor
    layers = sorted({layer for layer, _ in encoder})
    # Layer 0 is the stem.
    kept = [layer for layer in layers if layer == 0 or str(layer - 1) not in dropped]
    numbers = {old: new for new, old in enumerate(kept)}
    save_file(
        {
            f"features.{numbers[layer]}.{rest}": tensor.contiguous()
            for (layer, rest), tensor in encoder.items()
            if layer in numbers
        },
        target,
    )
    print(f"{target}: {len(kept) - 1} of {len(layers) - 1} blocks")


if __name__ == "__main__":
    main(*sys.argv[1:])
