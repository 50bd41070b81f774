"""Build networks by name, save them and load them.

A saved network is a folder with `config.json` (class, widths, and task and input size, see
`featheredge.models.purpose`) and `model.safetensors` (parameters and buffers). Nothing is
unpickled. A pruned network is of the same class with smaller widths, so it loads the same way.
"""

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save as serialise

from featheredge import catalog
from featheredge.errors import RecipeError, UnknownModelError, WeightsError
from featheredge.files import write_bytes, write_json
from featheredge.memory import refuse_above_memory
from featheredge.models.csf import CSF, CSFConfig
from featheredge.models.csnet import (
    CSNET_L_X1,
    CSNET_L_X2,
    CSNet,
    CSNetConfig,
    fixed_split,
    split_stages,
)
from featheredge.models.csnet_extractor import CSNetExtractor, CSNetExtractorConfig
from featheredge.models.feather import (
    FEATHER_SALIENCY_S,
    MOBILE_EDGE,
    MOBILE_EDGE_S,
    MOBILE_EDGE_XS,
    Feather,
    FeatherConfig,
)
from featheredge.models.footprint import parameter_bytes
from featheredge.models.mobile_edge import (
    FEATHER_SALIENCY,
    MobileEdge,
    MobileEdgeConfig,
)
from featheredge.models.network import Network, Purpose
from featheredge.models.onnx_network import read_onnx_network
from featheredge.models.pidinet import PiDiNet, PiDiNetConfig
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.models.resnet import RESNET50
from featheredge.models.tensors import (
    load_weights,
    read_onnx,
    read_safetensors,
    refuse_misfit,
)
from featheredge.text_files import read_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Name in `config.json` -> network class and class of its configuration.
CLASSES: dict[str, tuple[Callable[[Any], Network], type]] = {
    "CSF": (CSF, CSFConfig),
    "CSNet": (CSNet, CSNetConfig),
    "CSNetExtractor": (CSNetExtractor, CSNetExtractorConfig),
    "Feather": (Feather, FeatherConfig),
    "MobileEdge": (MobileEdge, MobileEdgeConfig),
    "PiDiNet": (PiDiNet, PiDiNetConfig),
    "RCF": (RCF, RCFConfig),
}

#: Networks of the zoo: name -> class name and configuration.
ZOO: dict[str, tuple[str, "DataclassInstance"]] = {
    "csf-res2net50": ("CSF", CSFConfig()),
    "csf-resnet50": ("CSF", CSFConfig(encoder=RESNET50)),
    "csnet-extractor-0-1": ("CSNetExtractor", CSNetExtractorConfig(split_stages(20, 1))),
    "csnet-extractor-1-0": ("CSNetExtractor", CSNetExtractorConfig(split_stages(20, 0))),
    "csnet-extractor-3-1": ("CSNetExtractor", CSNetExtractorConfig(split_stages(20, 0.25))),
    "csnet-extractor-5-5": ("CSNetExtractor", CSNetExtractorConfig(split_stages(20, 0.5))),
    "csnet-l-x1": ("CSNet", CSNET_L_X1),
    "csnet-l-x2": ("CSNet", CSNET_L_X2),
    "csnet-x1": ("CSNet", fixed_split(20)),
    "csnet-x2": ("CSNet", fixed_split(40)),
    "feather-saliency": ("Feather", FeatherConfig()),
    "feather-saliency-s": ("Feather", FEATHER_SALIENCY_S),
    "feather-saliency-v1": ("MobileEdge", FEATHER_SALIENCY),
    "mobile-edge": ("Feather", MOBILE_EDGE),
    "mobile-edge-s": ("Feather", MOBILE_EDGE_S),
    "mobile-edge-v1": ("MobileEdge", MobileEdgeConfig()),
    "mobile-edge-xs": ("Feather", MOBILE_EDGE_XS),
    "pidinet": ("PiDiNet", PiDiNetConfig()),
    "pidinet-l": ("PiDiNet", PiDiNetConfig(context=0)),
    "pidinet-small": ("PiDiNet", PiDiNetConfig((30, 60, 120, 120), context=12)),
    "pidinet-small-l": ("PiDiNet", PiDiNetConfig((30, 60, 120, 120), context=0)),
    "pidinet-tiny": ("PiDiNet", PiDiNetConfig((20, 40, 80, 80), context=8)),
    "pidinet-tiny-l": ("PiDiNet", PiDiNetConfig((20, 40, 80, 80), context=0)),
    "rcf": ("RCF", RCFConfig()),
}

#: The largest number in a configuration, and the longest list.
MAX_WIDTH, MAX_ENTRIES = 16384, 256

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


def list_networks(pattern: str = "*") -> list[str]:
    """Return the names that `create_model` can build, sorted.

    `featheredge.list_models` lists those that have shipped weights.

    Args:
        pattern: Only names that match this shell pattern, such as "csnet-*".
    """
    return fnmatch.filter(sorted(ZOO), pattern)


