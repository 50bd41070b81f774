"""Decay of norm scales against autograd, PyTorch's own weight decay, and what it is there for."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from featheredge.errors import RecipeError
from featheredge.models.build import create_model, load
from featheredge.models.csf import HeadWidths
from featheredge.models.csnet import CSNet, CSNetConfig
from featheredge.run_folder import RECIPES_DIR
from featheredge.training.loop import train
from featheredge.training.norm_decay import ChannelDecay, NormDecay, response
from featheredge.training.optimiser import make_optimiser
from featheredge.training.recipe import load_recipe
from featheredge.training.recipe_sections import Optimiser
from stopping import train_with_a_stop
from toys import write_bsds, write_masks, write_recipe

TOY = CSNetConfig(
    (((3, 2),), ((2, 3),), ((3, 2), (4, 0)), ((3, 2), (5, 0)), ((2, 4), (6, 0))),
    HeadWidths((3, 3, 4), ((0, 1, 1, 1, 1), (1, 0, 1, 1, 1), (1, 1, 1, 1, 1)), 6),
)
DYNAMIC = ChannelDecay("dynamic", strength=0.7)


def make_toy() -> CSNet:
    """Scales of both signs, in training mode."""
    torch.manual_seed(0)
    network = CSNet(TOY).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, -1, 1)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


@pytest.fixture
def network() -> CSNet:
    return make_toy()


def pictures(seed: int = 0) -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def scale_names(network: nn.Module) -> list[str]:
    """The scales that CSNet's authors decay: all in the stages, none in the head."""
    norms = {n for n, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    return [
        name
        for name, _ in network.named_parameters()
        if name.removesuffix(".weight") in norms and name.startswith("stages.")
    ]


def num_hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def hear(network: nn.Module, decay: NormDecay, *batches: torch.Tensor) -> None:
    """Pass batches as the training loop does, accumulating gradients."""
    with decay.measuring():
        for batch in batches:
            network(batch).final.square().mean().backward()


def test_a_response_is_the_mean_of_each_pictures_absolute_mean():
    output = torch.randn(3, 2, 4, 5)
    for channel in range(2):
        means = [abs(sum(output[b, channel].flatten().tolist()) / 20) for b in range(3)]
        assert response(output)[channel].item() == pytest.approx(sum(means) / 3, abs=1e-6)


def test_by_default_it_acts_on_the_stages_and_not_on_the_head():
    network = create_model("csnet-x1")
    decay = NormDecay(network, ChannelDecay("l1"), 64)
    parameters = dict(network.named_parameters())
    expected = [parameters[name] for name in scale_names(network)]
    assert len(expected) == 99
    assert {id(scale) for scale in decay.scales} == {id(scale) for scale in expected}


def outputs_of(network: Any, image: torch.Tensor) -> list[torch.Tensor]:
    """The maps after every norm and activation of the stages, computed layer by layer."""
    maps, outputs = [image], []
    for stage in network.stages:
        for block in stage:
            maps = block.mix_act(block.mix(maps))
            outputs += maps
            maps = block.depthwise1(maps)
            outputs += maps
            maps = block.depthwise2(maps)
            outputs += maps
    return outputs


def test_the_dynamic_pull_is_the_slope_of_the_published_penalty(network):
    """R = 1/2 sum S gamma^2 with S held, differentiated by autograd in a twin."""
    twin, parameters = deepcopy(network), dict(network.named_parameters())
    decay = NormDecay(network, DYNAMIC, 32)
    hear(network, decay, pictures())
    decay.add_to_gradients()

    loss = twin(pictures()).final.square().mean()
    scales = dict(twin.named_parameters())
    means = [output.detach().mean((2, 3)).abs().mean(0) for output in outputs_of(twin, pictures())]
    penalty = sum(
        (mean * scales[name].square()).sum()
        for mean, name in zip(means, scale_names(twin), strict=True)
    )
    (loss + 0.7 * penalty / 2).backward()
    for name, parameter in twin.named_parameters():
        torch.testing.assert_close(parameters[name].grad, parameter.grad, msg=name)


def test_responses_of_accumulated_batches_are_averaged(network):
    decay = NormDecay(network, DYNAMIC, 32)
    single = []
    for seed in (1, 2):
        hear(network, decay, pictures(seed))
        single.append([pull for _, pull in decay._pulls(DYNAMIC)])
    hear(network, decay, pictures(1), pictures(2))
    for (_, pull), one, other in zip(decay._pulls(DYNAMIC), *single, strict=True):
        torch.testing.assert_close(pull, (one + other) / 2)


def test_processes_agree_on_the_responses(network):
    decay = NormDecay(network, DYNAMIC, 32, mean_over_processes=lambda tensor: 0 * tensor + 1)
    hear(network, decay, pictures())
    for scale, pull in decay._pulls(DYNAMIC):
        torch.testing.assert_close(pull, 0.7 * scale.abs())


def test_coupled_l2_is_the_optimisers_own_weight_decay(network):
    network = network.double()  # Adam blows up what float32 rounds in gradients near zero
    twin = deepcopy(network)
    decay = NormDecay(network, ChannelDecay("l2", strength=0.3), 32)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    inside, names = [], set(scale_names(twin))
    for name, parameter in twin.named_parameters():
        inside.append({"params": [parameter], "weight_decay": 0.3 if name in names else 0.0})
    theirs = torch.optim.Adam(inside, lr=0.01)
    for step in range(3):
        for net, optim in ((network, optimiser), (twin, theirs)):
            optim.zero_grad()
            net(pictures(step).double()).final.square().mean().backward()
        decay.add_to_gradients()
        optimiser.step()
        theirs.step()
    for ours, their in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, their)


