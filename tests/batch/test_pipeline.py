"""Batches in parallel: order, failures, bounded memory, early ends, and where the time goes."""

import threading
import time
from pathlib import Path

import pytest

from featheredge.batch import Job, Naming, Output, Speed, plan, run
from featheredge.errors import ImageError
from featheredge.inputs import PictureFile, Source
from featheredge.stages import record, stage


@pytest.fixture
def photos(tmp_path):
    """A folder of 30 files with their own names as content."""
    for number in range(30):
        (tmp_path / f"{number:02}.jpg").write_text(f"{number:02}")
    return tmp_path


def copy(picture: PictureFile) -> Output:
    return Output(picture.read())


def jobs_of(folder: Path, output: Path | None = None) -> list[Job]:
    return plan([str(folder)], Naming(output))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_keep_the_order_of_the_jobs(photos, workers):
    jobs = jobs_of(photos, photos / "out")

    def slow_at_first(picture: PictureFile) -> Output:
        content = picture.read()
        time.sleep(0.02 if content == b"00" else 0)
        return Output(content, {"size": len(content)})

    results = list(run(jobs, slow_at_first, force=False, workers=workers))
    assert [result.job for result in results] == jobs
    assert [result.notes for result in results] == [{"size": 2}] * 30
    assert [job.output.read_text() for job in jobs] == [f"{n:02}" for n in range(30)]


def test_a_bad_file_costs_only_itself(photos):
    jobs = jobs_of(photos, photos / "out")

    def work(picture: PictureFile) -> Output:
        if picture.name.endswith("07.jpg"):
            raise ImageError("07 is bad")
        if picture.name.endswith("08.jpg"):
            raise MemoryError
        return copy(picture)

    results = list(run(jobs, work, force=False, workers=2))
    errors = {r.job.output.stem: r.error for r in results if r.error}
    assert errors == {
        "07": "07 is bad",
        "08": f"{photos}/08.jpg: not enough memory; lower --workers",
    }
    assert len(list((photos / "out").iterdir())) == 28


def test_an_error_of_the_program_is_raised(photos):
    def work(_: PictureFile) -> Output:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(run(jobs_of(photos), work, force=False, workers=2))


def test_existing_outputs_are_skipped_without_force(photos):
    job = Job(photos / "00.jpg", photos / "00_edges.png")
    job.output.write_text("old")
    (result,) = run([job], copy, force=False)
    assert (result.skipped, result.error) == (True, None)
    assert job.output.read_text() == "old"
    (result,) = run([job], copy, force=True)
    assert (result.skipped, result.error) == (False, None)
    assert job.output.read_text() == "00"


def test_names_that_no_file_system_takes_cost_only_themselves(photos):
    (photos / "loop.jpg").symlink_to(photos / "loop.jpg")
    (photos / ("n" * 240 + ".jpg")).write_bytes(b"long")  # the output's name is too long
    inputs = [photos / ("m" * 300 + ".jpg"), photos / "loop.jpg", photos]
    jobs = plan(list(map(str, inputs)), Naming(photos / "out"))
    errors = {Path(str(r.job.source)).name[0]: r.error for r in run(jobs, copy, force=False)}
    assert "too long" in errors.pop("m")
    assert "symbolic links" in errors.pop("l")
    assert set(errors.values()) == {None}
    (result,) = run(plan([str(photos / ("n" * 240 + ".jpg"))], Naming()), copy, force=False)
    assert result.error is None
    longest = plan([str(photos / ("n" * 240 + ".jpg"))], Naming(photos / "p" / ("q" * 300)))
    (result,) = run(longest, copy, force=False)
    assert "cannot be written: File name too long" in result.error


