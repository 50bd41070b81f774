"""Example: prune your own network to half of its multiply-adds, then fine-tune it.

    featheredge prune examples/prune-custom-network.toml -o runs/custom-network
    python examples/custom_network.py runs/custom-network

The first command calls `build` below to get the network, measures its layers on the pictures beside
this file, and writes the smaller network to runs/custom-network/norms. The second command loads it
and trains it again with the same loop.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from featheredge import load_image
from featheredge.runs.network_source import load_custom

HERE = Path(__file__).parent
SIZE_PX = 64
DIMMED = ((0.4, 1, 1), (1, 0.4, 1), (1, 1, 0.4), (0.4, 0.4, 0.4), (1, 1, 1))


class Classifier(nn.Module):
    """Convolutions with batch norms, one shortcut, global average pooling, five classes."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.stem = layer(3, width, stride=2)
        self.inner = layer(width, width)
        self.down = layer(width, 2 * width, stride=2)
        self.last = layer(2 * width, 2 * width)
        self.classifier = nn.Linear(2 * width, 5)

    def forward(self, image: Tensor) -> Tensor:
        """Classify pictures: (B, 3, H, W) -> (B, 5) logits."""
        x = self.stem(image)
        x = self.last(self.down(x + self.inner(x)))
        return self.classifier(x.mean((2, 3)))


def layer(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """Build a layer of convolution, norm and ReLU."""
    conv = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU())


def build() -> nn.Module:
    """Return the trained network; a short training stands in for loading your own weights."""
    torch.manual_seed(0)
    network = Classifier()
    train(network, steps=40)
    return network


def train(network: nn.Module, steps: int) -> float:
    """Train with your own loop. This one learns which colour of a crop is dimmed."""
    pictures = [to_tensor(path) for path in sorted(HERE.glob("*.jpg"))]
    random = torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    network.train()
    loss = torch.tensor(0.0)
    for _ in range(steps):
        crops, classes = zip(*(sample(pictures, random) for _ in range(16)), strict=True)
        loss = F.cross_entropy(network(torch.stack(crops)), torch.tensor(classes))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    network.eval()
    return loss.item()


def sample(pictures: list[Tensor], random: torch.Generator) -> tuple[Tensor, int]:
    """Return a random crop and its class: one colour dimmed (0 to 2), all (3) or none (4)."""
    picture = pictures[int(torch.randint(len(pictures), (), generator=random))]
    top, left = (
        int(torch.randint(side - SIZE_PX, (), generator=random)) for side in picture.shape[1:]
    )
    crop = picture[:, top : top + SIZE_PX, left : left + SIZE_PX]
    kind = int(torch.randint(5, (), generator=random))
    factors = torch.tensor(DIMMED[kind])
    return crop * factors[:, None, None], kind


def to_tensor(path: Path) -> Tensor:
    """Read a picture as (3, H, W) float32 RGB in [0, 1]."""
    return torch.from_numpy(load_image(path)).permute(2, 0, 1).float() / 255


def main() -> None:
    """Fine-tune the pruned network."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("run", type=Path, help="the folder of the pruning run")
    run = parser.parse_args().run
    example = torch.zeros(1, 3, SIZE_PX, SIZE_PX)
    network = load_custom(Classifier(), run / "norms" / "model", example)
    before, after = (sum(p.numel() for p in n.parameters()) for n in (Classifier(), network))
    print(f"{before:,} parameters, pruned to {after:,}")
    print(f"loss after 40 more steps: {train(network, steps=40):.3f}")
    save_file(network.state_dict(), run / "custom.safetensors")


if __name__ == "__main__":
    main()
