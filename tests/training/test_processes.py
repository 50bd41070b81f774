"""Several processes are one run: the same batches, losses, norms and files as one process."""

import copy
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from featheredge.data.pairs import EdgePairs
from featheredge.errors import ArgumentError, RecipeError
from featheredge.models.build import load
from featheredge.training.average import reestimate_norms
from featheredge.training.dry_run import plan_run
from featheredge.training.loop import train
from featheredge.training.losses import EdgeLoss
from featheredge.training.processes import check_shares, launch, shares
from featheredge.training.recipe import load_recipe
from featheredge.training.shared_norms import SharedBatchNorm2d, share_norms
from featheredge.training.validation import mean_loss
from stopping import train_until
from toys import toy_network, write_bsds, write_recipe


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 9), st.integers(0, 9))
def test_processes_share_every_crop_of_every_batch(processes, share, first, count):
    size, batches = processes * share, range(first, first + count)
    alone = list(shares(size, batches, 0, 1))
    together = [list(shares(size, batches, p, processes)) for p in range(processes)]
    assert [list(chain(*parts)) for parts in zip(*together, strict=True)] == alone
    assert list(chain(*alone)) == list(range(first * size, (first + count) * size))


def test_a_batch_that_cannot_be_shared_is_refused():
    check_shares(6, 3)
    with pytest.raises(RecipeError, match=r"4 processes cannot .*batch_size = 6 .*1, 2, 3, 6"):
        check_shares(6, 4)