def create_model(
    name: str, *, pretrained: bool = False, widths: Mapping[str, Any] | None = None
) -> Network:
    """Build a network of the zoo.

    Args:
        name: A name in `ZOO`.
        pretrained: Whether to load the shipped weights; `widths` must then not change shapes.
        widths: Fields of the network's configuration to change.

    Raises:
        UnknownModelError: No network has this name, or no weights are shipped for it.
        RecipeError: `widths` has an unknown field or a value of the wrong kind.
        WeightsError: The shipped weights do not fit the configuration.
    """
    if name not in ZOO:
        raise UnknownModelError(f"unknown network {name!r}; choose one of {', '.join(ZOO)}")
    class_name, config = ZOO[name]
    network = from_config(class_name, {**asdict(config), **(widths or {})})
    if pretrained:
        shipped = [entry.name for entry in catalog.list_models()]
        if name not in shipped:
            raise UnknownModelError(
                f"no weights are shipped for {name!r}; choose one of {', '.join(shipped)}"
            )
        load_weights(network, read_onnx(catalog.weights_path(catalog.find(name))), name)
    return network


def from_config(class_name: str, config: Mapping[str, Any]) -> Network:
    """Build a network from the name of its class and the fields of its configuration.

    Raises:
        WeightsError: No network class has this name.
        RecipeError: A field is unknown or of the wrong kind, or the network would be larger than
            the machine's memory.
    """
    return _maker(class_name, config)()


def _maker(class_name: str, config: Mapping[str, Any]) -> Callable[[], Network]:
    """Validate a configuration; return a function that builds the network. See `from_config`."""
    if class_name not in CLASSES:
        raise WeightsError(
            f"unknown network class {class_name!r}; choose one of {', '.join(CLASSES)}"
        )
    network_class, config_class = CLASSES[class_name]
    try:
        validated: Any = TypeAdapter(config_class).validate_python(config)
    except ValidationError as cause:
        raise RecipeError(f"this is not a configuration of {class_name}: {cause}") from None
    _refuse_extremes(asdict(validated), class_name)
    size = parameter_bytes(lambda: network_class(validated))
    refuse_above_memory(size, f"a {class_name} of these widths", "choose smaller widths")
    return lambda: network_class(validated)


def _refuse_extremes(config: Any, name: str) -> None:
    """Refuse numbers and lists that no network has, before one is built from them.

    Even without data, a layer of 10^9 blocks or of 10^5 entries takes memory and time.
    """
    if isinstance(config, dict):
        for key, value in config.items():
            _refuse_extremes(value, f"{name}.{key}")
    elif isinstance(config, (tuple, list)):
        if len(config) > MAX_ENTRIES:
            raise RecipeError(f"{name} has {len(config)} entries; expected at most {MAX_ENTRIES}")
        for value in config:
            _refuse_extremes(value, name)
    elif isinstance(config, int) and config > MAX_WIDTH:
        raise RecipeError(f"{name} has the value {config}; expected at most {MAX_WIDTH}")


def save(network: Network, folder: Path, purpose: Purpose | None = None) -> None:
    """Write `network` to `folder` as `config.json` and `model.safetensors`.

    Args:
        network: Any network of the zoo.
        folder: Output folder; created if it does not exist.
        purpose: Task and input size. Without it, `featheredge export` needs both as options.
    """
    config = {
        "network": type(network).__name__,
        **({} if purpose is None else asdict(purpose)),
        "config": asdict(network.config),
    }
    state = {key: value.contiguous().cpu() for key, value in network.state_dict().items()}
    write_bytes(folder / WEIGHTS_FILE, serialise(state))
    write_json(folder / CONFIG_FILE, config)


def load(folder: Path) -> Network:
    """Read a network that `save` wrote, in evaluation mode.

    Raises:
        WeightsError: A file is missing or damaged, or weights and configuration do not match.
    """
    try:
        stored = read_json(folder / CONFIG_FILE)
        make = _maker(stored["network"], stored["config"])
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise WeightsError(
            f"{folder}: cannot read {CONFIG_FILE} of a saved network: {cause}"
        ) from cause
    state = read_safetensors(folder / WEIGHTS_FILE)
    with torch.device("meta"):  # nothing is allocated for a configuration that does not fit
        refuse_misfit(make(), state, str(folder))
    network = make()
    load_weights(network, state, str(folder))
    return network.eval()


def load_trained(source: str) -> Network:
    """Load a trained network, in evaluation mode.

    Args:
        source: One of these. The folder of a saved network. A name of the catalog, for shipped
            weights. NAME:FILE, a name of the zoo and a .safetensors file with its tensors, by their
            names here or by the authors' names, such as "pidinet:pidinet_bsds_voc.safetensors".
            onnx:FILE.onnx, any network with a declaration FILE.toml beside it (see
            `featheredge.models.onnx_network`).

    Raises:
        UnknownModelError: `source` is not a folder, and no network has this name.
        WeightsError: The weights are missing, damaged or of another architecture.
    """
    name, colon, file = source.partition(":")
    if Path(source).is_dir():
        return load(Path(source))
    if name == "onnx" and colon:
        return read_onnx_network(Path(file)).eval()
    if name in ZOO and colon:
        network = create_model(name)
        load_weights(network, network.published(read_safetensors(Path(file))), file)
        return network.eval()
    if source in ZOO:
        return create_model(source, pretrained=True).eval()
    raise UnknownModelError(
        f"unknown network {source!r}; give the folder of a saved network, NAME:FILE.safetensors, "
        f"onnx:FILE.onnx, or a name: {', '.join(ZOO)}"
    )
