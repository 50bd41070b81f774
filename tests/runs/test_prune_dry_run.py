"""A dry run of pruning describes the run and writes nothing."""

from featheredge.runs.prune_dry_run import plan_pruning
from featheredge.runs.prune_recipe import load_prune_recipe
from prune_runs import custom_recipe_file, zoo_recipe


def test_a_plan_for_a_network_of_the_zoo(tmp_path):
    plan = plan_pruning(zoo_recipe(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert plan.steps == ("unpruned", "cut", "refit", "norms", "taught")
    assert plan.num_pictures == 4
    assert 0 < plan.num_prunable <= plan.num_groups
    assert plan.fine_tunings["taught"].steps == 4
    for part in ("prune-toy, edges", "MobileEdge", "prune.counts", "fine-tuning taught"):
        assert part in str(plan)


def test_a_plan_for_a_custom_module(tmp_path):
    recipe = load_prune_recipe(
        custom_recipe_file(tmp_path), ["prune={}", "budget.ratio=0.5", "budget.size=[24, 24]"]
    )
    plan = plan_pruning(recipe, tmp_path / "run")
    assert plan.steps == ("unpruned", "cut", "refit", "norms")
    assert not plan.fine_tunings
    assert "by lasso for 0.5 of the channels of each group" in str(plan)
