"""Run a prune recipe: plan, cut, refit, norms and fine-tuning, each step in its own folder.

The run folder holds `recipe.json` (the recipe of the run), `plan.json` (units that each group
keeps), `latency.json` (times of convolutions, if the plan needs them), a folder for each step and,
at the end, `report.json`. A step's folder holds `model/`, `network.onnx`, `score.json` if the
recipe has data to score on, and `step.json`. This file is written last and marks the step as
completed. So an interrupted run resumes at the step that was running, and within a fine-tuning at
its last checkpoint.

The steps are, in order:

- `unpruned`: the network before pruning.
- `cut`: channels are chosen and cut, nothing else.
- `refit`: channels are chosen and cut again; the layers that read a group are refitted before the
  next group is chosen. Learned channels have no such step.
- `norms`: the statistics of batch norms are estimated again, if there are any.
- One step for each fine-tuning of the recipe; all start from the step before them.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from torch import nn

from featheredge.channels.cut import cut
from featheredge.files import sweep, write_json
from featheredge.models.cost import multiply_adds, num_params
from featheredge.models.network import Network
from featheredge.pruning.conv_timing import time_convolutions
from featheredge.pruning.group_error import GroupError, Sampling
from featheredge.pruning.learned import learned_channels
from featheredge.pruning.plan import make_plan
from featheredge.pruning.prune import prune
from featheredge.run_folder import (
    MODEL_DIR,
    NETWORK_FILE,
    PLAN_FILE,
    REPORT_FILE,
    STEP_FILE,
    TIMES_FILE,
    locked,
)
from featheredge.runs.calibration import calibration_pictures
from featheredge.runs.fine_tuning import training_recipe
from featheredge.runs.network_source import NetworkSource, ZooSource, open_source
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
from featheredge.runs.step_score import score_step
from featheredge.runs.time_share import share_of_time
from featheredge.text_files import read_json
from featheredge.training import log
from featheredge.training.average import reestimate_norms
from featheredge.training.loop import train
from featheredge.training.recipe_file import claim

N = TypeVar("N", bound=nn.Module)

#: The result of a step: a network, and the errors of its groups if the step prunes.
StepResult: TypeAlias = tuple[N, list[GroupError]]


def run_pruning(
    recipe: PruneRecipe,
    folder: Path,
    *,
    announce: Callable[[str], object] = lambda line: None,
    on_record: log.LogCallback = lambda record, length: None,
) -> PruneReport:
    """Run `recipe` in `folder`, or resume the run in that folder.

    Args:
        recipe: The prune recipe.
        folder: The run folder; created if it does not exist.
        announce: Called with a line when each step starts, and with its results when it ends.
        on_record: Called with every line of a training log.

    Returns:
        All steps with interleaved timings. For a completed run, the stored report.

    Raises:
        OutputError: Another process works in the folder.
        RecipeError: The folder holds a run of another recipe, or the recipe cannot be run.
        ArgumentError: The network does not have these groups or counts.
        UnknownModelError: No network has the name in `source`.
        WeightsError: The weights are missing or damaged.
        EvaluationError: A data set is not where the recipe says.
    """
    report_file = folder / REPORT_FILE
    with locked(folder):
        sweep(folder)
        claim(folder, recipe)
        if not report_file.exists():
            source = open_source(recipe)
            if isinstance(source, ZooSource):
                report = _PruneRun(recipe, folder, source, announce, on_record).run()
            else:  # the same call, typed for another kind of network
                report = _PruneRun(recipe, folder, source, announce, on_record).run()
            write_json(report_file, report.to_dict())
    return PruneReport.from_dict(read_json(report_file))


class _PruneRun(Generic[N]):
    """The steps of a run; each starts from the files of earlier steps."""

    def __init__(
        self,
        recipe: PruneRecipe,
        folder: Path,
        source: NetworkSource[N],
        announce: Callable[[str], object],
        on_record: log.LogCallback,
    ) -> None:
        self.recipe, self.folder, self.source = recipe, folder, source
        self.announce, self.on_record = announce, on_record
        self.steps: list[PruneStep] = []

    def run(self) -> PruneReport:
        """Run every step that is not completed, then time all networks."""
        self._step(UNPRUNED, lambda: (self.source.network, []))
        self._step(CUT, partial(self._prune, refit=False))
        last = CUT
        if self.recipe.prune.criterion != LEARNED:
            self._step(REFIT, partial(self._prune, refit=True))
            last = REFIT
        if has_norms(self.source.network):
            self._step(NORMS, partial(self._reestimate_norms, self.folder / last / MODEL_DIR))
            last = NORMS
        for name, training in self.recipe.training.items():
            start = self.folder / last / MODEL_DIR
            self._step(name, partial(self._fine_tune, name, training, start))
        timing = self.recipe.timing
        self.announce("timing")
        cases = {
            step.name: self.source.timing_case(
                self.folder / step.name / NETWORK_FILE, timing.threads
            )
            for step in self.steps
        }
        return time_steps(
            self.steps, cases, size=self.recipe.size, threads=timing.threads, rounds=timing.rounds
        )

    @cached_property
    def sampling(self) -> Sampling:
        """The pictures and positions on which layers are measured."""
        pictures = calibration_pictures(self.recipe)
        inputs = [self.source.inputs(batch) for batch in pictures]
        return Sampling(inputs, self.recipe.calibration.points, self.recipe.seed)

    @cached_property
    def learned(self) -> dict[str, list[int]]:
        """Group -> units that training has kept."""
        assert isinstance(self.source.network, Network)
        return learned_channels(self.source.network).keep

    @cached_property
    def counts(self) -> dict[str, int]:
        """Group -> units to keep: from the recipe, from training, or planned for the budget."""
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
                measure_share=self._measure_share,
            )
            write_json(path, asdict(plan))
        counts: dict[str, int] = read_json(path)["counts"]
        return counts

    def _measure_share(self, counts: Mapping[str, int]) -> float:
        """Measure the network's time with these counts, as a share of the unpruned network's."""
        timing = self.recipe.timing
        share = share_of_time(
            self.source,
            self.folder / UNPRUNED / NETWORK_FILE,
            counts,
            self.sampling.example,
            threads=timing.threads,
            rounds=timing.rounds,
        )
        self.announce(f"plan: a trial network took {share:.3f} of the time")
        return share

    def _step(self, name: str, make: Callable[[], StepResult[N]]) -> None:
        """Run a step unless it is completed, and read its results."""
        folder = self.folder / name
        if not (folder / STEP_FILE).exists():
            self.announce(name)
            network, errors = make()
            self._save_step(name, network, errors)
            self.announce(str(PruneStep.read(folder)))
        self.steps.append(PruneStep.read(folder))

    def _prune(self, *, refit: bool) -> StepResult[N]:
        """Choose and cut channels, with or without refitting the layers that read them."""
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

    def _reestimate_norms(self, start: Path) -> StepResult[N]:
        """Estimate the batch norms of the pruned network on the calibration pictures."""
        network = self.source.load(start)
        reestimate_norms(network, self.sampling.inputs)
        return network, []

    def _fine_tune(self, name: str, training: FineTuning, start: Path) -> StepResult[N]:
        """Fine-tune the pruned network."""
        recipe = training_recipe(self.recipe, name, training, start)
        model = train(recipe, self.folder / name, on_record=self.on_record)
        return self.source.load(model), []

    def _save_step(self, name: str, network: N, errors: list[GroupError]) -> None:
        """Save, export and score the network of a step, then mark the step as completed."""
        folder = self.folder / name
        counts = {} if name == UNPRUNED else self.counts
        self.source.save(network, counts, folder / MODEL_DIR)
        self.source.export(network, folder / NETWORK_FILE)
        measure, score = score_step(self.recipe, folder)
        macs = multiply_adds(lambda: deepcopy(network).to("meta"), *self.recipe.size)
        group_errors = {error.group: error.error for error in errors}
        PruneStep(name, num_params(network), macs, group_errors, measure, score).write(folder)


def has_norms(network: nn.Module) -> bool:
    """Return whether a network has batch norms, whose statistics pruning changes."""
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())
