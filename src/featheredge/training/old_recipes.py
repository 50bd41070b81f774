"""Recipes of earlier versions: what to change in them.

Earlier recipes set the task with `data.dataset` and `loss.kind`, and prune recipes with `input_px`.
"""

from typing import Any, NamedTuple

_TASKS = {"bsds500": "edges", "masks": "saliency", "edges": "edges", "mask": "saliency"}


class Upgrade(NamedTuple):
    """A recipe in the current format.

    Attributes:
        table: The recipe.
        changes: The changes to make in its file.
    """

    table: dict[str, Any]
    changes: list[str]


def upgrade(table: dict[str, Any]) -> Upgrade:
    """Convert a recipe to the current format; a current recipe is returned unchanged.

    Args:
        table: The parsed file.

    Returns:
        A copy without the keys of earlier versions, with the `task` that they stand for.
    """
    new, changes = dict(table), list[str]()
    found: list[str] = []
    for section, key in (("data", "dataset"), ("loss", "kind")):
        settings = new.get(section)
        if isinstance(settings, dict) and key in settings:
            new[section] = {k: v for k, v in settings.items() if k != key}
            found.append(_TASKS.get(str(settings[key]), "edges"))
            changes.append(f"remove {section}.{key}")
    if "input_px" in new and "source" in new:
        changes.append("remove input_px, set calibration.whole and calibration.crop_px instead")
        side = new.pop("input_px") if _is_superfluous(new) else new["input_px"]
        found += [] if side is None else ["saliency"]
    if found and "task" not in new:
        new["task"] = found[0]
        changes.insert(0, f'add task = "{found[0]}" above the first section')
    return Upgrade(new, changes)


def _is_superfluous(table: dict[str, Any]) -> bool:
    """Return whether `input_px` is None, or the side of the whole pictures for calibration."""
    calibration = table.get("calibration", {})
    whole = bool(calibration.get("whole"))
    return table["input_px"] is None or (whole and calibration.get("crop_px") == table["input_px"])
