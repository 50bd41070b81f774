"""A network's configuration, read off the shapes of its tensors.

A cut network is the same class with smaller widths; which ones, its tensors say. Fields that are
no widths, such as strides, are those of the configuration before.

Shapes: of kernels (rows, columns, k, k); a tensor that has lost all its channels is missing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from featheredge.errors import ArgumentError
from featheredge.models.csf import DILATIONS, CSFConfig, DilatedWidths, HeadWidths
from featheredge.models.csnet import CSNetConfig
from featheredge.models.feather import FeatherConfig
from featheredge.models.mobile_edge import MobileEdgeConfig
from featheredge.models.mobilenet import Bottleneck
from featheredge.models.network import Network
from featheredge.models.pidinet import PiDiNetConfig
from featheredge.models.rcf import RCFConfig
from featheredge.models.resnet import ResNetConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Tensor -> its shape.
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]


def read_config(network: Network, shapes: Shapes) -> "DataclassInstance":
    """The configuration of a network of the same class whose tensors have these shapes.

    Where the class has one width for several layers, the first of them says it.

    Raises:
        ArgumentError: a class whose widths are not known here.
    """
    if type(network.config) not in _READERS:
        raise ArgumentError(
            f"the widths of {type(network).__name__} are not known to pruning; there are "
            f"{', '.join(config.__name__ for config in _READERS)}"
        )
    config: DataclassInstance = _READERS[type(network.config)](network.config, shapes)
    return config


def _rows(shapes: Shapes, *layers: str) -> int:
    """Channels that the first of these layers which is there makes; 0 where none is."""
    found = [shapes[f"{layer}.weight"][0] for layer in layers if f"{layer}.weight" in shapes]
    return found[0] if found else 0


def _four(widths: Iterable[int]) -> tuple[int, int, int, int]:
    """Exactly four of them."""
    one, two, three, four = widths
    return one, two, three, four


def _rcf(config: RCFConfig, shapes: Shapes) -> RCFConfig:
    # The side layers read every convolution of the encoder, and are numbered as its widths are.
    one, two, three, four, five = (
        tuple(shapes[f"downs.{stage}.{index}.weight"][1] for index in range(len(old)))
        for stage, old in enumerate(config.widths)
    )
    widths = (one, two, three, four, five)
    return replace(config, widths=widths, side=_rows(shapes, "downs.0.0"))


def _pidinet(config: PiDiNetConfig, shapes: Shapes) -> PiDiNetConfig:
    widths = _four(_rows(shapes, f"block{stage}_1.conv2") for stage in (1, 2, 3, 4))
    return replace(config, widths=widths, context=_rows(shapes, "dilations.0.conv1"))


def _mobile_edge(config: MobileEdgeConfig, shapes: Shapes) -> MobileEdgeConfig:
    layers = [f"encoder.features.{index}" for index in range(len(config.blocks) + 2)]
    pairs = zip(config.blocks, layers[1:-1], strict=True)
    decoder = max(int(name.split(".")[1]) for name in shapes if name.startswith("steps."))
    return replace(
        config,
        stem=_rows(shapes, f"{layers[0]}.0"),
        blocks=tuple(_bottleneck(block, layer, shapes) for block, layer in pairs),
        top=_rows(shapes, f"{layers[-1]}.0"),
        laterals=tuple(_rows(shapes, f"laterals.{i}.0") for i in range(len(config.laterals))),
        head=_rows(shapes, f"steps.{decoder}.1.0"),
    )


def _feather(config: FeatherConfig, shapes: Shapes) -> FeatherConfig:
    layers = [f"encoder.features.{index}" for index in range(len(config.blocks) + 1)]
    pairs = zip(config.blocks, layers[1:], strict=True)
    steps = range(len(config.steps))
    return replace(
        config,
        stem=_rows(shapes, f"{layers[0]}.0"),
        blocks=tuple(_bottleneck(block, layer, shapes) for block, layer in pairs),
        context=_rows(shapes, "context.reduce.0"),
        steps=tuple(_rows(shapes, f"steps.{index}.project.0") for index in steps),
        fine=_rows(shapes, "fine.project.0"),
    )


def _bottleneck(block: Bottleneck, layer: str, shapes: Shapes) -> Bottleneck:
    """Without an expansion the projection is one layer nearer to the front."""
    if not block.hidden:
        return replace(block, out=_rows(shapes, f"{layer}.conv.1"))
    return replace(
        block, hidden=_rows(shapes, f"{layer}.conv.0.0"), out=_rows(shapes, f"{layer}.conv.2")
    )


def _csf(config: CSFConfig, shapes: Shapes) -> CSFConfig:
    head, old = _head(config.head, shapes), config.head
    # Norms lose whole groups of channels, and all of them have equally many groups.
    groups = config.norm_groups * head.merge // old.merge
    pairs = [(old.merge, head.merge), *zip(old.fuse, head.fuse, strict=True)]
    pairs += [(sum(a), sum(b)) for a, b in zip(old.dilated, head.dilated, strict=True)]
    if any(before * groups != after * config.norm_groups for before, after in pairs):
        raise ArgumentError(
            f"all group norms of a CSF have equally many groups, {config.norm_groups} so far; of "
            f"the channels that they had, {pairs} are left; keep the same share of each"
        )
    return replace(config, encoder=_resnet(config.encoder, shapes), head=head, norm_groups=groups)


def _resnet(config: ResNetConfig, shapes: Shapes) -> ResNetConfig:
    stem = [shape for name, shape in shapes.items() if name.startswith("encoder.conv1.")]
    stages = [f"encoder.layer{stage}.0" for stage in (1, 2, 3, 4)]
    return replace(
        config,
        stem=tuple(shape[0] for shape in stem if len(shape) > 1),
        hidden=_four(_rows(shapes, f"{stage}.conv1") for stage in stages),
        widths=_four(_rows(shapes, f"{stage}.conv3") for stage in stages),
    )


def _csnet(config: CSNetConfig, shapes: Shapes) -> CSNetConfig:
    one, two, three, four, five = (
        tuple(_both(f"stages.{number}.{index}.mix", shapes) for index in range(len(stage)))
        for number, stage in enumerate(config.stages)
    )
    return CSNetConfig((one, two, three, four, five), _head(config.head, shapes))


def _both(layer: str, shapes: Shapes) -> tuple[int, int]:
    """Channels that a layer of a CSNet's stages makes at its two scales."""
    fine, coarse = _scales(layer, 2, shapes)
    return fine, coarse