def test_an_output_that_cannot_be_written_costs_only_itself(photos):
    jobs = [Job(photos / "00.jpg", photos / "01.jpg" / "a.png"), *jobs_of(photos)]
    results = list(run(jobs, copy, force=False, workers=2))
    assert "01.jpg/a.png: cannot be written: " in results[0].error
    assert {result.error for result in results[1:]} == {None}


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_pictures_than_workers_are_processed_at_once(photos, workers):
    lock, active, most = threading.Lock(), [0], [0]

    def work(picture: PictureFile) -> Output:
        with lock:
            active[0] += 1
            most[0] = max(most[0], active[0])
        time.sleep(0.002)
        with lock:
            active[0] -= 1
        return copy(picture)

    list(run(jobs_of(photos), work, force=False, workers=workers))
    assert most[0] <= workers


def test_jobs_are_taken_when_they_are_needed(photos):
    taken = []
    jobs = (taken.append(job) or job for job in jobs_of(photos) * 10)
    results = run(jobs, copy, force=True, workers=1)
    next(results)
    assert len(taken) < 10, "memory would grow with the number of files"
    results.close()


def test_an_early_end_waits_for_pictures_in_process_and_starts_no_other(photos):
    started, may_end = threading.Event(), threading.Event()
    processed = []

    def work(picture: PictureFile) -> Output:
        started.set()
        may_end.wait(10)
        processed.append(picture.name)
        return copy(picture)

    def interrupted():
        yield from jobs_of(photos)[:2]
        started.wait(10)
        threading.Timer(0.05, may_end.set).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run(interrupted(), work, force=False, workers=1))
    assert len(processed) == 1
    names = {path.name for path in photos.iterdir()}
    assert not [name for name in names if name.startswith(".")], "no temporary file stays"
    time.sleep(0.05)
    assert {path.name for path in photos.iterdir()} == names, "nothing is written afterwards"


def test_a_read_that_never_ends_does_not_hold_up_the_end(photos):
    reading, may_end = threading.Event(), threading.Event()

    def blocked(source: Source) -> PictureFile:
        reading.set()
        may_end.wait(60)
        return PictureFile(b"", str(source))

    def interrupted():
        yield from jobs_of(photos)[:2]
        reading.wait(10)
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(run(interrupted(), copy, force=False, workers=1, read=blocked))
    assert time.monotonic() - started < 30
    may_end.set()


def test_threads_end_with_the_batch(photos):
    before = threading.active_count()
    list(run(jobs_of(photos), copy, force=False, workers=4))
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_stages_have_the_time_that_is_spent_in_them():
    @stage("network")
    def infer():
        time.sleep(0.02)
        with stage("decode"):
            time.sleep(0.03)

    with record("post-processing") as seconds:
        time.sleep(0.01)
        infer()
    assert list(seconds) == ["post-processing", "network", "decode"]
    assert seconds["post-processing"] >= 0.01
    assert seconds["network"] >= 0.02
    assert seconds["decode"] >= 0.03
    infer()
    assert sum(seconds.values()) < sum((0.01, 0.02, 0.03)) + 0.04, "nothing is measured outside"


def test_a_failing_stage_ends():
    with record("post-processing") as seconds:
        with pytest.raises(KeyError), stage("decode"):
            raise KeyError
        time.sleep(0.01)
    assert seconds["post-processing"] >= 0.01


def test_speed_counts_written_pictures_and_shares_add_up(photos):
    (photos / "00_edges.png").touch()
    (photos / "01.jpg").unlink()
    jobs = [Job(photos / "01.jpg", photos / "01_edges.png"), *jobs_of(photos)]
    speed = Speed()
    list(speed.measured(run(jobs, copy, force=False, workers=2)))
    assert speed.num_pictures == 28
    assert speed.pictures_per_s == pytest.approx(28 / speed.seconds)
    assert sum(speed.shares.values()) == pytest.approx(1)
    assert set(speed.as_dict(2)["stages"]) == {
        "read", "decode", "network", "post-processing", "encode", "write"
    }  # fmt: skip
    assert " pictures/s (" in str(speed)
    assert Speed().pictures_per_s == 0
