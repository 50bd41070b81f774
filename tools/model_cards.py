"""Print the cards of the shipped networks: everything that the catalog knows, as tables."""

from collections.abc import Iterator
from dataclasses import fields

from page_block import run

from featheredge import catalog

#: How the fields of an entry are called; what is left out has its own place in the card.
LABELS = {
    "task": "task",
    "network": "network",
    "num_params": "parameters",
    "stride": "stride",
    "training_data": "trained on",
    "initial_weights": "initial weights",
    "teacher": "teacher",
    "trained_by": "trained by",
    "licence": "licence",
    "sha256": "sha256",
}
PLACED = {"name", "file", "scores", "notes"}


def main() -> None:
    run("model_cards.py", "models.md", lambda: "\n".join([*_overview(), "", *_cards()]))


def _overview() -> Iterator[str]:
    yield "| network | task | parameters | file | scores |"
    yield "|---|---|---|---|---|"
    for entry in catalog.list_models():
        scores = ", ".join(f"{s.measure} {s.value:.3f}" for s in entry.scores)
        yield (
            f"| [`{entry.name}`](#{entry.name}) | {entry.task} | {entry.num_params:,} "
            f"| {_size_mb(entry)} | {scores} |"
        )


def _cards() -> Iterator[str]:
    for entry in catalog.list_models():
        yield f"## {entry.name}"
        yield ""
        yield entry.notes
        yield ""
        yield "| | |"
        yield "|---|---|"
        yield f"| file | `weights/{entry.file}`, {_size_mb(entry)} |"
        for field in fields(entry):
            if field.name not in PLACED:
                label = LABELS.get(field.name, field.name.replace("_", " "))
                yield f"| {label} | {_cell(getattr(entry, field.name))} |"
        for protocol in dict.fromkeys(score.protocol for score in entry.scores):
            measured = [score for score in entry.scores if score.protocol == protocol]
            values = ", ".join(f"{score.measure} {score.value:.3f}" for score in measured)
            yield f"| {measured[0].dataset} | {values}. {protocol} |"
        yield ""


def _size_mb(entry: catalog.Entry) -> str:
    return f"{catalog.weights_path(entry).stat().st_size / 1e6:.2f} MB"


def _cell(value: object) -> str:
    if value is None:
        return "none"
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
