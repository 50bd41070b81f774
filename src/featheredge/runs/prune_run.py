"""A pruning run: plan, cut, refit, norms, fine-tuning; one recipe in, one run folder out.

The run folder holds `recipe.json` (as run), `plan.json` (units each group keeps), `latency.json`
(how long convolutions take, if the plan asked), a folder for each step and, at the end,
`report.json`. A step's folder holds `model/`, `network.onnx`, `score.json` where the recipe says
what to score on, and `step.json`, which is written last: a step that has one is not done again, so
a run that was stopped goes on where it was, within a fine-tuning at its last checkpoint.

The steps are `unpruned`; `cut`, channels chosen and cut, nothing else; `refit`, chosen and cut
anew, each layer refitted before the next is looked at; `norms`, where there are batch norms, their
statistics estimated anew; and then every fine-tuning of the recipe, each from there. What training
has decided is only cut: there is nothing to refit.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from torch import nn

from featheredge.channels.cut import cut
from featheredge.errors import RecipeError
from featheredge.files import sweep, write_json
from featheredge.metrics.benchmark import score_bsds, score_masks
from featheredge.metrics.edge_scores import EdgeScores
from featheredge.models import build
from featheredge.models.cost import multiply_adds, num_params
from featheredge.pruning.conv_timing import time_convolutions
from featheredge.pruning.learned import learned_channels
from featheredge.pruning.plan import make_plan
from featheredge.pruning.prune import GroupError, Sampling, prune
from featheredge.run_folder import (
    MODEL_DIR,
    NETWORK_FILE,
    PLAN_FILE,
    REPORT_FILE,
    SCORE_FILE,
    STEP_FILE,
    TIMES_FILE,
    locked,
)
from featheredge.runs.calibration import calibration_pictures
from featheredge.runs.network_source import open_source, share_of_time
from featheredge.runs.prune_recipe import (
    CUT,
    LEARNED,
    NORMS,
    REFIT,
    UNPRUNED,
    FineTuning,
    PruneRecipe,
)
from featheredge.runs.prune_report import PruneReport, PruneStep, time_steps
from featheredge.timing import num_cores
from featheredge.training import log
from featheredge.training.average import reestimate_norms
from featheredge.training.loop import train
from featheredge.training.recipe import Distillation, Recipe, make_recipe
from featheredge.training.recipe_file import claim, find_recipe, read_toml

#: What a step makes: a network, and the errors of the groups if it pruned.
Made = tuple[Any, list[GroupError]]


def run_chain(
    recipe: PruneRecipe,
    folder: Path,
    *,
    announce: Callable[[str], object] = lambda line: None,
    on_record: log.LogCallback = lambda record, length: None,
) -> PruneReport:
    """Run `recipe` in `folder`, or go on with the run that is there.

    Args:
        recipe: what to do.
        folder: the run folder; made if absent.
        announce: called with a line as each step begins, and with its numbers when it is done.
        on_record: called with every line of a training log.

    Returns:
        All steps, timed in turns. Of a run that is done, what was measured then.

    Raises:
        OutputError: another process works in the folder.
        RecipeError: the folder holds a run of another recipe, or the recipe cannot be carried out.
        ArgumentError: groups or counts that the network does not have.
        UnknownModelError, WeightsError: the source is not there, or damaged.
        EvaluationError: a data set is not where the recipe says.
    """
    with locked(folder):
        sweep(folder)
        claim(folder, recipe)
        done = folder / REPORT_FILE
        if not done.exists():
            result = _Chain(recipe, folder, announce, on_record).run()
            write_json(done, result.to_dict())
    return PruneReport.from_dict(json.loads(done.read_bytes()))


class _Chain:
    """The steps, each of which starts from what those before left on disk."""

    def __init__(
        self,
        recipe: PruneRecipe,
        folder: Path,
        announce: Callable[[str], object],
        on_record: log.LogCallback,
    ) -> None:
        self.recipe, self.folder = recipe, folder
        self.announce, self.on_record = announce, on_record
        self.source = open_source(recipe)
        self.steps: list[PruneStep] = []

    def run(self) -> PruneReport:
        """Do every step that is not done, then time all networks."""
        self._step(UNPRUNED, lambda: (self.source.network, []))
        self._step(CUT, partial(self._prune, refit=False))
        last = CUT
        if self.recipe.prune.criterion != LEARNED:
            self._step(REFIT, partial(self._prune, refit=True))
            last = REFIT
        if has_norms(self.source.network):
            self._step(NORMS, partial(self._fit_norms, self.folder / last / MODEL_DIR))
            last = NORMS
        for name, training in self.recipe.training.items():
            self._step(name, partial(self._tune, name, training, self.folder / last / MODEL_DIR))
        timing = self.recipe.timing
        self.announce("timing")
        return time_steps(
            self.steps,
            {
                step.name: self.source.case(self.folder / step.name / NETWORK_FILE, timing.threads)
                for step in self.steps
            },
            size=self.recipe.size,
            threads=timing.threads,
            rounds=timing.rounds,
        )

    @cached_property
    def sampling(self) -> Sampling:
        """What layers are measured on."""
        pictures = calibration_pictures(self.recipe)
        inputs = [self.source.inputs(batch) for batch in pictures]
        return Sampling(inputs, self.recipe.calibration.points, self.recipe.seed)

    @cached_property
    def learned(self) -> dict[str, list[int]]:
        """Group -> units that training has kept."""
        return learned_channels(self.source.network).keep

    @cached_property
    def counts(self) -> dict[str, int]:
        """Group -> units to keep: what the recipe says, or what was planned for its budget."""
        given, budget = self.recipe.prune.counts, self.recipe.budget
        if given is not None:
            return given
        if self.recipe.prune.criterion == LEARNED:
            return {group: len(units) for group, units in self.learned.items()}
        assert budget is not None
        path = self.folder / PLAN_FILE
        if not path.exists():
            self.announce("plan")
            plan = make_plan(
                self.source.network,
                budget,
                self.sampling,
                criterion=self.recipe.prune.criterion,
                stopwatch=partial(time_convolutions, cache=self.folder / TIMES_FILE),
                trial=self._trial,
            )
            write_json(path, asdict(plan))
        counts: dict[str, int] = json.loads(path.read_bytes())["counts"]
        return counts

    def _trial(self, counts: Mapping[str, int]) -> float:
        """Measure what share of its time the network takes with these counts."""
        timing = self.recipe.timing
        whole = self.folder / UNPRUNED / NETWORK_FILE
        share = share_of_time(
            self.source,
            whole,
            counts,
            self.sampling.inputs[0][:1],
            threads=timing.threads,
            rounds=timing.rounds,
        )
        self.announce(f"plan: a trial took {share:.3f} of the time")
        return share

    def _step(self, name: str, make: Callable[[], Made]) -> None:
        """Do a step unless it is done; take down what it left."""
        folder = self.folder / name
        if not (folder / STEP_FILE).exists():
            self.announce(name)
            network, errors = make()
            self._keep(name, network, errors)
            self.announce(str(PruneStep.read(folder)))
        self.steps.append(PruneStep.read(folder))

    def _prune(self, *, refit: bool) -> Made:
        """Choose and cut, with or without refitting what reads the channels."""
        settings = self.recipe.prune
        if settings.criterion == LEARNED:
            return cut(self.source.network, self.learned), []
        return prune(
            self.source.network,
            self.counts,
            self.sampling,
            criterion=settings.criterion,
            refit=refit,
            ridge=settings.ridge,
        )

    def _fit_norms(self, start: Path) -> Made:
        """Estimate the pruned network's batch norms on the calibration pictures."""
        network = self.source.load(start)
        reestimate_norms(network, self.sampling.inputs)
        return network, []

    def _tune(self, name: str, training: FineTuning, start: Path) -> Made:
        """Train the pruned network on."""
        recipe = training_recipe(self.recipe, name, training, start)
        return build.load(train(recipe, self.folder / name, on_record=self.on_record)), []

    def _keep(self, name: str, network: nn.Module, errors: list[GroupError]) -> None:
        """Save, export and score a step's network; note that the step is done."""
        folder = self.folder / name
        counts = {} if name == UNPRUNED else self.counts
        self.source.save(network, counts, folder / MODEL_DIR)
        self.source.export(network, folder / NETWORK_FILE)
        measure, score = self._score(folder)
        work = multiply_adds(lambda: deepcopy(network).to("meta"), *self.recipe.size)
        shares = {error.group: error.error for error in errors}
        PruneStep(name, num_params(network), work, shares, measure, score).write(folder)

    def _score(self, folder: Path) -> tuple[str | None, float | None]:
        """Score an exported network on the recipe's validation pictures, if it names any."""
        data = self.recipe.data
        if data is None or not data.val_splits:
            return None, None
        evaluate = score_bsds if self.recipe.task == "edges" else score_masks
        scores = evaluate(
            str(folder / NETWORK_FILE),
            data.root,
            folder / "val-maps",
            splits=data.val_splits,
            workers=num_cores(),
        )
        write_json(folder / SCORE_FILE, scores.to_dict())
        if isinstance(scores, EdgeScores):
            return "ODS", scores.ods.f
        return "max F", float(scores.f.max())


