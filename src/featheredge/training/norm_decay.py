"""Learn channel counts: the scales of batch norms decay until some channels are zero.

The scale gamma of a batch norm multiplies the output of its channel, so a channel whose gamma is
zero can be cut (see `featheredge.pruning.learned`).

Shapes: B batch, C channels, h w cells of a map.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, Self

import torch
from pydantic import PositiveFloat, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from featheredge.errors import RecipeError
from featheredge.models.cost import channel_multiply_adds
from featheredge.models.layer_names import longest_beginning, norms_below
from featheredge.models.network import Network


@dataclass(frozen=True, config={"extra": "forbid"})
class ChannelDecay:
    """How norm scales are pulled to zero, instead of by weight decay.

    Attributes:
        kind: The pull on a scale gamma, before `strength` and cost. "dynamic": S |gamma| with S the
            mean response of the channel, the dynamic weight decay of CSNet (Gao et al., ECCV
            2020); "l2": |gamma|, plain weight decay; "l1": 1 (Liu et al., "Network slimming", ICCV
            2017).
        strength: The factor lambda on the pull; 3 is published for "dynamic".
        form: "coupled", as published, adds the pull to the gradient, which Adam then divides by the
            size of recent gradients; "decoupled" moves gamma by the learning rate times the pull
            after the step, never past zero.
        layers: First parts of the dotted names of the norms that decay; the default is CSNet's
            stages.
        cost: The cost of a channel, to which the pull is proportional too: "equal" for all,
            "multiply-adds" that compute it at its resolution, or "ms" from the table `ms`. The mean
            over all channels is 1, so `strength` keeps its meaning.
        ms: Milliseconds for a channel, by the first part of its norm's dotted name; the longest
            match counts.
    """

    kind: Literal["dynamic", "l2", "l1"]
    strength: PositiveFloat = 3.0
    form: Literal["coupled", "decoupled"] = "coupled"
    layers: tuple[str, ...] = ("stages",)
    cost: Literal["equal", "multiply-adds", "ms"] = "equal"
    ms: Mapping[str, PositiveFloat] | None = None

    @model_validator(mode="after")
    def _table_if_asked(self) -> Self:
        if (self.cost == "ms") != bool(self.ms):
            raise ValueError('the table ms belongs to cost = "ms"; give both or neither')
        return self


class _Decayed(NamedTuple):
    """A norm, the layer whose output is its response, and the factor on its pull."""

    norm: nn.BatchNorm2d
    layer: nn.Module
    factor: float


class NormDecay:
    """Pulls the norm scales of a network to zero, a little with every optimiser step.

    Responses are measured on the batches of the step itself, so nothing is stored between steps.

    Args:
        network: The network that is trained.
        settings: None turns the decay off.
        size_px: Height and width of the pictures that multiply-adds are counted for.
        mean_over_processes: Replaces a tensor by its mean over all processes.

    Raises:
        RecipeError: The network has no norms of these names, or the table `ms` lacks one.
    """

    def __init__(
        self,
        network: Network,
        settings: ChannelDecay | None,
        size_px: int,
        mean_over_processes: Callable[[Tensor], Any] = lambda tensor: tensor,
    ) -> None:
        self._settings, self._mean = settings, mean_over_processes
        self._decayed: list[_Decayed] = []
        self._responses: list[Tensor] = []
        if settings is not None:
            norms = norms_below(network, settings.layers)
            factors = _factors(network, norms, settings, size_px)
            layers = _response_layers(network)
            self._decayed = [
                _Decayed(norm, layers[norm], factors[name]) for name, norm in norms.items()
            ]

    @property
    def scales(self) -> list[nn.Parameter]:
        """Return the norm scales that decay."""
        return [decayed.norm.weight for decayed in self._decayed]

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure the responses of channels on the batches that pass inside the context."""
        if self._settings is None or self._settings.kind != "dynamic":
            yield
            return
        measured: dict[nn.Module, list[Tensor]] = {decayed.layer: [] for decayed in self._decayed}

        def measure(module: nn.Module, inputs: Any, output: Tensor) -> None:
            measured[module].append(response(output))

        hooks = [module.register_forward_hook(measure) for module in measured]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        means = [torch.stack(batches).mean(0) for batches in measured.values()]
        self._responses = list(self._mean(torch.cat(means)).split([len(mean) for mean in means]))

    @torch.no_grad()
    def add_to_gradients(self) -> None:
        """Apply the coupled form; call it right before the optimiser's step."""
        if self._settings is None or self._settings.form != "coupled":
            return
        for scale, pull in self._pulls(self._settings):
            assert scale.grad is not None
            scale.grad += scale.sign() * pull

    @torch.no_grad()
    def shrink(self, optimiser: torch.optim.Optimizer) -> None:
        """Apply the decoupled form; call it right after the step, before the rates change."""
        if self._settings is None or self._settings.form != "decoupled":
            return
        rates = {
            scale: group["lr"] for group in optimiser.param_groups for scale in group["params"]
        }
        for scale, pull in self._pulls(self._settings):
            scale.copy_(scale.sign() * (scale.abs() - rates[scale] * pull).clamp(min=0))

    def _pulls(self, settings: ChannelDecay) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Return every scale and the pull on it, (C,), never negative."""
        for index, (norm, _, factor) in enumerate(self._decayed):
            size = norm.weight.abs()
            if settings.kind == "dynamic":
                pull = self._responses[index] * size
            else:
                pull = size if settings.kind == "l2" else torch.ones_like(size)
            yield norm.weight, settings.strength * factor * pull


def response(output: Tensor) -> Tensor:
    """Return the response S of every channel, (C,): mean over the batch of |mean over cells|."""
    return output.detach().float().mean((2, 3)).abs().mean(0)


def _response_layers(network: nn.Module) -> dict[nn.Module, nn.Module]:
    """Return, for every norm, the activation after it in its sequence, or the norm itself."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    layers: dict[nn.Module, nn.Module] = dict(zip(norms, norms, strict=True))
    activations = (nn.PReLU, nn.ReLU, nn.ReLU6)
    for sequence in network.modules():
        if isinstance(sequence, nn.Sequential):
            for norm, after in zip(sequence, list(sequence)[1:], strict=False):
                if norm in layers and isinstance(after, activations):
                    layers[norm] = after
    return layers


def _factors(
    network: Network, norms: Mapping[str, nn.BatchNorm2d], settings: ChannelDecay, size_px: int
) -> dict[str, float]:
    """Return the factor on the pull of each norm; its mean over all channels is 1."""
    if settings.cost == "equal":
        return dict.fromkeys(norms, 1.0)
    if settings.cost == "multiply-adds":
        costs: Mapping[str, float] = channel_multiply_adds(network, size_px)
    else:
        costs = _from_table(settings.ms or {}, norms)
    total = sum(costs[name] * norm.num_features for name, norm in norms.items())
    mean = total / sum(norm.num_features for norm in norms.values())
    return {name: costs[name] / mean for name in norms}


def _from_table(
    table: Mapping[str, float], norms: Mapping[str, nn.BatchNorm2d]
) -> dict[str, float]:
    """Return the milliseconds per channel of every norm."""
    costs = {}
    for name in norms:
        beginning = longest_beginning(name, table)
        if beginning is None:
            raise RecipeError(
                f"decay.ms: no entry for {name}; add one for the first part of its name; entries "
                f"are {', '.join(table)}"
            )
        costs[name] = table[beginning]
    return costs
