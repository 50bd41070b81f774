"""What a step minimises, term by term, and runs that learn from a teacher."""

import pytest
import torch

from featheredge.errors import RecipeError, UnknownModelError
from featheredge.models import build
from featheredge.training.distill import Adaptation, OutputDistillation
from featheredge.training.loop import train
from featheredge.training.losses import EdgeLoss
from featheredge.training.objective import Objective
from featheredge.training.recipe import Distillation, load_recipe
from featheredge.training.recipe_sections import NetworkSettings
from featheredge.training.teacher import Teacher
from featheredge.training.teacher_maps import store_maps
from stopping import train_with_a_stop
from toys import toy_network, write_bsds, write_recipe

LAYERS = {"student_layer": "encoder", "teacher_layer": "encoder"}
CPU = torch.device("cpu")


@pytest.fixture
def folders(tmp_path):
    """Two saved teachers."""
    for seed in (1, 2):
        build.save(toy_network(seed), tmp_path / f"teacher{seed}")
    return str(tmp_path / "teacher1"), str(tmp_path / "teacher2")


def batch():
    torch.manual_seed(5)
    return torch.rand(2, 3, 40, 56), (torch.rand(2, 1, 40, 56) > 0.8).float()


def test_without_teachers_it_is_the_task_loss():
    network, (image, label) = toy_network(), batch()
    expected = EdgeLoss()(network(network.normalise(image)), label)
    objective = Objective(network, EdgeLoss(), None, CPU)
    torch.testing.assert_close(objective(image, label), expected, rtol=0, atol=0)


def test_all_terms_add_up(folders):
    network, (image, label) = toy_network(), batch()
    output = OutputDistillation(weight=2)
    distill = Distillation(teachers=folders[:1], output=output, adaptor=Adaptation(**LAYERS))
    objective = Objective(network, EdgeLoss(), distill, CPU)
    logits, teacher = network(network.normalise(image)), Teacher(toy_network(1))
    own = network.encoder(network.normalise(image))[-1]
    expected = EdgeLoss()(logits, label) + output(logits, teacher(image))
    expected = expected + objective.adaptor(own, teacher.features(image, "encoder"))
    torch.testing.assert_close(objective(image, label), expected)


def test_several_teachers_give_one_map(folders):
    network, (image, label) = toy_network(), batch()
    output = OutputDistillation()
    objective = Objective(network, EdgeLoss(), Distillation(teachers=folders, output=output), CPU)
    logits = network(network.normalise(image))
    mean = (Teacher(toy_network(1))(image) + Teacher(toy_network(2))(image)) / 2
    expected = EdgeLoss()(logits, label) + output(logits, mean)
    torch.testing.assert_close(objective(image, label), expected)


def test_a_stored_map_stands_for_the_teachers(folders):
    network, (image, label) = toy_network(), batch()
    taught = torch.rand_like(label)
    output = OutputDistillation(weight=2)
    objective = Objective(network, EdgeLoss(), Distillation(output=output), CPU)
    logits = network(network.normalise(image))
    expected = EdgeLoss()(logits, label) + output(logits, taught)
    torch.testing.assert_close(objective(image, torch.cat([label, taught], 1)), expected)


def test_teachers_are_neither_stored_nor_trained(folders):
    distill = Distillation(teachers=folders[:1], adaptor=Adaptation(**LAYERS))
    objective = Objective(toy_network(), EdgeLoss(), distill, CPU).train()
    assert {key.split(".")[0] for key in objective.state_dict()} == {"student", "adaptor"}
    objective(*batch()).backward()
    assert all(p.grad is None for p in objective.teachers[0].parameters())
    assert not any(m.training for m in objective.teachers[0].modules())


def test_making_one_leaves_the_students_norms_alone(folders):
    student = toy_network().train()
    before = {key: value.clone() for key, value in student.state_dict().items()}
    distill = Distillation(teachers=folders[:1], adaptor=Adaptation(**LAYERS))
    Objective(student, EdgeLoss(), distill, CPU)
    assert student.training
    for key, value in student.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