@pytest.fixture
def torchrun(monkeypatch) -> None:
    """The environment of one of 3 processes, 2 of them on this machine."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")


@pytest.mark.usefixtures("torchrun")
def test_torchrun_decides_the_number_of_processes(tmp_path):
    with pytest.raises(ArgumentError, match="--devices 4, but torchrun started 2 processes"):
        launch("cpu", 4, "32-true")
    with pytest.raises(ArgumentError, match="the same number on every machine"):
        launch("cpu", 1, "32-true")
    recipe = load_recipe(write_recipe(tmp_path, tmp_path))
    with pytest.raises(ArgumentError, match="start it without torchrun"):
        plan_run(recipe, tmp_path / "run")


class Team:
    """Stands for Fabric in threads of one process, which add up tensors as processes do."""

    device = torch.device("cpu")

    def __init__(self, size: int) -> None:
        self.world_size = size
        self._own, self._barrier = threading.local(), threading.Barrier(size)
        self._values: list[Any] = [None] * size

    @property
    def global_rank(self) -> int:
        return int(self._own.rank)

    def all_reduce(self, value: Tensor, reduce_op: str) -> Tensor:
        assert reduce_op == "sum"
        self._values[self.global_rank] = value
        self._barrier.wait(timeout=60)
        total = torch.stack(self._values).sum(0)
        self._barrier.wait(timeout=60)
        return total

    def run(self, work: Callable[[], Any]) -> list[Any]:
        results: list[Any] = [None] * self.world_size

        def member(rank: int) -> None:
            self._own.rank = rank
            results[rank] = work()

        threads = [threading.Thread(target=member, args=(r,)) for r in range(self.world_size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        return results


@pytest.mark.parametrize("size", [2, 4])
def test_validation_is_merged_exactly(tmp_path, size):
    pairs = EdgePairs(write_bsds(tmp_path, "val", 3), ("val",))
    network = toy_network()

    def measure(team: Team) -> list[float]:
        return team.run(lambda: mean_loss(network, pairs, EdgeLoss(), team))  # type: ignore[arg-type]

    (alone,) = measure(Team(1))
    assert measure(Team(size)) == [alone] * size


@pytest.mark.parametrize("size", [2, 4])
def test_norms_are_estimated_on_the_batches_of_all(size):
    torch.manual_seed(0)
    batches = [torch.rand(2, 3, 32, 32) for _ in range(3)]
    alone, team = toy_network(), Team(size)
    reestimate_norms(alone, batches)

    def own_share() -> dict[str, Tensor]:
        network = copies[team.global_rank]
        reestimate_norms(
            network, batches[team.global_rank :: size], lambda own: team.all_reduce(own, "sum")
        )
        return network.state_dict()

    copies = [toy_network() for _ in range(size)]
    for state in team.run(own_share):
        for key, value in alone.state_dict().items():
            torch.testing.assert_close(state[key], value, rtol=1e-5, atol=1e-6)


@pytest.fixture
def group(tmp_path) -> Iterator[None]:
    """A group of one process."""
    store = f"file://{tmp_path / 'store'}"
    dist.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("group")
def test_a_shared_norm_of_one_process_is_a_batch_norm():
    torch.manual_seed(0)
    plain = torch.nn.BatchNorm2d(5)
    torch.nn.init.uniform_(plain.weight)
    shared = copy.deepcopy(plain)
    share_norms(torch.nn.Sequential(shared))
    assert type(shared) is SharedBatchNorm2d
    for mode in (True, True, False):
        x = torch.randn(3, 5, 4, 6) * 2 + 1
        outputs = []
        for norm in (plain, shared):
            own = x.clone().requires_grad_()
            out = norm.train(mode)(own)
            out.square().mean(0).sin().sum().backward()
            assert own.grad is not None
            outputs.append([out, own.grad, norm.weight.grad, norm.bias.grad, *norm.buffers()])
        for ours, theirs in zip(*outputs, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


#: Small steps of plain gradient descent. Larger ones, and Adam, make rounding errors grow: then one
#: process drifts as far from itself with another memory layout.
SGD = [
    "optimiser.kind=sgd",
    "optimiser.lr=0.05",
    "optimiser.clip_norm=0.5",
    "run.batch_size=4",
    "run.accumulate=2",
    'decay={kind="dynamic", layers=["encoder"], strength=0.3}',
]


@pytest.fixture
def recipe_path(tmp_path) -> Path:
    bsds = write_bsds(write_bsds(tmp_path / "bsds", "train", 14), "val", 3, seed=1)
    return write_recipe(tmp_path, bsds)


def command(recipe: Path, folder: Path, *settings: str) -> list[str]:
    """`featheredge train` in two processes of this machine."""
    options = [part for setting in (*SGD, *settings) for part in ("--set", setting)]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    program = ["-m", "featheredge", "train", str(recipe), "-o", str(folder)]
    return [sys.executable, *launcher, *program, *options]


def run_two(recipe: Path, folder: Path, *settings: str) -> str:
    """Train in two processes; returns what they print."""
    done = subprocess.run(
        command(recipe, folder, *settings),
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def assert_same_run(one: Path, other: Path, atol: float = 1e-5) -> None:
    ours, theirs = records(one), records(other)
    assert [r["step"] for r in ours] == [r["step"] for r in theirs]
    for a, b in zip(ours, theirs, strict=True):
        for key in {"loss", "lr", "val_loss", "epoch"} & set(b):
            assert a[key] == pytest.approx(b[key], abs=atol), (a["step"], key)
    first, second = (load(folder / "model").state_dict() for folder in (one, other))
    for key in second:
        torch.testing.assert_close(first[key], second[key], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_two_processes_train_as_one(recipe_path, tmp_path):
    train(load_recipe(recipe_path, SGD), tmp_path / "one")
    printed = run_two(recipe_path, tmp_path / "two", f"data.cache={tmp_path / 'cache'}")
    assert printed.strip() == str(tmp_path / "two" / "model"), "the first process alone prints"
    assert_same_run(tmp_path / "two", tmp_path / "one")
    validated = [record["val_loss"] for record in records(tmp_path / "one") if "val_loss" in record]
    assert abs(validated[0] - validated[-1]) > 1e-4, "the run changes the network"


@pytest.mark.slow
def test_a_run_resumes_on_another_number_of_processes(recipe_path, tmp_path):
    recipe = load_recipe(recipe_path, SGD)
    train(recipe, tmp_path / "one")
    train_until(recipe, tmp_path / "one-then-two", 5)
    run_two(recipe_path, tmp_path / "one-then-two")
    assert_same_run(tmp_path / "one-then-two", tmp_path / "one")

    folder = tmp_path / "two-then-one"
    process = subprocess.Popen(command(recipe_path, folder), stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if (folder / "checkpoint.safetensors").exists() and len(records(folder)) >= 4:
            process.send_signal(signal.SIGTERM)
            break
        time.sleep(0.01)
    assert process.wait(timeout=120) != 0, "it was stopped before its end"
    train(recipe, folder)
    assert_same_run(folder, tmp_path / "one")


@pytest.mark.slow
def test_adam_in_two_processes_begins_as_in_one(recipe_path, tmp_path):
    adam = ["optimiser.kind=adamw", "optimiser.lr=0.01", "schedule.epochs=1"]
    train(load_recipe(recipe_path, [*SGD, *adam]), tmp_path / "one")
    run_two(recipe_path, tmp_path / "two", *adam)
    for a, b in zip(records(tmp_path / "two"), records(tmp_path / "one"), strict=True):
        if "loss" in b:
            assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
