"""Networks by name, and networks to and from disk.

A saved network is a folder with `config.json` (class, widths, and what it is for, see
`featheredge.models.purpose`) and `model.safetensors` (parameters and buffers). Nothing is ever
unpickled, and a pruned network is the same class with smaller widths, so it loads the same way.
"""

import fnmatch
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import torch
from google.protobuf.message import DecodeError
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import Tensor, nn

from featheredge import catalog
from featheredge.errors import RecipeError, UnknownModelError, WeightsError
from featheredge.files import write_bytes, write_json
from featheredge.memory import refuse_above_memory
from featheredge.models.csf import CSF, CSFConfig
from featheredge.models.csnet import CSNET_L_X1, CSNET_L_X2, CSNet, CSNetConfig, fixed_split
from featheredge.models.feather import FEATHER_S, Feather, FeatherConfig
from featheredge.models.footprint import parameter_bytes
from featheredge.models.layer_names import begins
from featheredge.models.mobile_edge import (
    FEATHER_SALIENCY,
    FEATHER_SALIENCY_S,
    MOBILE_EDGE_S,
    MOBILE_EDGE_XS,
    MobileEdge,
    MobileEdgeConfig,
)
from featheredge.models.network import Network, Purpose
from featheredge.models.onnx_network import read_onnx_network
from featheredge.models.pidinet import PiDiNet, PiDiNetConfig
from featheredge.models.rcf import RCF, RCFConfig
from featheredge.models.resnet import RESNET50

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Network classes and their configurations, by the name that `config.json` holds.
CLASSES: dict[str, tuple[Callable[[Any], Network], type]] = {
    "CSF": (CSF, CSFConfig),
    "CSNet": (CSNet, CSNetConfig),
    "Feather": (Feather, FeatherConfig),
    "MobileEdge": (MobileEdge, MobileEdgeConfig),
    "PiDiNet": (PiDiNet, PiDiNetConfig),
    "RCF": (RCF, RCFConfig),
}

#: Networks of the zoo: name -> class name and configuration.
ZOO: dict[str, tuple[str, "DataclassInstance"]] = {
    "csf-res2net50": ("CSF", CSFConfig()),
    "csf-resnet50": ("CSF", CSFConfig(encoder=RESNET50)),
    "csnet-l-x1": ("CSNet", CSNET_L_X1),
    "csnet-l-x2": ("CSNet", CSNET_L_X2),
    "csnet-x1": ("CSNet", fixed_split(20)),
    "csnet-x2": ("CSNet", fixed_split(40)),
    "feather": ("Feather", FeatherConfig()),
    "feather-s": ("Feather", FEATHER_S),
    "feather-saliency": ("MobileEdge", FEATHER_SALIENCY),
    "feather-saliency-s": ("MobileEdge", FEATHER_SALIENCY_S),
    "mobile-edge": ("MobileEdge", MobileEdgeConfig()),
    "mobile-edge-s": ("MobileEdge", MOBILE_EDGE_S),
    "mobile-edge-xs": ("MobileEdge", MOBILE_EDGE_XS),
    "pidinet": ("PiDiNet", PiDiNetConfig()),
    "pidinet-l": ("PiDiNet", PiDiNetConfig(context=0)),
    "pidinet-small": ("PiDiNet", PiDiNetConfig((30, 60, 120, 120), context=12)),
    "pidinet-small-l": ("PiDiNet", PiDiNetConfig((30, 60, 120, 120), context=0)),
    "pidinet-tiny": ("PiDiNet", PiDiNetConfig((20, 40, 80, 80), context=8)),
    "pidinet-tiny-l": ("PiDiNet", PiDiNetConfig((20, 40, 80, 80), context=0)),
    "rcf": ("RCF", RCFConfig()),
}

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


def list_networks(pattern: str = "*") -> list[str]:
    """Return the names that `create_model` can build, sorted.

    Weights are shipped for those that `featheredge.list_models` has too.

    Args:
        pattern: Only names that match this shell pattern, such as "csnet-*".
    """
    return fnmatch.filter(sorted(ZOO), pattern)


