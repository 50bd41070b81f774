"""Weights files on the Hugging Face hub, and as folders in its layout: model.onnx and a card.

Only .onnx files and text are read and written; nothing is unpickled.
"""

import json
import shutil
import tempfile
from pathlib import Path

from featheredge import catalog
from featheredge.errors import OutputError, WeightsError
from featheredge.extras import require
from featheredge.files import replacing, write_bytes
from featheredge.session import Session
from featheredge.weights_file import is_path

MODEL_FILE, CARD_FILE = "model.onnx", "README.md"

_PIPELINES = {"edges": "image-to-image", "saliency": "image-segmentation"}
_TAGS = {"edges": "edge-detection", "saliency": "salient-object-detection"}
_SHOWS = {"edges": "edges", "saliency": "salient objects"}

_CARD = """---
library_name: featheredge
license: {licence}
pipeline_tag: {pipeline}
tags:
- onnx
- {tag}
---

# {name}

A very small network that finds {shows}, fast on an ordinary CPU.

```python
from featheredge.hub import from_pretrained

session = from_pretrained("{repository}")
map = session("photo.jpg")  # (H, W) float32 in [0, 1]
```

{facts}
The file `model.onnx` has one input, `image`, (B, H, W, 3) uint8 RGB, and one output, `map`,
(B, H, W) float32 in [0, 1]. Height and width are {sides}.
"""


def save_pretrained(
    model: str | Path,
    folder: str | Path,
    *,
    licence: str | None = None,
    repository: str | None = None,
    force: bool = False,
) -> Path:
    """Write a network as a folder in the hub's layout: `model.onnx` and `README.md`, its card.

    Args:
        model: The name of a shipped model or the path of an .onnx file.
        folder: The folder, which is created.
        licence: SPDX identifier of the weights' licence. None is that of a shipped model, and
            "unknown" for a file.
        repository: The repository that the card's example opens; None is the folder.
        force: Whether to replace files of these names.

    Returns:
        The folder.

    Raises:
        OutputError: A file exists.
        FeatheredgeError: The model cannot be opened.

    Example:
        >>> from featheredge.hub import from_pretrained, save_pretrained
        >>> folder = save_pretrained("mobile-edge-s", "my-edges")
        >>> sorted(path.name for path in folder.iterdir())
        ['README.md', 'model.onnx']
        >>> from_pretrained("my-edges").name
        'mobile-edge-s'
    """
    target = Path(folder)
    session = Session(model)
    for path in (target / MODEL_FILE, target / CARD_FILE):
        if path.exists() and not force:
            raise OutputError(f"{path} exists; give another folder, or force=True to replace it")
    entry = None if is_path(model) else catalog.find(str(model))
    source = Path(model) if entry is None else catalog.weights_path(entry)
    with replacing(target / MODEL_FILE) as temporary:
        shutil.copyfile(source, temporary)
    card = _card(session, entry, licence, repository or str(folder))
    write_bytes(target / CARD_FILE, card.encode())
    return target


def from_pretrained(
    model: str | Path,
    *,
    filename: str = MODEL_FILE,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | None = None,
    threads: int = 1,
    provider: str = "cpu",
) -> Session:
    """Open a network from a folder or from the hub.

    Args:
        model: A folder, a repository of the hub ("user/name"), the path of an .onnx file, or the
            name of a shipped model.
        filename: The .onnx file in the folder or repository.
        revision: Branch, tag or commit of the repository; None is its main branch.
        cache_dir: Where downloads are kept; None is the hub's default.
        local_files_only: Whether to use earlier downloads only.
        token: Token for a private repository; None is the one that `hf auth login` has saved.
        threads: Threads for inference.
        provider: Execution provider, see `Session`.

    Raises:
        MissingExtraError: It is a repository and huggingface_hub is not installed.
        WeightsError: The file cannot be found, downloaded or opened.
        UnknownModelError: The name is not in the catalog.
    """
    found: str | Path = model
    if Path(model).is_dir():
        found = Path(model) / filename
    elif not is_path(model) and "/" in str(model):
        found = _download(str(model), filename, revision, cache_dir, local_files_only, token)
    return Session(found, threads=threads, provider=provider)


def push_to_hub(
    model: str | Path,
    repository: str,
    *,
    licence: str | None = None,
    private: bool = False,
    token: str | None = None,
    message: str | None = None,
) -> str:
    """Upload a network and its card to the hub; the repository is created if it does not exist.

    Args:
        model: The name of a shipped model or the path of an .onnx file.
        repository: The repository, "user/name".
        licence: See `save_pretrained`.
        private: Whether a new repository is private.
        token: Token with write access; None is the one that `hf auth login` has saved.
        message: Commit message.

    Returns:
        The URL of the commit.

    Raises:
        MissingExtraError: huggingface_hub is not installed.
        OutputError: The hub refuses the upload, or cannot be reached.
        FeatheredgeError: The model cannot be opened.
    """
    require("hub", "push_to_hub")
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, folder, licence=licence, repository=repository)
        api = HfApi(token=token)
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                commit_message=message or "Upload a featheredge network",
            )
        except Exception as error:  # those of the client and of its HTTP library
            raise OutputError(f"{repository}: cannot be uploaded: {error}") from error
    return str(commit)


def _download(
    repository: str,
    filename: str,
    revision: str | None,
    cache_dir: str | Path | None,
    local_files_only: bool,
    token: str | None,
) -> Path:
    """Download one file of a repository, or find it in the cache."""
    require("hub", f"the repository {repository}")
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(
            repository,
            filename,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            token=token,
        )
    except Exception as error:  # those of the client and of its HTTP library
        raise WeightsError(
            f"{repository}: {filename} cannot be downloaded, and there is no folder of this name: "
            f"{error}"
        ) from error
    return Path(path)


def _card(
    session: Session, entry: catalog.Entry | None, licence: str | None, repository: str
) -> str:
    """Return the text of the card."""
    facts = ""
    if entry is not None:
        lines = [
            f"parameters: {entry.num_params:,}",
            f"training data: {entry.training_data}",
            f"initial weights: {entry.initial_weights}",
            f"trained by: {entry.trained_by}",
            f"licence: {licence or entry.licence}",
            *(f"{s.measure} {s.value:g} on {s.dataset}: {s.protocol}" for s in entry.scores),
        ]
        facts = "".join(f"- {line}\n" for line in lines)
    identifier = licence or (entry.licence if entry else "unknown")
    square = session.input_px
    return _CARD.format(
        licence=_hub_licence(identifier),
        pipeline=_PIPELINES[session.task],
        tag=_TAGS[session.task],
        name=session.name,
        shows=_SHOWS[session.task],
        repository=repository,
        facts=facts,
        sides=f"{square}" if square else f"multiples of {session.stride}",
    )


def _hub_licence(identifier: str) -> str:
    """Write a licence as cards do: "other" and a name for those that the hub does not know."""
    name, _, _ = identifier.removeprefix("LicenseRef-").partition(":")
    if identifier.startswith("LicenseRef-"):
        return f"other\nlicense_name: {json.dumps(name.lower())}"
    return json.dumps(name.lower())
