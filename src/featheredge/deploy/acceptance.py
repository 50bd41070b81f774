"""Measure a converted network beside its float32 form, and refuse it if it is not worth having.

Shapes: `H W` pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from featheredge.errors import WeightsError
from featheredge.metrics.benchmark import score_bsds, score_masks
from featheredge.metrics.edge_scores import EdgeScores
from featheredge.session import Session
from featheredge.timing import Timing, clock_for, num_cores, paired_ratio, summarise, time_rounds


@dataclass(frozen=True)
class Comparison:
    """A converted network beside its float32 form, timed in the same rounds.

    Attributes:
        kind: What the network was converted to.
        timing: Times of the converted network for one picture.
        reference_timing: Times of the float32 network in ONNX Runtime.
        share_of_time: Median over the rounds of one time over the other.
        mean_difference: Mean absolute difference of the maps of the held-out pictures.
        max_difference: Largest absolute difference of one pixel.
        measure: "ODS" or "max F"; None without a data set.
        score: Its value for the converted network.
        reference_score: Its value for the float32 network.
    """

    kind: str
    timing: Timing
    reference_timing: Timing
    share_of_time: float
    mean_difference: float
    max_difference: float
    measure: str | None = None
    score: float | None = None
    reference_score: float | None = None

    @property
    def loss(self) -> float:
        """Loss of score with a data set, else the mean difference of the maps."""
        if self.score is None or self.reference_score is None:
            return self.mean_difference
        return self.reference_score - self.score

    def __str__(self) -> str:
        ours, reference = self.timing, self.reference_timing
        scored = ""
        if self.score is not None and self.reference_score is not None:
            scored = f"; {self.measure} {self.score:.4f}, fp32 {self.reference_score:.4f}"
        return (
            f"{self.kind} takes {self.share_of_time:.2f} of the time of fp32 (median "
            f"{ours.median_ms:.1f} ms, fp32 {reference.median_ms:.1f} ms, {ours.runs} rounds); "
            f"maps differ by {self.mean_difference:.4f} on average, {self.max_difference:.2f} at "
            f"most{scored}"
        )

    def refuse_unless_better(self, max_loss: float) -> None:
        """Raise an error unless the network is faster and loses at most `max_loss`.

        Raises:
            WeightsError: It is not; the message has all measured figures.
        """
        reasons = []
        if self.share_of_time >= 1:
            reasons.append("it is not faster")
        if not self.loss <= max_loss:
            what = self.measure or "mean map difference"
            reasons.append(f"it loses {self.loss:.4f} ({what}) and at most {max_loss:g} is allowed")
        if reasons:
            raise WeightsError(
                f"nothing is written: {' and '.join(reasons)}. Measured: {self}. Raise --max-loss, "
                "calibrate on more pictures like yours (--calibrate FOLDER), or keep fp32"
            )


def compare(
    kind: str,
    converted: Session,
    reference: Session,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    dataset: Path | None = None,
    rounds: int = 30,
) -> Comparison:
    """Compare a converted network with its float32 form, in one run.

    Args:
        kind: What the network was converted to, in words.
        converted: The converted network.
        reference: The float32 network, with the same number of threads.
        pictures: Pictures, each (H, W, 3) uint8 RGB; the first is the one to time.
        dataset: BSDS500 for an edge network, a data set of masks for a saliency network; the score
            is ODS on the test split or max F.
        rounds: Number of timing rounds.
    """
    cases = {
        "converted": lambda: converted(pictures[0]),
        "reference": lambda: reference(pictures[0]),
    }
    times = time_rounds(cases, rounds, clock_for(reference.threads).read)
    differences = [np.abs(converted(picture) - reference(picture)) for picture in pictures]
    measure, score, reference_score = None, None, None
    if dataset is not None:
        measure, reference_score = score_session(reference, dataset)
        _, score = score_session(converted, dataset)
    return Comparison(
        kind,
        summarise(times["converted"]),
        summarise(times["reference"]),
        paired_ratio(times["converted"], times["reference"]),
        float(np.mean([difference.mean() for difference in differences])),
        float(max(difference.max() for difference in differences)),
        measure,
        score,
        reference_score,
    )


def score_session(session: Session, dataset: Path) -> tuple[str, float]:
    """Return the name of the main score of a network on a data set, and its value."""
    evaluate = score_bsds if session.task == "edges" else score_masks
    with TemporaryDirectory() as folder:
        scores = evaluate(session, dataset, Path(folder), workers=num_cores())
    if isinstance(scores, EdgeScores):
        return "ODS", scores.ods.f
    return "max F", float(scores.f.max())
