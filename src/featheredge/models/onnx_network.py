"""Use any ONNX file as a teacher network; a TOML file beside it declares its inputs and output.

Shapes: B batch, H W pixels, S side of the square that the file takes.
"""

import hashlib
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
from featheredge.onnx_file import read_onnx_file
from featheredge.text_files import read_toml

_Three = tuple[float, float, float]

#: Probabilities are clipped this far from 0 and 1, so that their logits are finite.
_MARGIN = 1e-6


@dataclass(frozen=True, config={"extra": "forbid"})
class OnnxConfig:
    """The declaration of an ONNX file: its input size, normalisation and output.

    Attributes:
        input_px: Side S in pixels of the square that pictures are resized to; 0 if the file takes
            pictures at their own size.
        mean: Mean that is subtracted from RGB values in [0, 1].
        std: Standard deviation that the difference is divided by.
        by_maximum: Whether a picture is first divided by its largest value, as for U2-Net.
        output: Index of the output with the map, (B, 1, S, S) or (B, S, S).
        logits: Whether this output is before the sigmoid.
        sha256: Hash of the file, for a fingerprint; set when the file is read.
    """

    input_px: NonNegativeInt
    mean: _Three = IMAGENET_MEAN
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = IMAGENET_STD
    by_maximum: bool = False
    output: NonNegativeInt = 0
    logits: bool = False
    sha256: Annotated[str, Field(max_length=64)] = ""


class OnnxNetwork(Network):
    """A network that ONNX Runtime runs. It has no parameters and cannot be trained."""

    stride = 1
    config: OnnxConfig

    def __init__(self, config: OnnxConfig, data: bytes, threads: PositiveInt = 1) -> None:
        """Load the file.

        Args:
            config: The declaration of the file.
            data: The file's content.
            threads: Threads of ONNX Runtime.

        Raises:
            WeightsError: ONNX Runtime cannot load the file, or it does not have this output.
        """
        super().__init__()
        self.config = config
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as cause:  # ONNX Runtime's errors have no common class
            raise WeightsError(f"ONNX Runtime cannot load this file: {cause}") from cause
        outputs = [output.name for output in self._session.get_outputs()]
        if config.output >= len(outputs):
            raise WeightsError(
                f"output is {config.output}, but the file has {len(outputs)} outputs; give an "
                f"index from 0 to {len(outputs) - 1}"
            )
        self._input, self._output = self._session.get_inputs()[0].name, outputs[config.output]

    def normalise(self, image: Tensor) -> Tensor:
        """Return `image` unchanged, RGB in [0, 1]: `forward` normalises after resizing."""
        return image

    def forward(self, image: Tensor) -> Logits:
        """(B, 3, H, W) RGB in [0, 1] -> logits (B, 1, H, W), computed one picture at a time."""
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
    """Read a network and its declaration, the TOML file of the same name beside it.

    Args:
        path: The .onnx file.

    Raises:
        WeightsError: A file is missing or damaged, or the declaration is incomplete.
    """
    declaration = path.with_suffix(".toml")
    try:
        data = read_onnx_file(path)
        table = read_toml(declaration)
        sha256 = hashlib.sha256(data).hexdigest()
        config = TypeAdapter(OnnxConfig).validate_python({**table, "sha256": sha256})
    except FileNotFoundError as cause:
        raise WeightsError(
            f"{cause.filename} does not exist; an ONNX teacher FILE.onnx needs FILE.toml beside "
            "it, with input_px and, if they differ from ImageNet's, mean and std"
        ) from cause
    except ValidationError as cause:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in cause.errors())
        raise WeightsError(f"{declaration}: {problems}") from None
    except (OSError, ValueError) as cause:
        raise WeightsError(f"{declaration}: not a readable TOML file: {cause}") from cause
    return OnnxNetwork(config, data)
