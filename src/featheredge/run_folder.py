"""The folder of a run: what its files are called, and where the shipped recipes are.

A training run holds `RECIPE_FILE`, `LOG_FILE`, `CHECKPOINT_FILE` and `MODEL_DIR`. A pruning run
holds `RECIPE_FILE`, `PLAN_FILE`, `TIMES_FILE`, `REPORT_FILE` and a folder for each step, which has
`MODEL_DIR`, `NETWORK_FILE`, `SCORE_FILE` and `STEP_FILE`.
"""

from pathlib import Path

#: The recipes that are shipped, NAME.toml.
RECIPES_DIR = Path(__file__).parent / "recipes"

#: Recipes to start from, TASK.toml; `featheredge new-recipe` copies them.
MINIMAL_RECIPES_DIR = RECIPES_DIR / "minimal"

#: The recipe as it was run.
RECIPE_FILE = "recipe.json"

#: Of a training run: a JSON line for each step, and all its state.
LOG_FILE, CHECKPOINT_FILE = "log.jsonl", "checkpoint.safetensors"

#: The folder of a trained or pruned network, see `featheredge.models.build`.
MODEL_DIR = "model"

#: An exported network, and its scores.
NETWORK_FILE, SCORE_FILE = "network.onnx", "score.json"

#: Of a pruning run: channel counts, times of convolutions, and all steps side by side.
PLAN_FILE, TIMES_FILE, REPORT_FILE = "plan.json", "latency.json", "report.json"

#: What a step of a pruning run has measured; written last.
STEP_FILE = "step.json"
