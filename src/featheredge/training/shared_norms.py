"""Batch norms over several processes, which see a batch as one process would.

Shapes: N processes, B pictures of the batch in this process, C channels, H W pixels.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def share_norms(network: nn.Module) -> None:
    """Let batch norms take their statistics over the batches of all processes together.

    PyTorch's `SyncBatchNorm` does the same, but only on GPUs. Copies of the network that were made
    before do not change.

    Args:
        network: Changed in place: its batch norms become `SharedBatchNorm2d`, parameters and
            settings stay.
    """
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d


class SharedBatchNorm2d(nn.BatchNorm2d):
    """A batch norm that trains with the mean and variance of all processes' batches.

    All processes must have batches of one shape and call it in the same order. In evaluation mode
    it is a plain batch norm.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        if not self.training:
            return super().forward(x)
        var, mean = torch.var_mean(x.float(), (0, 2, 3), correction=0)
        gathered: Tensor = _Gather.apply(torch.stack([mean, var]))  # type: ignore[no-untyped-call]
        means, vars = gathered.unbind(1)
        mean, var = means.mean(0), vars.mean(0) + means.var(0, correction=0)
        self._follow(mean.detach(), var.detach(), len(gathered) * x.numel() // x.shape[1])
        scale = self.weight * (var + self.eps).rsqrt()
        shift = self.bias - mean * scale
        normalised = torch.addcmul(shift[:, None, None], x, scale[:, None, None])
        return normalised.to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, var: Tensor, count: int) -> None:
        """Move the running statistics as `nn.BatchNorm2d` does, after a batch of `count` cells."""
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (count / (count - 1)), self.momentum)


class _Gather(torch.autograd.Function):
    """Stack a tensor of every process, (...) -> (N, ...); its gradient comes from all of them."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        all = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(all, own.contiguous())
        return torch.stack(all)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous()
        dist.all_reduce(total)
        return total[dist.get_rank()]
