"""Channel counts that training learns: norm scales decay until their channels are gone.

A batch norm's scale gamma multiplies all that its channel says, so a channel whose gamma has
reached zero can be cut (see `featheredge.pruning.learned`).

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
    """How norm scales are pulled to zero, in place of static weight decay on them.

    Attributes:
        kind: How strongly a scale gamma is pulled, before `strength` and cost. "dynamic", S |gamma|
            with S the mean response of its channel: the dynamic weight decay of CSNet (Gao et al.,
            ECCV 2020); "l2", |gamma|: plain weight decay; "l1", 1 (Liu et al., "Network slimming",
            ICCV 2017).
        strength: The factor lambda on the pull; 3 is published for "dynamic".
        form: "coupled", as published, adds the pull to the gradient, which Adam then divides by
            what gradients were of late; "decoupled" moves gamma by the learning rate times the pull
            after the step, never past zero.
        layers: Beginnings of the dotted names of the norms that it acts on; CSNet's stages.
        cost: What the pull is proportional to besides: "equal", nothing; "multiply-adds", those
            that a channel takes to make at its resolution; "ms", the table of that name. The mean
            over all channels is 1, so `strength` keeps its meaning.
        ms: Milliseconds that a channel takes, by the beginning of its norm's dotted name; the
            longest that fits counts.
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
            raise ValueError('a table ms of milliseconds per channel belongs to cost = "ms"')
        return self


class _Decayed(NamedTuple):
    """A norm, the layer whose output is its channels' response, and its factor on the pull."""

    norm: nn.BatchNorm2d
    answer: nn.Module
    factor: float


class NormDecay:
    """Pulls the norm scales of one network to zero, a little with every optimiser step.

    Responses are those of the step's own batches, so there is nothing to store between steps.

    Args:
        network: The one that is trained.
        settings: None leaves everything alone.
        size_px: Height and width of its pictures, where multiply-adds are counted.
        mean_over_processes: Makes every process's tensor the mean of all of them.

    Raises:
        RecipeError: The network has no norms of these names, or the table leaves one out.
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
            answers = _answers(network)
            self._decayed = [
                _Decayed(norm, answers[norm], factors[name]) for name, norm in norms.items()
            ]

    @property
    def scales(self) -> list[nn.Parameter]:
        """The norm scales that it acts on."""
        return [decayed.norm.weight for decayed in self._decayed]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the channels' responses from the training batches that pass meanwhile."""
        if self._settings is None or self._settings.kind != "dynamic":
            yield
            return
        heard: dict[nn.Module, list[Tensor]] = {decayed.answer: [] for decayed in self._decayed}

        def hear(module: nn.Module, inputs: Any, output: Tensor) -> None:
            heard[module].append(response(output))

        hooks = [module.register_forward_hook(hear) for module in heard]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        means = [torch.stack(batches).mean(0) for batches in heard.values()]
        self._responses = list(self._mean(torch.cat(means)).split([len(mean) for mean in means]))

    @torch.no_grad()
    def add_to_gradients(self) -> None:
        """The coupled form, to be called right before the optimiser's step."""
        if self._settings is None or self._settings.form != "coupled":
            return
        for scale, pull in self._pulls(self._settings):
            assert scale.grad is not None
            scale.grad += scale.sign() * pull

    @torch.no_grad()
    def shrink(self, optimiser: torch.optim.Optimizer) -> None:
        """The decoupled form, to be called right after the step, with the rates it was taken at."""
        if self._settings is None or self._settings.form != "decoupled":
            return
        rates = {
            scale: group["lr"] for group in optimiser.param_groups for scale in group["params"]
        }
        for scale, pull in self._pulls(self._settings):
            scale.copy_(scale.sign() * (scale.abs() - rates[scale] * pull).clamp(min=0))

    def _pulls(self, settings: ChannelDecay) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Every scale and how strongly it is pulled, (C,) and never negative."""
        for index, (norm, _, factor) in enumerate(self._decayed):
            size = norm.weight.abs()
            if settings.kind == "dynamic":
                pull = self._responses[index] * size
            else:
                pull = size if settings.kind == "l2" else torch.ones_like(size)
            yield norm.weight, settings.strength * factor * pull


def response(output: Tensor) -> Tensor:
    """S of every channel: the mean over the batch of |mean over cells|, (B, C, h, w) -> (C,)."""
    return output.detach().float().mean((2, 3)).abs().mean(0)


def _answers(network: nn.Module) -> dict[nn.Module, nn.Module]:
    """For every norm the activation right after it in its sequence, or else the norm itself."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    answers: dict[nn.Module, nn.Module] = dict(zip(norms, norms, strict=True))
    activations = (nn.PReLU, nn.ReLU, nn.ReLU6)
    for sequence in network.modules():
        if isinstance(sequence, nn.Sequential):
            for norm, after in zip(sequence, list(sequence)[1:], strict=False):
                if norm in answers and isinstance(after, activations):
                    answers[norm] = after
    return answers


def _factors(
    network: Network, norms: Mapping[str, nn.BatchNorm2d], settings: ChannelDecay, size_px: int
) -> dict[str, float]:
    """What the pull on every norm's scales is multiplied by; 1 in the mean over channels."""
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
    """The milliseconds per channel of every norm."""
    costs = {}
    for name in norms:
        beginning = longest_beginning(name, table)
        if beginning is None:
            raise RecipeError(
                f"decay.ms: no entry for {name}; expected one for the beginning of its name, "
                f"got {', '.join(table)}"
            )
        costs[name] = table[beginning]
    return costs
