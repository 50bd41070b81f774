"""The remaining time of a run is estimated once, from its first steps."""

from featheredge.cli.progress import training_progress
from featheredge.cli.remaining import RemainingTime
from featheredge.training.log import Length


def estimates(steps, length, step_s, remaining=None, clock=None):
    now = [0.0]
    remaining = remaining or RemainingTime(lambda: now[0])
    said = []
    for step in steps:
        now[0] += 60.0 if step == steps[0] else step_s
        if line := remaining.after(step, length):
            said.append(line)
    return said


def test_it_is_said_once_and_the_first_step_does_not_count():
    said = estimates(range(1, 31), Length(40, 10), step_s=2.0)
    assert said == ["step 11/400: about 13 min left, 2 s a step"]


def test_a_resumed_run_counts_from_where_it_resumes():
    said = estimates(range(201, 240), Length(40, 10), step_s=0.5)
    assert said == ["step 211/400: about 2 min left, 0.5 s a step"]


def test_a_short_run_needs_none():
    assert estimates(range(1, 9), Length(8, 1), step_s=1.0) == []


def test_each_run_gets_one():
    now = [0.0]
    remaining = RemainingTime(lambda: now[0])
    said = []
    for step in [*range(1, 21), *range(1, 21)]:
        now[0] += 1
        said.append(remaining.after(step, Length(20, 1)))
    assert [index for index, line in enumerate(said) if line] == [10, 30]


def test_it_is_printed_without_a_terminal(capsys):
    with training_progress() as report:
        for step in range(1, 21):
            report({"step": step, "loss": 0.5, "samples_per_s": 20.0}, Length(10, 2))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("epoch 1/2")
    assert lines[1].startswith("step 11/20: about ")
    assert len(lines) == 3
