"""Plot of the spread of every channel of several runs, and a print of what pruning would save.

    python tools/draw_decay.py runs/csnet-x1-decay-dynamic runs/csnet-x1-decay-l2 \
        --out docs/images/decay.png --size-px 112

The script prints parameters and multiply-adds before and after the cut.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from featheredge.channels.cut import cut
from featheredge.models import build
from featheredge.models.network import Network
from featheredge.pruning.learned import (
    THRESHOLD,
    learned_channels,
    norm_spreads,
    saving,
    spread_histogram,
)

PANEL_IN, SMALLEST_SHOWN = (6.4, 1.6), 1e-12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of `featheredge train`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size-px", type=int, default=224, help="picture size for multiply-adds")
    options = parser.parse_args()
    networks = {run.name: build.load(run / "model") for run in options.runs}
    for name, network in networks.items():
        learned = learned_channels(network)
        print(f"{name}: {saving(network, cut(network, learned.keep), options.size_px)}")
        print(f"  {learned.gap:.1f} decades between the cut and the kept channels")
    draw(networks).savefig(options.out, dpi=150)
    print(options.out)


def draw(networks: dict[str, Network]) -> Figure:
    """Draw a histogram for each network, one below the other with a shared axis."""
    width, height = PANEL_IN
    figure = Figure(figsize=(width, height * len(networks)), layout="constrained")
    panels = figure.subplots(len(networks), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, network) in zip(panels, networks.items(), strict=True):
        spreads = {norm: s.clip(SMALLEST_SHOWN) for norm, s in norm_spreads(network).items()}
        counts, edges = spread_histogram(spreads, bins_per_decade=4)
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color="#31688e")
        axes.axvline(THRESHOLD, color="#d1495b", linestyle="--", linewidth=1)
        axes.set(xscale="log", xlim=(SMALLEST_SHOWN / 3, 10), ylabel="channels")
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.set_title(name, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel(
        f"spread of a channel after its norm; the first bar holds {SMALLEST_SHOWN:g} and less; "
        "channels left of the dashed line are cut"
    )
    return figure


if __name__ == "__main__":
    main()
