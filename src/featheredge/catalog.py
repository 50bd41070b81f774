"""The catalog: a literal table of every shipped weights file.

Each entry states who trained the network, on which data, from which initial weights, under which
licence, and its scores with their protocols.
"""

import difflib
import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from featheredge.errors import UnknownModelError, WeightsError

#: What a network's maps show. Recipes, saved networks and weights files use the same word.
Task: TypeAlias = Literal["edges", "saliency"]

WEIGHTS_DIR = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Score:
    """A measured score and the protocol it was measured with."""

    measure: str
    value: float
    dataset: str
    protocol: str


@dataclass(frozen=True)
class Entry:
    """The description of one weights file.

    Attributes:
        name: Name of the model.
        task: What its maps show: "edges" or "saliency".
        network: Class and configuration of the network.
        file: Name of the file in the package's weights folder.
        sha256: Hexadecimal digest of the file, checked every time it is loaded.
        licence: SPDX identifier of the weights' licence.
        training_data: The data it was trained on.
        initial_weights: The weights that training started from.
        teacher: The network it was distilled from, or None.
        num_params: Number of parameters in the file, with those of fixed filters.
        stride: Stride of the coarsest layer, in pixels of the image.
        trained_by: Who trained it, with which recipes.
        scores: Measured scores, each with its protocol.
        notes: Strengths and limits that matter for choosing a model.
    """

    name: str
    task: Task
    network: str
    file: str
    sha256: str
    licence: str
    training_data: str
    initial_weights: str
    teacher: str | None
    num_params: int
    stride: int
    trained_by: str
    scores: tuple[Score, ...] = ()
    notes: str = ""

    @property
    def terms(self) -> str:
        """A short form of the licence for tables: "research only", or the identifier itself."""
        research = self.licence.startswith("LicenseRef-research")
        return "research only" if research else self.licence


_BSDS_PROTOCOL = (
    "BSDS500 boundaries, 200 pictures, single scale, hed suppression, 99 thresholds, tolerance "
    "0.0075 of the diagonal, minimum-cost matching"
)

_SOD_PROTOCOL = (
    "300 pictures; Protocol pysod: every map stretched to its own minimum and maximum, thresholds "
    "map >= i/255, F of each image first, then their mean, MAE against the binary mask; 256 "
    "thresholds, beta^2 0.3, salient where mask > 127"
)

_RESEARCH = (
    "LicenseRef-research: trained on BSDS500 and MSRA10K with a research-use teacher, all of which "
    "are for research and education"
)
_WIDE_RESEARCH = (
    "LicenseRef-research: trained on MSRA10K and other pictures that are for research and education"
)
_EDGE_DATA = "BSDS500 train + val, 300 pictures; 1,660 pictures of MSRA10K by the teachers' maps"
_TEACHERS = (
    "the mean of PiDiNet, XYW-Net (no licence stated) and BLEDNet (MIT), the authors' weights"
)
_LITE0 = "EfficientNet-Lite0 trained on ImageNet (Apache-2.0)"


def _bsds(ods: float, ois: float, ap: float) -> tuple[Score, ...]:
    """Return the three scores of the BSDS500 boundary benchmark."""
    named = (("ODS-F", ods), ("OIS-F", ois), ("AP", ap))
    return tuple(Score(name, value, "BSDS500 test", _BSDS_PROTOCOL) for name, value in named)