def has_norms(network: nn.Module) -> bool:
    """Whether a network has batch norms, whose statistics pruning changes."""
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())


def training_recipe(recipe: PruneRecipe, name: str, training: FineTuning, start: Path) -> Recipe:
    """The recipe for training that a fine-tuning amounts to.

    Args:
        recipe: the run.
        name: of the step.
        training: what is trained by.
        start: the folder of the pruned network to go on from.

    Raises:
        RecipeError: no such recipe, or one that these data or this teacher contradict.
    """
    assert recipe.data is not None
    table = read_toml(find_recipe(training.recipe), training.settings)
    table["name"] = f"{recipe.name}-{name}"
    if table.get("task", recipe.task) != recipe.task:
        raise RecipeError(
            f"training.{name}: {training.recipe} is a recipe for {table['task']}, and this run is "
            f"for {recipe.task}; give another recipe"
        )
    # The step is scored when it is done; training need not look at those pictures on the way.
    table["data"] = recipe.data.model_dump() | {"val_splits": (), "maps": training.maps}
    table["network"] = {"initial": str(start)}
    if training.distill is not None:
        teachers = (recipe.source,) if training.maps is None else ()
        taught = Distillation(teachers=teachers, output=training.distill)
        table["distill"] = taught.model_dump()
    return make_recipe(table, f"training.{name}")