@pytest.fixture
def recipe(tmp_path, folders):
    bsds = write_bsds(write_bsds(tmp_path / "bsds", "train", 5), "val", 2, seed=1)
    settings = [
        f"distill.teachers=['{folders[0]}']",
        "distill.output.reduction=mean",
        "distill.adaptor.student_layer=encoder",
        "distill.adaptor.teacher_layer=encoder",
        "distill.adaptor.weight=1.0",
    ]
    return load_recipe(write_recipe(tmp_path, bsds), settings)


def test_runs_learn_from_stored_maps_and_unlabelled_pictures(tmp_path):
    bsds = write_bsds(tmp_path / "bsds", "train", 4)
    write_bsds(tmp_path / "more", "train", 3, seed=9)
    teacher = Teacher(toy_network(1))
    for root in (bsds, tmp_path / "more"):
        store_maps([teacher], sorted((root / "images/train").glob("*.jpg")), root / "maps")
    settings = [
        "data.val_splits=[]",
        f"data.maps={bsds / 'maps'}",
        f"data.unlabelled.pictures={tmp_path / 'more/images/train'}",
        f"data.unlabelled.maps={tmp_path / 'more/maps'}",
        "data.repeat=2",
        "distill.output.reduction=mean",
        "schedule.epochs=1",
    ]
    taught = load_recipe(write_recipe(tmp_path, bsds), settings)
    steps = []
    first = train(taught, tmp_path / "run", on_record=lambda record, length: steps.append(length))
    assert steps[0].steps == 6, "4 pictures twice and 3 once, in batches of 2"
    onwards = taught.model_copy(update={"network": NetworkSettings(initial=str(first))})
    assert build.load(train(onwards, tmp_path / "onwards")).config == build.load(first).config


def test_a_distilled_run_stops_and_goes_on_without_a_trace(recipe, tmp_path):
    train(recipe, tmp_path / "whole")
    train_with_a_stop(recipe, tmp_path / "stopped", 7)
    whole, stopped = (build.load(tmp_path / run / "model") for run in ("whole", "stopped"))
    assert type(whole) is type(toy_network())
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(stopped.state_dict()[key], value, rtol=0, atol=0)


@pytest.mark.slow
def test_a_student_moves_towards_its_teacher(recipe, tmp_path):
    strong = OutputDistillation(weight=1000, reduction="mean")
    towards = recipe.distill.model_copy(update={"output": strong, "adaptor": None})
    longer = recipe.schedule.model_copy(update={"epochs": 30})
    update = {"distill": towards, "schedule": longer}
    taught = build.load(train(recipe.model_copy(update=update), tmp_path / "taught"))
    alone = build.load(
        train(recipe.model_copy(update={**update, "distill": None}), tmp_path / "alone")
    )
    image, _ = batch()
    target = Teacher(toy_network(1))(image)
    distances = [(Teacher(n)(image) - target).square().mean() for n in (taught, alone)]
    assert distances[0] < 0.5 * distances[1]


@pytest.mark.parametrize(
    ("distill", "message"),
    [
        ("{teachers = ['a']}", "distill.output"),
        ("{teachers = [], output = {}}", r"distill\.teachers or data\.maps"),
        ("{teachers = ['a', 'b'], adaptor = {student_layer = 'e', teacher_layer = 'e'}}", "one"),
        ("{teachers = ['a'], output = {wieght = 1.0}}", "wieght"),
    ],
)
def test_recipes_that_teach_nothing_sound_are_refused(tmp_path, distill, message):
    path = write_recipe(tmp_path, tmp_path)
    with pytest.raises(RecipeError, match=message):
        load_recipe(path, [f"distill={distill}"])


def test_a_missing_teacher_is_named(recipe, tmp_path):
    lost = recipe.distill.model_copy(update={"teachers": (str(tmp_path / "lost"),)})
    with pytest.raises(UnknownModelError, match="lost"):
        train(recipe.model_copy(update={"distill": lost}), tmp_path / "run")
