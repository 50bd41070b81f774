"""Random draws that one number decides."""

import torch


class Draw:
    """Uniform draws from one seed."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * torch.rand((), generator=self._generator).item()

    def choice(self, options: int) -> int:
        """One of 0 ... options - 1."""
        return int(torch.randint(options, (), generator=self._generator).item())
