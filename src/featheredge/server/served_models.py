"""The networks that the server offers: found and checked once, when it starts."""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import HTTPException

from featheredge import catalog
from featheredge.errors import ArgumentError
from featheredge.session import Session
from featheredge.weights_file import is_path


@dataclass(frozen=True)
class ServedModel:
    """A network that the server offers.

    Attributes:
        name: Its name in requests.
        task: What its maps show: "edges" or "saliency".
        default: Whether it is used where a request of its task names no model.
        file: Name of its weights file under /models/.
        bytes: Size of the weights file.
        sha256: Hexadecimal digest of the weights file.
        stride: Pictures are padded to multiples of this.
        input_px: Side of the square that pictures are resized to; null for their own size.
        licence: Licence of the weights; null if the file is not a shipped one.
        notes: Strengths and limits.
        path: The weights file on this machine; not shown to clients.
    """

    name: str
    task: catalog.Task
    default: bool
    file: str
    bytes: int
    sha256: str
    stride: int
    input_px: int | None
    licence: str | None
    notes: str
    path: Path

    def public(self) -> dict[str, object]:
        """Return what clients see of it, ready for JSON."""
        return {key: value for key, value in vars(self).items() if key != "path"}


class ServedModels:
    """The networks that the server offers, by name and by task."""

    def __init__(self, models: Sequence[str | Path]) -> None:
        """Open every network once, so that a damaged file is found before the first request.

        Args:
            models: Names of shipped networks or paths of .onnx files; empty: all shipped ones.

        Raises:
            FeatheredgeError: A network cannot be opened, or two have the same name.
        """
        self.all: list[ServedModel] = []
        for model in models or [entry.name for entry in catalog.ENTRIES]:
            self.all.append(self._describe(model))

    def find(self, name: str | None, task: catalog.Task) -> ServedModel:
        """Return a network by name; None is the default of the task.

        Raises:
            HTTPException: 422 if no network of this task has this name.
        """
        suitable = {model.name: model for model in self.all if model.task == task}
        if not suitable:
            raise HTTPException(422, f"this server offers no network for {task}; see /v1/models")
        if name is None:
            return next(iter(suitable.values()))
        if name not in suitable:
            near = difflib.get_close_matches(name, suitable, n=1)
            raise HTTPException(
                422,
                f"model is {name[:80]!r}; "
                + (f"did you mean {near[0]}? " if near else "")
                + f"expected one of {', '.join(suitable)}",
            )
        return suitable[name]

    def by_file(self, file: str) -> ServedModel | None:
        """Return the network with this file name; None if there is none."""
        return next((model for model in self.all if model.file == file), None)

    def _describe(self, model: str | Path) -> ServedModel:
        session = Session(model)
        entry = None if is_path(model) else catalog.find(str(model))
        path = catalog.weights_path(entry) if entry else Path(model).absolute()
        if any(session.name == other.name for other in self.all):
            raise ArgumentError(f"two networks are called {session.name}; give only one of them")
        return ServedModel(
            name=session.name,
            task=session.task,
            default=all(session.task != other.task for other in self.all),
            file=f"{session.name}.onnx",
            bytes=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            stride=session.stride,
            input_px=session.input_px,
            licence=entry.licence if entry else None,
            notes=entry.notes if entry else "",
            path=path,
        )
