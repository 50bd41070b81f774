"""Any ONNX file as a network that can teach: what it expects is declared in a TOML file beside it.

Shapes: B batch, H W pixels, S side of the square that a network sees.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated

import onnxruntime
import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from torch import Tensor

from featheredge.errors import WeightsError
from featheredge.models.network import IMAGENET_MEAN, IMAGENET_STD, Logits, Network

_Three = tuple[float, float, float]

#: Probabilities are kept this far from 0 and 1, so that their logits are finite.
_MARGIN = 1e-6


@dataclass(frozen=True, config={"extra": "forbid"})
class OnnxConfig:
    """What an ONNX file expects and gives.

    Attributes:
        input_px: Side S of the square that pictures are stretched to, in pixels; 0 for a network
            that takes pictures at their own size.
        mean: Subtracted from RGB values in [0, 1].
        std: What the difference is divided by.
        by_maximum: Whether a picture is divided by its largest value first, as U2-Net expects.
        output: Which of the file's outputs is the map, (B, 1, S, S) or (B, S, S).
        logits: Whether that output is before the sigmoid.
        sha256: Of the file, for a fingerprint; filled in when it is read.
    """

    input_px: NonNegativeInt
    mean: _Three = IMAGENET_MEAN
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = IMAGENET_STD
    by_maximum: bool = False
    output: NonNegativeInt = 0
    logits: bool = False
    sha256: Annotated[str, Field(max_length=64)] = ""


class OnnxNetwork(Network):
    """An ONNX file run by ONNX Runtime. It has no parameters here, and cannot be trained."""

    stride = 1
    config: OnnxConfig

    def __init__(self, config: OnnxConfig, data: bytes, threads: PositiveInt = 1) -> None:
        """Load the file.

        Args:
            config: What it expects and gives.
            data: The file's content.
            threads: Threads that ONNX Runtime computes in.

        Raises:
            WeightsError: ONNX Runtime cannot load it, or it has no such output.
        """
        super().__init__()
        self.config = config
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as cause:  # ONNX Runtime's errors share no class
            raise WeightsError(f"ONNX Runtime cannot load this file: {cause}") from cause
        outputs = [output.name for output in self._session.get_outputs()]
        if config.output >= len(outputs):
            raise WeightsError(f"output is {config.output}; the file has {len(outputs)} outputs")
        self._input, self._output = self._session.get_inputs()[0].name, outputs[config.output]

    def normalise(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) RGB in [0, 1], unchanged: `forward` stretches before it normalises."""
        return image

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) RGB in [0, 1] -> logits of (B, 1, H, W); one picture at a time."""
        size = image.shape[-2:]
        side = self.config.input_px
        maps = []
        for picture in image:
            x = picture[None]
            if side:
                x = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
            maps.append(F.interpolate(self._map(x), size, mode="bilinear"))
        return Logits(torch.cat(maps).clamp(_MARGIN, 1 - _MARGIN).logit(), ())

    def _map(self, x: Tensor) -> Tensor:
        """(1, 3, S, S) in [0, 1] -> probabilities (1, 1, S, S)."""
        if self.config.by_maximum:
            x = x / x.amax().clamp(min=1 / 255)
        mean, std = x.new_tensor(self.config.mean), x.new_tensor(self.config.std)
        x = (x - mean[:, None, None]) / std[:, None, None]
        (values,) = self._session.run([self._output], {self._input: x.cpu().numpy()})
        map = torch.from_numpy(values).float().reshape(1, 1, *values.shape[-2:])
        return map.sigmoid() if self.config.logits else map.clamp(0, 1)


def read_onnx_network(path: Path) -> OnnxNetwork:
    """The network in `path`, declared by the TOML file of the same name beside it.

    Raises:
        WeightsError: A file is missing or damaged, or the declaration is incomplete.
    """
    declaration = path.with_suffix(".toml")
    try:
        data = path.read_bytes()
        table = tomllib.loads(declaration.read_text("utf-8"))
        sha256 = hashlib.sha256(data).hexdigest()
        config = TypeAdapter(OnnxConfig).validate_python({**table, "sha256": sha256})
    except FileNotFoundError as cause:
        raise WeightsError(
            f"{cause.filename}: no such file. An ONNX teacher FILE.onnx needs FILE.toml beside it, "
            "with input_px and, where they differ from ImageNet's, mean and std"
        ) from cause
    except ValidationError as cause:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in cause.errors())
        raise WeightsError(f"{declaration}: {problems}") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise WeightsError(f"{declaration}: not a readable TOML file: {cause}") from cause
    return OnnxNetwork(config, data)
