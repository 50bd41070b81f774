"""Distillation terms against slow twins, and against the ways in which they can teach nothing."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from featheredge.models.network import Logits
from featheredge.training import checkpoint
from featheredge.training.distill import Adaptation, KnowledgeAdaptor, OutputDistillation
from featheredge.training.losses import EdgeLoss
from featheredge.training.optimiser import make_optimiser
from featheredge.training.recipe_sections import Optimiser
from featheredge.training.teacher import Teacher, recorded
from toys import toy_network

LAYERS = {"student_layer": "encoder", "teacher_layer": "encoder"}


@given(
    logits=st.lists(st.floats(-8, 8, width=32), min_size=12, max_size=12),
    taught=st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12),
    reduction=st.sampled_from(["sum", "mean"]),
)
def test_output_distillation_equals_its_definition(logits, taught, reduction):
    squares = [(1 / (1 + math.exp(-x)) - y) ** 2 for x, y in zip(logits, taught, strict=True)]
    expected = 3 * sum(squares) / (2 if reduction == "sum" else 12)
    shape = (2, 1, 2, 3)
    student = Logits(torch.tensor(logits).reshape(shape), (torch.full(shape, 9.0),))
    term = OutputDistillation(weight=3, reduction=reduction)
    ours = term(student, torch.tensor(taught).reshape(shape)).item()
    assert ours == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_cross_entropy_equals_its_definition():
    torch.manual_seed(0)
    logits, taught = torch.randn(2, 1, 4, 5), torch.rand(2, 1, 4, 5)
    p = logits.sigmoid()
    expected = -(taught * p.log() + (1 - taught) * (1 - p).log()).mean()
    term = OutputDistillation(kind="cross_entropy", weight=2, reduction="mean")
    torch.testing.assert_close(term(Logits(logits, ()), taught), 2 * expected)


@pytest.mark.parametrize("kind", ["mse", "cross_entropy"])
def test_the_teachers_own_map_is_the_best_answer(kind):
    torch.manual_seed(0)
    taught = torch.rand(1, 1, 4, 5).clamp(0.01, 0.99)
    logits = taught.logit().requires_grad_()
    OutputDistillation(kind=kind)(Logits(logits, ()), taught).backward()
    torch.testing.assert_close(logits.grad, torch.zeros_like(logits), rtol=0, atol=1e-6)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_term_and_task_loss_keep_their_ratio_at_any_size(reduction):
    term, task = OutputDistillation(reduction=reduction), EdgeLoss(reduction=reduction)
    torch.manual_seed(0)
    logits, taught = torch.randn(2, 1, 6, 8), torch.rand(2, 1, 6, 8)
    label = (torch.rand(2, 1, 6, 8) > 0.7).float()
    ratios = []
    for times in (1, 3):
        x, y, z = (part.repeat(1, 1, times, times) for part in (logits, taught, label))
        ratios.append(term(Logits(x, ()), y) / task(Logits(x, ()), z))
    torch.testing.assert_close(ratios[0], ratios[1])


@pytest.mark.parametrize("dimensions", [1, 5])
def test_the_adaptor_equals_its_definition(dimensions):
    torch.manual_seed(0)
    adaptor = KnowledgeAdaptor(Adaptation(**LAYERS, weight=7, dimensions=dimensions), 4, 6)
    student, teacher = torch.randn(3, 4, 5, 7), torch.randn(3, 6, 2, 3)
    total = 0.0
    for b in range(3):
        for d in range(dimensions):
            vectors = []
            pooled = [student[b].mean((1, 2)), teacher[b].mean((1, 2))]
            pooled[1] = (pooled[1] - pooled[1].mean()) / pooled[1].std(correction=0)
            for layer, averages in zip((adaptor.student, adaptor.teacher), pooled, strict=True):
                value = layer.bias[d].item()
                for c, average in enumerate(averages.tolist()):
                    value += layer.weight[d, c].item() * average
                vectors.append(value)
            total += (vectors[0] - vectors[1]) ** 2
    loss = adaptor(student, teacher)
    assert loss.item() == pytest.approx(7 * total / (3 * dimensions), rel=1e-3)


def test_a_spatial_adaptor_compares_every_cell_of_the_student():
    torch.manual_seed(0)
    adaptor = KnowledgeAdaptor(Adaptation(**LAYERS, weight=7, dimensions=2, spatial=True), 4, 6)
    student, teacher = torch.randn(3, 4, 2, 3), torch.randn(3, 6, 4, 6)
    total = 0.0
    for b in range(3):
        for i in range(2):
            for j in range(3):
                theirs = teacher[b, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((1, 2))
                theirs = (theirs - theirs.mean()) / theirs.std(correction=0)
                difference = adaptor.student(student[b, :, i, j]) - adaptor.teacher(theirs)
                total += difference.square().sum().item()
    assert adaptor(student, teacher).item() == pytest.approx(7 * total / (3 * 6 * 2), rel=1e-3)


def test_the_size_of_the_teachers_features_does_not_matter():
    torch.manual_seed(0)
    adaptor = KnowledgeAdaptor(Adaptation(**LAYERS), 4, 6)
    student, teacher = torch.randn(3, 4, 5, 7), 5 * torch.randn(3, 6, 2, 3)
    large = adaptor(student, 1000 * teacher)
    torch.testing.assert_close(large, adaptor(student, teacher), rtol=1e-3, atol=0)


def steps(adaptor, teacher_maps, count):
    """Train only the adaptor's layers, on features of the student that say nothing."""
    wanted = [p for p in adaptor.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(wanted, lr=0.05)
    for _ in range(count):
        optimiser.zero_grad()
        loss = adaptor(torch.ones(len(teacher_maps), 2, 1, 1), teacher_maps)
        loss.backward()
        optimiser.step()
    return loss.item()


def test_only_a_frozen_teacher_side_cannot_agree_on_a_constant():
    torch.manual_seed(0)
    teacher_maps = torch.randn(16, 6, 1, 1)
    frozen = KnowledgeAdaptor(Adaptation(**LAYERS, weight=1), 2, 6)
    averages = F.layer_norm(teacher_maps.mean((2, 3)), (6,))
    target = frozen.teacher(averages)
    variance = target.var(correction=0).item()
    assert steps(frozen, teacher_maps, 600) == pytest.approx(variance, rel=0.01)
    torch.testing.assert_close(frozen.teacher(averages), target, rtol=0, atol=0)
    both = KnowledgeAdaptor(Adaptation(**LAYERS, weight=1, train_teacher_side=True), 2, 6)
    assert steps(both, teacher_maps, 600) < 0.01 * variance


def test_the_loss_reaches_the_students_encoder_and_no_teacher():
    student, teacher = toy_network().train(), Teacher(toy_network(seed=1))
    adaptor = KnowledgeAdaptor(Adaptation(**LAYERS), 12, 12)
    image = torch.rand(2, 3, 40, 56)
    with recorded(student, adaptor.settings.student_layer) as maps:
        student(student.normalise(image))
    adaptor(maps[-1], teacher.features(image, adaptor.settings.teacher_layer)).backward()
    assert all(p.grad is not None for p in student.encoder.parameters())
    assert adaptor.student.weight.grad is not None
    frozen = [*teacher.parameters(), *adaptor.teacher.parameters()]
    assert all(p.grad is None for p in frozen)


def test_the_adaptor_is_optimised_and_stored_with_the_student(tmp_path):
    def parts():
        torch.manual_seed(0)
        both = torch.nn.ModuleList([toy_network(), KnowledgeAdaptor(Adaptation(**LAYERS), 12, 12)])
        return both, make_optimiser(both, Optimiser(kind="adamw", lr=0.01, weight_decay=0.1))

    model, optimiser = parts()
    student, adaptor = model
    before = {key: value.clone() for key, value in adaptor.state_dict().items()}
    image, taught = torch.rand(2, 3, 40, 56), torch.rand(2, 12, 3, 4)
    with recorded(student, "encoder") as maps:
        student(image)
    adaptor(maps[-1], taught).backward()
    optimiser.step()
    changed = {key for key, value in adaptor.state_dict().items() if (value != before[key]).any()}
    assert changed == {"student.weight", "student.bias"}
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.write(path, model, torch.nn.Identity(), optimiser, {"step": 1})
    again, other = parts()
    torch.nn.init.zeros_(again[1].teacher.weight)
    stored = checkpoint.read(path)
    checkpoint.restore(stored, again, torch.nn.Identity(), other)
    assert stored.progress == {"step": 1}
    for key, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[key], value, rtol=0, atol=0)


def test_wrong_settings_are_refused():
    with pytest.raises(ValidationError, match="weight"):
        OutputDistillation(weight=0)
    with pytest.raises(ValidationError, match="reduction"):
        OutputDistillation(reduction="batchmean")
    with pytest.raises(ValidationError, match="wieght"):
        Adaptation(**LAYERS, wieght=1)
