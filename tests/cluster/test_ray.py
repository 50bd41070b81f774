"""A cluster of two nodes on this machine: equal outputs, and what dies is made up for."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featheredge.address import Address
from featheredge.batch import Job, Output
from featheredge.cluster import connected, run
from featheredge.errors import ClusterError

ray = pytest.importorskip("ray", reason="needs ray[data]: pip install '.[ray]'")
pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
MAX_S = 400


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster with two nodes of one core."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = nodes.address
    yield nodes.address
    del os.environ["RAY_ADDRESS"]
    nodes.shutdown()


@pytest.fixture
def photos(tmp_path):
    """A folder with the example photos, one in a sub-folder, and a file that is no picture."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name, target in (("cat", "cat"), ("coffee", "coffee"), ("cat", "sub/again")):
        (folder / f"{target}.jpg").write_bytes((EXAMPLES / f"{name}.jpg").read_bytes())
    (folder / "bad.jpg").write_text("no picture")
    return folder


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "featheredge", *map(str, arguments)]


def featheredge(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command with Ray in a process of its own."""
    full = command(*arguments, "--engine", "ray")
    return subprocess.run(full, capture_output=True, text=True, check=False, timeout=MAX_S)


def plain(folder: Path, *arguments: object) -> tuple[int, dict[str, bytes]]:
    """Run a command without Ray; return its exit code and its outputs."""
    out = folder.parent / "plain"
    code = subprocess.run(command(*arguments, folder, "-o", out), capture_output=True).returncode
    return code, contents(out)


def contents(folder: Path | Address) -> dict[str, bytes]:
    """Return the PNG files below a folder, hidden ones too."""
    if isinstance(folder, Address):
        system, path = folder.file_system()
        system.invalidate_cache()
        found = {name.removeprefix(f"{path}/"): system.cat_file(name) for name in system.find(path)}
    else:
        files = [file for file in folder.rglob("*") if file.is_file()]
        found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
    return {name: content for name, content in found.items() if name.endswith(".png")}


def manifest(folder: Path | Address) -> dict[str, dict]:
    """Return output -> row; inputs and outputs are there once."""
    rows = pq.read_table(io.BytesIO((folder / "manifest.parquet").read_bytes())).to_pylist()
    assert len({row["input"] for row in rows}) == len(rows)
    by_output = {row["output"].removeprefix(f"{folder}/"): row for row in rows}
    assert len(by_output) == len(rows)
    return by_output


def assert_listed(folder: Path | Address, outputs: dict[str, bytes]) -> None:
    """The manifest's rows that are not failed are these outputs."""
    rows = {name: row for name, row in manifest(folder).items() if row["status"] == "ok"}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in outputs.items()}
    assert {name: row["sha256"] for name, row in rows.items()} == digests
    assert all(row["ms"] > 0 and row["error"] is None for row in rows.values())


