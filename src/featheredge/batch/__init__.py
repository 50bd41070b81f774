"""Batches: many pictures from files to files, in parallel, with one network.

`plan` chooses an output file for every input file and refuses what cannot work. `run` then calls
one function for each picture, `work(file) -> Output`; an error in one file does not stop the
others, and a file whose output exists is skipped.
"""

from featheredge.batch.claim import claimed
from featheredge.batch.picture import Draw, Drawn, FramesOption, Notes, Output, PictureWork
from featheredge.batch.pipeline import Result, Work, run
from featheredge.batch.plan import (
    SVG,
    VERBS,
    Job,
    Naming,
    is_file_name,
    mask_path,
    name_outputs,
    plan,
)
from featheredge.batch.speed import Speed
from featheredge.batch.watch import POLL_S, Watcher

__all__ = [
    "POLL_S",
    "SVG",
    "VERBS",
    "Draw",
    "Drawn",
    "FramesOption",
    "Job",
    "Naming",
    "Notes",
    "Output",
    "PictureWork",
    "Result",
    "Speed",
    "Watcher",
    "Work",
    "claimed",
    "is_file_name",
    "mask_path",
    "name_outputs",
    "plan",
    "run",
]
