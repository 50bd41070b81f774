"""Networks as folders and on the hub, whose client is replaced by a stub."""

import sys
import types
from pathlib import Path

import pytest

from featheredge.errors import MissingExtraError, OutputError, UnknownModelError, WeightsError
from featheredge.hub import from_pretrained, push_to_hub, save_pretrained


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub in a folder, with the functions of the client that are used."""
    root = tmp_path / "hub"
    stub = types.ModuleType("huggingface_hub")
    stub.calls = []

    class HfApi:
        def __init__(self, token=None):
            self.token = token

        def create_repo(self, repo_id, *, private, exist_ok):
            if repo_id.startswith("forbidden/"):
                raise RuntimeError("403")
            stub.calls.append((repo_id, private, exist_ok, self.token))

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            target = root / repo_id
            target.mkdir(parents=True)
            for file in Path(folder_path).iterdir():
                (target / file.name).write_bytes(file.read_bytes())
            return f"https://hub/{repo_id}/commit/{commit_message}"

    def hf_hub_download(repo_id, filename, *, revision, cache_dir, local_files_only, token):
        path = root / repo_id / filename
        if not path.exists():
            raise FileNotFoundError(f"404 {repo_id}")
        return str(path)

    stub.HfApi, stub.hf_hub_download = HfApi, hf_hub_download
    stub.__spec__ = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "huggingface_hub", stub)
    return stub


def test_a_folder_opens_again(toy_onnx, tmp_path, noise):
    folder = save_pretrained(toy_onnx, tmp_path / "toy", licence="MIT")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.onnx"]
    assert (folder / "model.onnx").read_bytes() == toy_onnx.read_bytes()
    assert from_pretrained(folder)(noise(16, 16)).shape == (16, 16)
    card = (folder / "README.md").read_text("utf-8")
    assert 'license: "mit"\n' in card
    assert "pipeline_tag: image-to-image" in card
    with pytest.raises(OutputError, match="exists; give another folder, or force=True"):
        save_pretrained(toy_onnx, folder)
    save_pretrained(toy_onnx, folder, force=True)


def test_the_card_of_a_shipped_model_has_its_facts(tmp_path):
    from featheredge import catalog

    entry = catalog.find("mobile-edge-s")
    card = (save_pretrained(entry.name, tmp_path / "edges") / "README.md").read_text("utf-8")
    assert entry.training_data in card
    assert f"{entry.num_params:,}" in card
    assert all(f"{score.value:g} on {score.dataset}" in card for score in entry.scores)


def test_the_head_of_a_card_is_valid_yaml(toy_onnx, toy_saliency_onnx, tmp_path):
    yaml = pytest.importorskip("yaml")
    for model in (toy_onnx, toy_saliency_onnx, "feather-saliency"):
        folder = save_pretrained(model, tmp_path / Path(model).stem)
        head = yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])
        assert head["library_name"] == "featheredge"
        assert "onnx" in head["tags"]
        assert "license" in head


def test_a_network_goes_to_the_hub_and_comes_back(hub, toy_onnx, noise):
    url = push_to_hub(toy_onnx, "me/toy", private=True, token="t", message="first")
    assert url == "https://hub/me/toy/commit/first"
    assert hub.calls == [("me/toy", True, True, "t")]
    session = from_pretrained("me/toy")
    assert session(noise(16, 16)).shape == (16, 16)


def test_the_hubs_refusals_are_explained(hub, toy_onnx):
    with pytest.raises(OutputError, match=r"forbidden/toy: cannot be uploaded: 403"):
        push_to_hub(toy_onnx, "forbidden/toy")
    with pytest.raises(WeightsError, match=r"me/nothing: model.onnx cannot be downloaded.*404"):
        from_pretrained("me/nothing")


def test_a_missing_client_is_named(monkeypatch, toy_onnx):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"featheredge\[hub\]"):
        from_pretrained("me/toy")
    with pytest.raises(MissingExtraError, match=r"push_to_hub needs huggingface_hub"):
        push_to_hub(toy_onnx, "me/toy")


def test_names_and_missing_files(tmp_path):
    assert from_pretrained("mobile-edge-s").name == "mobile-edge-s"
    with pytest.raises(UnknownModelError):
        from_pretrained("nothing")
    with pytest.raises(WeightsError):
        from_pretrained(tmp_path)


def test_the_functions_are_those_of_the_real_client():
    import inspect

    real = pytest.importorskip("huggingface_hub")
    download = inspect.signature(real.hf_hub_download).parameters
    assert {"repo_id", "filename", "revision", "cache_dir", "local_files_only", "token"} <= set(
        download
    )
    assert {"private", "exist_ok"} <= set(inspect.signature(real.HfApi.create_repo).parameters)
    upload = inspect.signature(real.HfApi.upload_folder).parameters
    assert {"repo_id", "folder_path", "commit_message"} <= set(upload)