@pytest.mark.parametrize("verb", [["edges"], ["cutout", "--threshold", "0.01"]], ids=lambda v: v[0])
def test_a_folder_gives_what_one_machine_gives(cluster, photos, tmp_path, verb):
    code, expected = plain(photos, *verb)
    done = featheredge(*verb, photos, "-o", tmp_path / "out")
    assert (done.returncode, code) == (1, 1), done.stderr
    assert contents(tmp_path / "out") == expected
    assert len(expected) == 3
    assert_listed(tmp_path / "out", expected)
    failed = manifest(tmp_path / "out")["bad.png"]
    assert failed["status"] == "failed"
    assert failed["error"] == f"{photos}/bad.jpg: not an image, or its format is not supported"
    assert f"featheredge: {failed['error']}" in done.stderr
    assert "1 failed" in done.stderr

    (photos / "bad.jpg").write_bytes((EXAMPLES / "coffee.jpg").read_bytes())
    (tmp_path / "out" / "cat.png").unlink()
    done = featheredge(*verb, photos, "-o", tmp_path / "out", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert sorted(Path(each["output"]).name for each in report["written"]) == ["bad.png", "cat.png"]
    assert len(report["skipped"]) == 2
    assert_listed(tmp_path / "out", {**expected, "bad.png": expected["coffee.png"]})


@pytest.fixture(scope="module")
def bucket():
    """A bucket of an S3 server in a process of its own."""
    moto = pytest.importorskip("moto.server", reason="needs moto[server] and s3fs")
    pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    os.environ.update(settings)
    address = Address("s3://pictures")
    system, path = address.file_system()
    system.mkdir(path)
    yield address, settings
    for name in settings:
        del os.environ[name]
    server.stop()


@pytest.fixture(scope="module")
def cluster_with_bucket(bucket):
    """A cluster whose workers know the S3 server: they have the environment of their node."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    before = os.environ.get("RAY_ADDRESS")
    os.environ["RAY_ADDRESS"] = nodes.address
    yield bucket[0]
    os.environ.pop("RAY_ADDRESS")
    if before:
        os.environ["RAY_ADDRESS"] = before
    nodes.shutdown()


def test_everything_from_s3_to_s3(cluster_with_bucket, photos):
    bucket = cluster_with_bucket
    _, expected = plain(photos, "edges")
    names = ["cat.jpg", "coffee.jpg"]
    pictures = [(photos / name).read_bytes() for name in names]
    for name, content in zip(names, pictures, strict=True):
        (bucket / "in/folder" / name).write_bytes(content)
    (bucket / "in/folder/bad.jpg").write_bytes(b"no picture")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in names:
            tar.add(photos / name, name)
            tar.addfile(tarfile.TarInfo(f"{name}.txt"))
    (bucket / "in/shards/train-0.tar").write_bytes(file.getvalue())
    table = pa.table({"image": [{"bytes": each} for each in pictures], "path": names})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=1)
    (bucket / "in/rows.parquet").write_bytes(file.getvalue())
    file = io.BytesIO()
    pq.write_table(pa.table({"path": ["folder/cat.jpg", f"{photos}/coffee.jpg"]}), file)
    (bucket / "paths/list.parquet").write_bytes(file.getvalue())

    out = bucket / "out"
    done = featheredge("edges", bucket / "in", bucket / "paths/list.parquet", "-o", out)
    assert done.returncode == 1, done.stderr
    found = contents(out)
    cat, coffee = expected["cat.png"], expected["coffee.png"]
    wanted = {
        "folder/cat.png": cat,
        "folder/coffee.png": coffee,
        "shards/train-0/cat.png": cat,
        "shards/train-0/coffee.png": coffee,
        "rows/cat.png": cat,
        "rows/coffee.png": coffee,
        f"{str(photos)[1:]}/coffee.png": coffee,
    }
    assert found.keys() == wanted.keys()
    assert found == wanted
    assert_listed(out, wanted)
    failed = [row for row in manifest(out).values() if row["status"] == "failed"]
    assert sorted(row["input"] for row in failed) == [
        f"{bucket}/in/folder/bad.jpg",
        f"{bucket}/paths/folder/cat.jpg",
    ]
    done = featheredge("edges", bucket / "in/shards/*.tar", "-o", bucket / "shards", "--json")
    assert done.returncode == 0, done.stderr
    assert contents(bucket / "shards") == {"train-0/cat.png": cat, "train-0/coffee.png": coffee}


def many(folder: Path, count: int) -> Path:
    """Return a folder with many names of one photo."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04}.jpg").hardlink_to(EXAMPLES / "cat.jpg")
    return folder


