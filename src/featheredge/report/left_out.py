"""What a report cannot show: runs without scores, and folders without runs."""

from collections.abc import Sequence
from pathlib import Path

from featheredge.errors import ArgumentError
from featheredge.run_folder import NETWORK_FILE, REPORT_FILE, SCORE_FILE


def unscored_runs(folders: Sequence[Path]) -> list[str]:
    """Name the pruning runs that have no scores, such as those of custom modules.

    Args:
        folders: Run folders, or folders with run folders anywhere inside.

    Returns:
        A sentence for each run.
    """
    return [
        f"{run}: left out, because its networks have no {SCORE_FILE}: a custom module, or a recipe "
        f"without data.val_splits. Its numbers are in {REPORT_FILE}"
        for root in folders
        for run in _pruning_runs(root)
        if not any(run.glob(f"*/{SCORE_FILE}"))
    ]


def refuse_empty(folders: Sequence[Path]) -> None:
    """Check that every folder has something to report.

    Raises:
        ArgumentError: A folder holds no score and no pruning run; the message says how to make one.
    """
    for root in folders:
        if root.is_dir() and not any(root.rglob(SCORE_FILE)) and not _pruning_runs(root):
            raise ArgumentError(
                f"{root}: no network with a score in it; expected {NETWORK_FILE} beside "
                f"{SCORE_FILE}, as `featheredge prune` writes them. For a training run, type\n"
                f"  featheredge export RUN/model -o RUN/{NETWORK_FILE}\n"
                f"  featheredge eval RUN/{NETWORK_FILE} DATASET --json > RUN/{SCORE_FILE}\n"
                "To report the shipped networks alone, give no folder"
            )


def _pruning_runs(root: Path) -> list[Path]:
    return sorted(file.parent for file in root.rglob(REPORT_FILE))