@given(
    scale=st.floats(-2, 2, width=32),
    lr=st.floats(1e-4, 10),
    kind=st.sampled_from(["l1", "l2"]),
)
def test_the_decoupled_form_moves_to_zero_and_never_past_it(scale, lr, kind):
    network = nn.Sequential(nn.BatchNorm2d(1))
    nn.init.constant_(network[0].weight, scale)
    decay = NormDecay(network, ChannelDecay(kind, strength=0.5, form="decoupled", layers=("0",)), 8)
    decay.shrink(torch.optim.SGD(network.parameters(), lr=lr))
    size = abs(scale)
    left = max(size - lr * 0.5 * (size if kind == "l2" else 1), 0)
    expected = left if scale > 0 else -left
    assert network[0].weight.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_forms_do_not_mix(network):
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for form in ("coupled", "decoupled"):
        decay = NormDecay(network, ChannelDecay("dynamic", form=form), 32)
        hear(network, decay, pictures())
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        gradients = {name: p.grad.clone() for name, p in network.named_parameters()}
        decay.add_to_gradients()
        decay.shrink(optimiser)
        moved = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
        pulled = {n for n, p in network.named_parameters() if not torch.equal(p.grad, gradients[n])}
        expected = set(scale_names(network))
        assert (pulled, moved) == ((expected, set()) if form == "coupled" else (set(), expected))


def test_nothing_listens_outside(network):
    decay = NormDecay(network, DYNAMIC, 32)
    hear(network, decay, pictures(1))
    before = [pull for _, pull in decay._pulls(DYNAMIC)]
    assert num_hooks(network) == 0
    network.eval()(pictures(2))
    for (_, pull), kept in zip(decay._pulls(DYNAMIC), before, strict=True):
        torch.testing.assert_close(pull, kept, rtol=0, atol=0)


def test_an_error_leaves_no_hook_behind(network):
    decay = NormDecay(network, DYNAMIC, 32)
    with decay.measuring():
        assert num_hooks(network) == len(scale_names(network))
        network(pictures())
    with pytest.raises(RuntimeError, match="channels"), decay.measuring():
        network(pictures()[:, :1])
    assert num_hooks(network) == 0


def test_static_decay_is_off_exactly_where_this_acts(network):
    settings = Optimiser(
        kind="adam", lr=1.0, weight_decay=5e-3, decay_norms_and_biases=True, betas=(0.9, 0.99)
    )
    optimiser = make_optimiser(network, settings, NormDecay(network, DYNAMIC, 32).scales)
    assert type(optimiser) is torch.optim.Adam
    decays = {
        id(p): (group["weight_decay"], group["betas"])
        for group in optimiser.param_groups
        for p in group["params"]
    }
    mine = set(scale_names(network))
    for name, parameter in network.named_parameters():
        assert decays.pop(id(parameter)) == (0.0 if name in mine else 5e-3, (0.9, 0.99)), name
    assert not decays