def _sod(max_f: float, mae: float, s: float) -> tuple[Score, ...]:
    """Return the three salient-object scores."""
    named = (("max-F", max_f), ("MAE", mae), ("S", s))
    return tuple(Score(name, value, "SOD", _SOD_PROTOCOL) for name, value in named)


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="mobile-edge-s",
        task="edges",
        network="Feather on EfficientNet-Lite0's layers to stride 16, local, four logits a cell",
        file="mobile-edge-s.onnx",
        sha256="9102feacdc3008c4ad8c5e75296bd4c2a04a756911aa9d830d14ab1594d2f73a",
        licence=_RESEARCH,
        training_data=_EDGE_DATA,
        initial_weights=_LITE0,
        teacher=_TEACHERS,
        num_params=293_501,
        stride=16,
        trained_by=(
            "the featheredge authors, recipes mobile-edge-s-start, -more, -four, -longer and "
            "mobile-edge-s, the last of them four times"
        ),
        scores=_bsds(0.801, 0.819, 0.835),
        notes="Best for contours in photographs; textures with strong contrast stay visible.",
    ),
    Entry(
        name="mobile-edge",
        task="edges",
        network="Feather on EfficientNet-Lite0's layers, local, decoded to half size",
        file="mobile-edge.onnx",
        sha256="003fd979842f508a72266a68aba6ecbbc6864c426507b27b597ab4094f93296e",
        licence=_RESEARCH,
        training_data=(
            f"{_EDGE_DATA}; in one run 2,500 more by the mean of its own maps and PiDiNet's"
        ),
        initial_weights=_LITE0,
        teacher=_TEACHERS,
        num_params=3_096_106,
        stride=32,
        trained_by=(
            "the featheredge authors, recipes mobile-edge-start, from the layers of a shorter run "
            "that docs/models.md describes, mobile-edge-more, -longer, -pictures and mobile-edge, "
            "the last of them twice"
        ),
        scores=_bsds(0.806, 0.825, 0.847),
        notes="The best scores, at twice the time of mobile-edge-s.",
    ),
    Entry(
        name="mobile-edge-xs",
        task="edges",
        network="Feather on EfficientNet-Lite0's layers to stride 8, local, four logits a cell",
        file="mobile-edge-xs.onnx",
        sha256="e909a1f1da3f56f0fc7fd176c054847806d24f7a8d700004f75e71fc24c182b5",
        licence=_RESEARCH,
        training_data=_EDGE_DATA,
        initial_weights=_LITE0,
        teacher=_TEACHERS,
        num_params=73_373,
        stride=8,
        trained_by=(
            "the featheredge authors, recipes mobile-edge-xs-start, -four and mobile-edge-xs, the "
            "last of them five times"
        ),
        scores=_bsds(0.790, 0.808, 0.820),
        notes="Where 0.2 MB matter; it sees less of the picture at once, so more texture stays.",
    ),
    Entry(
        name="feather-saliency",
        task="saliency",
        network="Feather on EfficientNet-Lite0's layers, decoded to half size",
        file="feather-saliency.onnx",
        sha256="1b32b0dd92d3c0baa939ca27e091f6183ba8388fdba40588a07a75a2db3d91f4",
        licence=_WIDE_RESEARCH,
        training_data=(
            "MSRA10K and AutoPortraitMatting, 11,100 pictures with masks; 4,000 composed of them "
            "and of backgrounds, 1,400 of these without an object; 13,992 varied pictures of "
            "public repositories (people, animals, vehicles, things, scenes) by the teacher's maps "
            "and then 5,834 of these by its own maps, 1,548 of them averaged with the teacher's, "
            "and 1,500 composed close objects; then 6,338 varied pictures by the mean of its own "
            "maps and the teacher's; in the last four runs 1,835 people and vehicles of public "
            "repositories with masks, 2,527 pictures composed of these people, and 867 varied "
            "pictures, in the last run 1,205, by maps on which IS-Net agrees; in the last two "
            "3,597 animals, people and vehicles of PASCAL VOC with the masks of the Semantic "
            "Boundaries Dataset"
        ),
        initial_weights=_LITE0,
        teacher=(
            "U2-Net-p, the authors' weights (Apache-2.0, trained on DUTS-TR), and in the last four "
            "runs IS-Net, general use (of an AGPL-3.0 package that lists it as MIT)"
        ),
        num_params=3_159_897,
        stride=32,
        trained_by=(
            "the featheredge authors, recipes feather-saliency-start, -start-320, -wide and "
            "-wide-320, the mean of the second's and the last's weights; then -close, -varied and "
            "-whole, the mean of the last two's weights; then -whole once more, the mean of the "
            "weights before and after it; then -whole twice more, two parts of the weights before "
            "and one of those after"
        ),
        scores=_sod(0.829, 0.094, 0.814),
        notes=(
            "People, animals and things, also where they fill the picture, and most scenes without "
            "an object; thin parts are lost."
        ),
    ),
    Entry(
        name="feather-saliency-s",
        task="saliency",
        network="Feather on 10 of EfficientNet-Lite0's 16 blocks, decoded to half size",
        file="feather-saliency-s.onnx",
        sha256="c0ad123e0b8104a6bfe4ebcc21b771d01d59d81943e320187fdb83e96f70b23b",
        licence=_WIDE_RESEARCH,
        training_data=(
            "MSRA10K and AutoPortraitMatting, 4,589 pictures with masks; 3,000 composed of them "
            "and of backgrounds, 700 of these without an object and 800 filled by one; 6,338 "
            "varied pictures of public repositories by the teachers' maps, and 3,822 others in the "
            "third run; in the last run 1,835 people and vehicles with masks, 2,527 pictures "
            "composed of these people, and 3,436 varied pictures, 867 of them by maps on which "
            "IS-Net agrees; after the first run the pictures with masks by the maps of "
            "feather-saliency too"
        ),
        initial_weights="the encoder of feather-saliency, without 6 of its blocks",
        teacher=(
            "the mean of feather-saliency and U2-Net-p (Apache-2.0, trained on DUTS-TR), and in "
            "the last run IS-Net, general use (of an AGPL-3.0 package that lists it as MIT)"
        ),
        num_params=765_764,
        stride=32,
        trained_by=(
            "the featheredge authors, recipes feather-saliency-s-start, feather-saliency-s and "
            "-s-more, the mean of the last two's weights; then -s-whole, the mean of the weights "
            "before and after it"
        ),
        scores=_sod(0.794, 0.110, 0.790),
        notes="Where 1.7 MB or a third of the time matter; less sure of what is beside the object.",
    ),
)
"""All shipped models. The first entry of a task is its default model."""


def find(name: str) -> Entry:
    """Return the entry called `name`.

    Raises:
        UnknownModelError: No entry has this name; the message suggests similar names.
    """
    names = [entry.name for entry in ENTRIES]
    if name in names:
        return ENTRIES[names.index(name)]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {', '.join(names)}"
    raise UnknownModelError(
        f"unknown model {name!r}; {hint} (type `featheredge models` for a list, or give the path "
        "of an .onnx file)"
    )


def default(task: str) -> Entry:
    """Return the default model of a task.

    Raises:
        UnknownModelError: No model for this task is shipped.
    """
    for entry in ENTRIES:
        if entry.task == task:
            return entry
    raise UnknownModelError(f"no model for {task!r} is shipped; give the path of an .onnx file")


def list_models(pattern: str = "*") -> list[Entry]:
    """Return the entries whose names match a shell pattern such as "mobile-*", in table order.

    Example:
        >>> import featheredge as fe
        >>> [entry.name for entry in fe.list_models("feather-*")]
        ['feather-saliency', 'feather-saliency-s']
    """
    return [entry for entry in ENTRIES if fnmatch.fnmatchcase(entry.name, pattern)]


def weights_path(entry: Entry) -> Path:
    """Return the path of an entry's weights file.

    Raises:
        WeightsError: The file is missing.
    """
    path = WEIGHTS_DIR / entry.file
    if not path.is_file():
        raise WeightsError(f"{entry.name}: {path} is missing; reinstall featheredge")
    return path