def wait_for(condition: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + MAX_S
    while not condition():
        assert process.poll() is None, "the command ended before"
        assert time.monotonic() < end
        time.sleep(0.02)


def worker_processes() -> list[int]:
    """Return the processes of workers that process pictures."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if file.read_bytes().startswith(b"ray::MapWorker"):
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


def test_a_killed_worker_loses_nothing(cluster, tmp_path):
    folder = many(tmp_path / "in", 200)
    out = tmp_path / "out"
    full = command("edges", "-m", "mobile-edge-xs", folder, "-o", out, "--engine", "ray")
    before = set(worker_processes())
    with subprocess.Popen(full) as process:
        wait_for(lambda: len(contents(out)) > 5, process)
        (victim, *_) = set(worker_processes()) - before
        os.kill(victim, signal.SIGKILL)
        assert process.wait(MAX_S) == 0
    one = featheredge_output(tmp_path)
    assert contents(out) == {f"{number:04}.png": one for number in range(200)}
    assert_listed(out, contents(out))


def test_a_killed_command_continues(cluster, tmp_path):
    folder = many(tmp_path / "in", 600)
    out = tmp_path / "out"
    full = command("edges", "-m", "mobile-edge-xs", folder, "-o", out, "--engine", "ray")
    with subprocess.Popen(full) as process:
        wait_for((out / "manifest.parts" / "00000001.parquet").exists, process)
        process.kill()
    parts = [pq.read_table(part) for part in (out / "manifest.parts").glob("0*.parquet")]
    num_listed = sum(part.num_rows for part in parts)
    assert 0 < num_listed < 600
    time.sleep(2)  # until Ray has ended the workers of the dead driver
    done = subprocess.run([*full, "--resume", "--json"], capture_output=True, timeout=MAX_S)
    report = json.loads(done.stdout)
    assert (len(report["skipped"]), len(report["written"])) == (num_listed, 600 - num_listed)
    one = featheredge_output(tmp_path)
    assert contents(out) == {f"{number:04}.png": one for number in range(600)}
    assert_listed(out, contents(out))


def featheredge_output(folder: Path) -> bytes:
    """Return what one machine makes of the photo of `many`."""
    full = command("edges", "-m", "mobile-edge-xs", EXAMPLES / "cat.jpg", "-o", folder / "one.png")
    subprocess.run(full, check=True, capture_output=True)
    return (folder / "one.png").read_bytes()


def test_a_picture_that_kills_its_worker_fails_alone(cluster, tmp_path):
    def work(picture):
        if picture.name.endswith("3.jpg"):
            os.kill(os.getpid(), signal.SIGKILL)
        return Output(picture.read())

    jobs = []
    for number in range(8):
        (tmp_path / f"{number}.jpg").write_text(str(number))
        jobs.append(Job(tmp_path / f"{number}.jpg", tmp_path / "out" / f"{number}.png"))
    with connected():
        results = list(run(jobs, work, tmp_path / "out", force=False))
    failed = {result.job.source.name: result.error for result in results if result.error}
    assert failed == {
        "3.jpg": f"{tmp_path}/3.jpg: its worker process was killed 3 times, for memory or by a "
        "crash; the other pictures are done"
    }
    assert sorted(result.job.source.name for result in results) == [f"{n}.jpg" for n in range(8)]
    assert len(contents(tmp_path / "out")) == 7
    assert manifest(tmp_path / "out")["3.png"]["status"] == "failed"


def test_an_error_of_the_program_is_raised(cluster, tmp_path):
    def work(picture):
        raise ZeroDivisionError

    (tmp_path / "a.jpg").touch()
    jobs = [Job(tmp_path / "a.jpg", tmp_path / "out" / "a.png")]
    with connected(), pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(run(jobs, work, tmp_path / "out", force=False))


class Nowhere:
    """Work that no worker can load, such as a network whose file is not there."""

    def __call__(self, picture):
        return Output(picture.read())

    def __reduce__(self):
        return Path("/nowhere/x.onnx").read_bytes, ()


def test_workers_that_cannot_start_are_an_error(cluster, tmp_path):
    (tmp_path / "a.jpg").touch()
    jobs = [Job(tmp_path / "a.jpg", tmp_path / "out" / "a.png")]
    with connected(), pytest.raises(ClusterError, match=r"cannot start workers.*nowhere/x.onnx"):
        list(run(jobs, Nowhere(), tmp_path / "out", force=False))


def test_a_cluster_that_is_not_there_is_an_error(monkeypatch, photos):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    done = featheredge("edges", photos, "-o", photos / "out")
    assert done.returncode == 1
    assert "Ray does not answer at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
