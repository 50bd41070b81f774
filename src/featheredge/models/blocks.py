"""Define the building blocks that several networks share.

Shapes: B batch, C channels, H W pixels. Every block takes and returns (B, C, H, W) float tensors.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

Activation = Literal["relu", "relu6", "none"]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6}


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch norm and activation; "same" padding at stride 1.

    The child names `0`, `1` and `2` are torchvision's, so its checkpoints load unchanged.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride), sizes rounded up."""
        conv, norm, *activation = self
        x = conv_norm(conv, norm, x)
        return activation[0](x) if activation else x

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        activation: Activation = "relu",
    ) -> None:
        padding = dilation * (kernel - 1) // 2
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel,
                stride,
                padding,
                dilation=dilation,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
        ]
        if activation != "none":
            layers.append(_ACTIVATIONS[activation](inplace=True))
        super().__init__(*layers)


def conv_norm(conv: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """Apply a convolution without bias and the batch norm after it.

    If the network trains and this norm is fixed, both run as one convolution, whose kernel and bias
    pass gradients to the norm's parameters. So the output and its gradient are stored once.

    Args:
        conv: An `nn.Conv2d`.
        norm: The `nn.BatchNorm2d` of its output channels.
        x: (B, in, H, W).

    Returns:
        (B, out, H / stride, W / stride).
    """
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    if norm.training or not conv.training:
        out: Tensor = norm(conv(x))
        return out
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    kernel = conv.weight * scale[:, None, None, None]
    bias = norm.bias - norm.running_mean * scale
    if conv.groups > 1 and conv.stride != (1, 1):
        # With oneDNN in bfloat16 the gradient of this layer's input takes eight times as long.
        with torch.autocast(x.device.type, enabled=False):
            return _convolve(conv, x.float(), kernel, bias)
    return _convolve(conv, x, kernel, bias)


def _convolve(conv: nn.Conv2d, x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Convolve as `conv` does, with another kernel and bias."""
    return F.conv2d(x, kernel, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def depthwise(
    channels: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    activation: Activation = "relu",
) -> ConvNormAct:
    """Return a depthwise `ConvNormAct`, 3x3 by default: one filter per channel."""
    return ConvNormAct(
        channels,
        channels,
        kernel,
        stride=stride,
        dilation=dilation,
        groups=channels,
        activation=activation,
    )


class PReLU(nn.PReLU):
    """PyTorch's PReLU with a slope per channel, and with a gradient that is faster on a CPU.

    CSNets train 1.08 to 1.09 times as fast with it, by `benchmarks/bench_training.py`. The values
    are the same; at exactly 0 this gradient takes the positive side, PyTorch's the negative one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if self.training and torch.is_grad_enabled():
            slopes = self.weight.to(x.dtype)[:, None, None]
            trained: Tensor = _TrainedPReLU.apply(x, slopes)  # type: ignore[no-untyped-call]
            return trained
        return super().forward(x)


class _TrainedPReLU(torch.autograd.Function):
    """x + (slope - 1) min(x, 0), for activations (B, C, H, W) and slopes (C, 1, 1)."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, slopes: Tensor) -> Tensor:
        negative = x.clamp(max=0)
        ctx.save_for_backward(negative, slopes)
        return torch.addcmul(x, negative, slopes - 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        negative, slopes = ctx.saved_tensors
        below = torch.ops.aten.threshold_backward(gradient, -negative, 0)  # 0 where x >= 0
        of_input = torch.addcmul(gradient, below, slopes - 1)
        of_slopes = (below * negative).sum((0, 2, 3))[:, None, None]
        return of_input, of_slopes


class ScaleEnhancement(nn.Module):
    """Scale-enhancement module: a 3x3 depthwise layer, then a sum of parallel dilated ones.

    It enlarges the receptive field of a decoder step at the cost of a few depthwise filters. It is
    a depthwise form of the module in BDCN (He et al., CVPR 2019, section 3.2).
    """

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.reduce = depthwise(channels)
        self.branches = nn.ModuleList(depthwise(channels, dilation=d) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        x = self.reduce(x)
        total: Tensor = reduce(torch.add, (branch(x) for branch in self.branches))
        return total


def resize_like(x: Tensor, reference: Tensor) -> Tensor:
    """Resize `x` bilinearly to the height and width of `reference`, with aligned pixel centres."""
    size = reference.shape[-2:]
    resized: Tensor = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
    return resized


class UnsharpMask(nn.Module):
    """Sharpen logits in evaluation: add `amount` times what a 3x3 binomial blur removes from them.

    A pixel-wise loss is lowest for probabilities, which are smooth where a network is unsure of an
    edge's position. Sharpened, a faint line beside a strong one keeps a ridge of its own, so that
    thinning finds it. In training the logits pass unchanged: the loss would only undo it.
    """

    kernel: Tensor

    def __init__(self, amount: float) -> None:
        super().__init__()
        blur = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16
        kernel = -amount * blur
        kernel[1, 1] += 1 + amount
        self.register_buffer("kernel", kernel[None, None], persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        """(B, 1, h, w) -> (B, 1, h, w)."""
        if self.training:
            return logits
        return F.conv2d(F.pad(logits, (1, 1, 1, 1), mode="replicate"), self.kernel)