def _head(widths: HeadWidths, shapes: Shapes) -> HeadWidths:
    count = len(widths.fuse)
    dilated = tuple(_dilated(scale, shapes) for scale in range(count))
    (merge,) = _scales("head.merge", 1, shapes, sources=count)
    return HeadWidths(_scales("head.fuse", count, shapes), dilated, merge)


def _dilated(scale: int, shapes: Shapes) -> DilatedWidths:
    """Channels that a scale's convolutions make, by dilation."""
    layers = (f"head.context.{scale}.convs.{i}" for i in range(len(DILATIONS)))
    one, two, three, four, five = (_rows(shapes, layer) for layer in layers)
    return one, two, three, four, five


def _scales(layer: str, targets: int, shapes: Shapes, sources: int = 0) -> tuple[int, ...]:
    """Channels that a generalised octave convolution makes at every scale."""
    return tuple(
        _rows(shapes, *(f"{layer}.paths.{s}to{t}" for s in range(max(sources, targets))))
        for t in range(targets)
    )


_READERS: dict[type, Callable[[Any, Shapes], Any]] = {
    CSFConfig: _csf,
    CSNetConfig: _csnet,
    FeatherConfig: _feather,
    MobileEdgeConfig: _mobile_edge,
    PiDiNetConfig: _pidinet,
    RCFConfig: _rcf,
}
