"""Names of the files in a run folder, and the folder of the shipped recipes.

A training run holds `RECIPE_FILE`, `LOG_FILE`, `CHECKPOINT_FILE` and `MODEL_DIR`. A pruning run
holds `RECIPE_FILE`, `PLAN_FILE`, `TIMES_FILE`, `REPORT_FILE` and one folder per step with
`MODEL_DIR`, `NETWORK_FILE`, `SCORE_FILE` and `STEP_FILE`.
"""

from pathlib import Path

#: The shipped recipes, `NAME.toml`.
RECIPES_DIR = Path(__file__).parent / "recipes"

#: Recipes to start from, TASK.toml; `featheredge new-recipe` copies them.
MINIMAL_RECIPES_DIR = RECIPES_DIR / "minimal"

#: The recipe that the run used, with all settings.
RECIPE_FILE = "recipe.json"

#: In a training run: the log, one JSON object per line, and the state to resume from.
LOG_FILE, CHECKPOINT_FILE = "log.jsonl", "checkpoint.safetensors"

#: The folder of a trained or pruned network; `featheredge.models.build` reads and writes it.
MODEL_DIR = "model"

#: An exported network and its scores.
NETWORK_FILE, SCORE_FILE = "network.onnx", "score.json"

#: In a pruning run: channel counts, convolution times, and a comparison of all steps.
PLAN_FILE, TIMES_FILE, REPORT_FILE = "plan.json", "latency.json", "report.json"

#: The measurements of one pruning step; written last, so it marks the step as complete.
STEP_FILE = "step.json"