def create_model(
    name: str, *, pretrained: bool = False, widths: Mapping[str, Any] | None = None
) -> Network:
    """Build a network of the zoo.

    Args:
        name: its name in `ZOO`.
        pretrained: load the shipped weights; `widths` must then leave the shapes alone.
        widths: fields of the network's configuration to set differently.

    Raises:
        UnknownModelError: no such name, or no weights are shipped for it.
        RecipeError: `widths` has an unknown field or a value of the wrong kind.
        WeightsError: the shipped weights do not fit the configuration.
    """
    if name not in ZOO:
        raise UnknownModelError(f"no network is called {name!r}; there are: {', '.join(ZOO)}")
    class_name, config = ZOO[name]
    network = from_config(class_name, {**asdict(config), **(widths or {})})
    if pretrained:
        shipped = [entry.name for entry in catalog.list_models()]
        if name not in shipped:
            raise UnknownModelError(
                f"no weights are shipped for {name!r}; they are for {', '.join(shipped)}"
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
    if class_name not in CLASSES:
        raise WeightsError(f"unknown network class {class_name!r}; known: {', '.join(CLASSES)}")
    network_class, config_class = CLASSES[class_name]
    try:
        validated: Any = TypeAdapter(config_class).validate_python(config)
    except ValidationError as cause:
        raise RecipeError(f"{class_name} has no such configuration: {cause}") from None
    size = parameter_bytes(lambda: network_class(validated))
    refuse_above_memory(size, f"a {class_name} of these widths", "choose smaller widths")
    return network_class(validated)


def save(network: Network, folder: Path, purpose: Purpose | None = None) -> None:
    """Write `network` to `folder` as `config.json` and `model.safetensors`.

    Args:
        network: Any network of the zoo.
        folder: Created if absent.
        purpose: Task and input size; without them, `featheredge export` must be given both.
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
        WeightsError: a file is missing or damaged, or weights and configuration disagree.
    """
    try:
        stored = json.loads((folder / CONFIG_FILE).read_bytes())
        network = from_config(stored["network"], stored["config"])
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise WeightsError(
            f"{folder}: expected the {CONFIG_FILE} of a saved network: {cause}"
        ) from cause
    load_weights(network, read_safetensors(folder / WEIGHTS_FILE), str(folder))
    return network.eval()


def load_trained(source: str) -> Network:
    """A trained network from wherever it is, in evaluation mode.

    Args:
        source: the folder of a saved network; a name of the catalog, for shipped weights; or
            NAME:FILE, a name of the zoo and a .safetensors file with that network's tensors, by
            their names here or by its authors', such as "pidinet:pidinet_bsds_voc.safetensors";
            or onnx:FILE.onnx, any network with a FILE.toml beside it that declares what it
            expects (see `featheredge.models.onnx_network`).

    Raises:
        UnknownModelError: no such folder and no such name.
        WeightsError: weights that are missing, damaged or of another architecture.
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
        f"{source}: neither the folder of a saved network, nor NAME:FILE.safetensors, nor "
        f"onnx:FILE.onnx, nor a name; "
        f"names are {', '.join(ZOO)}"
    )


def load_weights(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Copy `state` into `network`; every tensor must be there and fit.

    Batch norm's `num_batches_tracked` may be missing, since it does not change what a network
    computes; so may parameters that only training uses, which then keep their values.

    Raises:
        WeightsError: naming the first tensors that are missing, unknown or of another shape.
    """
    own = network.state_dict()
    missing = [k for k in own if k not in state and not _is_dispensable(k, network)]
    unknown = [k for k in state if k not in own]
    wrong = [
        f"{k} {tuple(state[k].shape)} for {tuple(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    for problem, keys in (("missing", missing), ("unknown", unknown), ("misshapen", wrong)):
        if keys:
            raise WeightsError(
                f"{source}: the weights do not fit this {type(network).__name__}: "
                f"{len(keys)} {problem}, such as {', '.join(keys[:3])}"
            )
    network.load_state_dict(dict(state), strict=False)


def _is_dispensable(key: str, network: nn.Module) -> bool:
    """Whether a network computes the same without this tensor once it is trained."""
    training_only = getattr(network, "training_only", ())
    return key.endswith("num_batches_tracked") or any(begins(key, name) for name in training_only)


def read_onnx(path: Path) -> dict[str, Tensor]:
    """The parameters and buffers that `featheredge.deploy.export` wrote to a file, as float32.

    Raises:
        WeightsError: not a readable ONNX file.
    """
    try:
        graph = onnx.load(path).graph
    except (OSError, DecodeError) as cause:
        raise WeightsError(f"{path}: not a readable .onnx file: {cause}") from cause
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {k: torch.tensor(v, dtype=torch.float32) for k, v in weights.items() if is_parameter(k)}


def is_parameter(name: str) -> bool:
    """Whether a tensor in an ONNX file is the network's own; the graph's constants have no dot."""
    return "." in name


def load_backbone(network: Network, path: Path) -> None:
    """Load an ImageNet file in torchvision's key scheme into `network.encoder`.

    An encoder may end early: layers of the file past its last one are left out.

    Raises:
        RecipeError: the network has no encoder of its own.
        WeightsError: the file is unreadable or of another architecture.
    """
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise RecipeError(f"{type(network).__name__} has no encoder for {path} to go into")
    load_weights(encoder, _encoder_part(read_safetensors(path), encoder), str(path))


def _encoder_part(state: Mapping[str, Tensor], encoder: nn.Module) -> dict[str, Tensor]:
    """What a classifier's tensors hold for an encoder, whose `features.I` may end early."""
    layers = getattr(encoder, "features", ())
    wanted = {f"features.{layer}" for layer in range(len(layers))}
    others = ("features.", "classifier.", "fc.")
    return {
        key: tensor
        for key, tensor in state.items()
        if ".".join(key.split(".")[:2]) in wanted or not key.startswith(others)
    }


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file.

    Raises:
        WeightsError: missing, or not a .safetensors file.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as cause:
        raise WeightsError(f"{path}: not a readable .safetensors file: {cause}") from cause