def factors(network: CSNet, **settings) -> dict[str, torch.Tensor]:
    """The pull on each scale of a network whose scales are all 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
    chosen = ChannelDecay("l1", strength=1, **settings)
    names = scale_names(network)
    pulls = NormDecay(network, chosen, 32)._pulls(chosen)
    return {name: pull for name, (_, pull) in zip(names, pulls, strict=True)}


def test_costly_channels_are_pulled_harder(network):
    pulls = factors(network, cost="multiply-adds")
    assert torch.cat(list(pulls.values())).mean().item() == pytest.approx(1)
    fine, coarse = (pulls[f"stages.1.0.depthwise1.{scale}.1.0.weight"][0] for scale in (0, 1))
    deep = pulls["stages.4.0.depthwise1.0.1.0.weight"][0]
    assert fine == pytest.approx(4 * coarse)
    assert fine == pytest.approx(64 * deep)


def test_a_table_of_milliseconds_says_how_hard(network):
    table = {"stages": 0.5, "stages.1.0": 1.5, "stages.1.0.mix_act": 3.0}
    pulls = factors(network, cost="ms", ms=table)
    assert torch.cat(list(pulls.values())).mean().item() == pytest.approx(1)
    at = {name: pull[0].item() for name, pull in pulls.items()}
    base = at["stages.0.0.mix_act.0.0.weight"]
    assert at["stages.1.0.depthwise2.1.1.0.weight"] == pytest.approx(3 * base)
    assert at["stages.1.0.mix_act.1.0.weight"] == pytest.approx(6 * base)


def test_what_cannot_be_done_is_refused(network, tmp_path):
    with pytest.raises(RecipeError, match=r"no entry for stages\.1\.0\.mix_act"):
        NormDecay(network, ChannelDecay("l1", cost="ms", ms={"stages.0": 1.0}), 32)
    with pytest.raises(RecipeError, match=r"no batch norm below 'encoder'"):
        NormDecay(network, ChannelDecay("l1", layers=("encoder",)), 32)
    recipe = write_recipe(tmp_path, tmp_path)
    for setting in ("decay={kind='l1', cost='ms'}", "decay={kind='l1', ms={stages=1.0}}"):
        with pytest.raises(RecipeError, match="belongs to cost"):
            load_recipe(recipe, [setting])
    with pytest.raises(RecipeError, match="dynamic"):
        load_recipe(recipe, ["decay={kind='l3'}"])


def test_channels_that_say_nothing_die_and_others_live():
    """Of eight channels two are needed to tell which of two inputs is larger."""
    torch.manual_seed(0)
    seen = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8), nn.PReLU(8))
    network = nn.Sequential(seen, nn.Conv2d(8, 1, 1))
    decay = NormDecay(network, ChannelDecay("dynamic", layers=("0",)), 8)
    settings = Optimiser(kind="adam", lr=0.01, weight_decay=5e-3, betas=(0.9, 0.99))
    optimiser = make_optimiser(network, settings, decay.scales)
    for _ in range(600):
        image = torch.randn(16, 4, 4, 4)
        optimiser.zero_grad()
        with decay.measuring():
            error = network(image)[:, 0] - (image[:, 0] - image[:, 1]).abs()
        error.square().mean().backward()
        decay.add_to_gradients()
        optimiser.step()
    assert error.square().mean() < 0.1
    scales = decay.scales[0].detach().abs()
    alive = scales > 0.05
    assert 2 <= alive.sum() <= 4
    assert scales[~alive].max() < 0.005


@pytest.mark.parametrize("form", ["coupled", "decoupled"])
def test_a_run_with_decay_stops_and_goes_on_without_a_trace(tmp_path, form):
    path = write_recipe(tmp_path, write_bsds(tmp_path / "bsds", "train", 5))
    setting = f"decay={{kind='dynamic', form='{form}', layers=['encoder']}}"
    recipe = load_recipe(path, ["data.val_splits=[]", "run.accumulate=2", setting])
    train(recipe, tmp_path / "whole")
    train_with_a_stop(recipe, tmp_path / "stopped", 4)
    alone = train(recipe.model_copy(update={"decay": None}), tmp_path / "alone")
    runs = [load(tmp_path / run / "model").state_dict() for run in ("whole", "stopped")]
    assert all(torch.equal(runs[0][key], runs[1][key]) for key in runs[0])
    assert any(not torch.equal(runs[0][k], v) for k, v in load(alone).state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(RECIPES_DIR.glob("csnet-x*.toml")), ids=lambda p: p.stem)
def test_every_shipped_csnet_recipe_learns(path, tmp_path):
    small = ["augment.crop_px=32", "run.batch_size=2", "run.norm_batches=1", "schedule.epochs=1"]
    data = [f"data.root={write_masks(tmp_path / 'set')}", "data.train_splits=['all']"]
    recipe = load_recipe(path, [*small, *data, "data.val_splits=[]", "schedule.warmup_steps=0"])
    assert (recipe.decay is None) == path.stem.endswith("undecayed")
    network = load(train(recipe, tmp_path / "run"))
    assert type(network) is CSNet
    scales = dict(network.named_parameters())
    assert all(scales[name].min() < 1 for name in scale_names(network)), "none is as it began"
