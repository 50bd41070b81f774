"""Read a network's configuration off the shapes of its tensors.

A cut network is of the same class with smaller widths, which follow from its tensors. Fields that
are not widths, such as strides, keep their values.

Shapes: A kernel is (rows, columns, k, k). A tensor that has lost all its channels is missing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from featheredge.errors import ArgumentError
from featheredge.models.csf import DILATIONS, CSFConfig, DilatedWidths, HeadWidths
from featheredge.models.csnet import CSNetConfig, Stage
from featheredge.models.csnet_extractor import CSNetExtractorConfig
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
    """Return the configuration of a network of the same class whose tensors have these shapes.

    If the class has one width for several layers, it is read off the first of them.

    Args:
        network: A network of the zoo, before the cut.
        shapes: Tensor -> shape, after the cut.

    Raises:
        ArgumentError: The network's class is not supported, or it cannot have these widths.
    """
    if type(network.config) not in _READERS:
        raise ArgumentError(
            f"cannot read the widths of {type(network).__name__}; supported configurations are "
            f"{', '.join(config.__name__ for config in _READERS)}"
        )
    config: DataclassInstance = _READERS[type(network.config)](network.config, shapes)
    return config


def _rows(shapes: Shapes, *layers: str) -> int:
    """Return the channels that the first existing layer of these produces; 0 if none exists."""
    found = [shapes[f"{layer}.weight"][0] for layer in layers if f"{layer}.weight" in shapes]
    return found[0] if found else 0


def _four(widths: Iterable[int]) -> tuple[int, int, int, int]:
    """Return exactly four widths."""
    one, two, three, four = widths
    return one, two, three, four


def _rcf(config: RCFConfig, shapes: Shapes) -> RCFConfig:
    # Side layers read every convolution of the encoder and are numbered like its widths.
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
    """Read a block's widths; without an expansion its projection is one layer earlier."""
    if not block.hidden:
        return replace(block, out=_rows(shapes, f"{layer}.conv.1"))
    return replace(
        block, hidden=_rows(shapes, f"{layer}.conv.0.0"), out=_rows(shapes, f"{layer}.conv.2")
    )


def _csf(config: CSFConfig, shapes: Shapes) -> CSFConfig:
    head, old = _head(config.head, shapes), config.head
    # Norms lose whole groups of channels, and all norms have the same number of groups.
    groups = config.norm_groups * head.merge // old.merge
    pairs = [(old.merge, head.merge), *zip(old.fuse, head.fuse, strict=True)]
    pairs += [(sum(a), sum(b)) for a, b in zip(old.dilated, head.dilated, strict=True)]
    if any(before * groups != after * config.norm_groups for before, after in pairs):
        raise ArgumentError(
            "all group norms of a CSF must have the same number of groups, now "
            f"{config.norm_groups}; the channels per norm, before and after, are {pairs}; keep the "
            "same share of each"
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
    return CSNetConfig(_il_stages(config.stages, shapes), _head(config.head, shapes))


def _csnet_extractor(config: CSNetExtractorConfig, shapes: Shapes) -> CSNetExtractorConfig:
    return CSNetExtractorConfig(_il_stages(config.stages, shapes))


def _il_stages(stages: Sequence[Stage], shapes: Shapes) -> tuple[Stage, Stage, Stage, Stage, Stage]:
    one, two, three, four, five = (
        tuple(_two_scales(f"stages.{number}.{index}.mix", shapes) for index in range(len(stage)))
        for number, stage in enumerate(stages)
    )
    return one, two, three, four, five


def _two_scales(layer: str, shapes: Shapes) -> tuple[int, int]:
    """Return the channels that a layer of a CSNet stage produces at its two scales."""
    fine, coarse = _scales(layer, 2, shapes)
    return fine, coarse


def _head(widths: HeadWidths, shapes: Shapes) -> HeadWidths:
    count = len(widths.fuse)
    dilated = tuple(_dilated(scale, shapes) for scale in range(count))
    (merge,) = _scales("head.merge", 1, shapes, sources=count)
    return HeadWidths(_scales("head.fuse", count, shapes), dilated, merge)


def _dilated(scale: int, shapes: Shapes) -> DilatedWidths:
    """Return the channels that the convolutions of a scale produce, by dilation."""
    layers = (f"head.context.{scale}.convs.{i}" for i in range(len(DILATIONS)))
    one, two, three, four, five = (_rows(shapes, layer) for layer in layers)
    return one, two, three, four, five


def _scales(layer: str, targets: int, shapes: Shapes, sources: int = 0) -> tuple[int, ...]:
    """Return the channels that a generalised octave convolution produces at every scale."""
    return tuple(
        _rows(shapes, *(f"{layer}.paths.{s}to{t}" for s in range(max(sources, targets))))
        for t in range(targets)
    )


_READERS: dict[type, Callable[[Any, Shapes], Any]] = {
    CSFConfig: _csf,
    CSNetConfig: _csnet,
    CSNetExtractorConfig: _csnet_extractor,
    FeatherConfig: _feather,
    MobileEdgeConfig: _mobile_edge,
    PiDiNetConfig: _pidinet,
    RCFConfig: _rcf,
}
