import runpy
import sys
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet50

from mindeye.files import sha256_of
from mindeye.targets.metric_networks import published_files
from mindeye.targets.metric_networks.folder import open_networks
from mindeye.targets.metric_networks.published_files import PublishedFile, PublishedNetwork
from mindeye.verbs.evaluation import fetch_networks
from mindeye.verbs.evaluation.fetch_networks import fetch_network

PROGRAM = Path(__file__).parents[4] / "data_scripts" / "metric_networks.py"
SWAV_FILE = "swav_800ep_pretrain.pth.tar"


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """SwAV's file as it is published: wrapped names, a projection head, no classifier."""
    folder = tmp_path_factory.mktemp("published")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = resnet50(weights=None)
    state = {f"module.{name}": one for name, one in network.state_dict().items()}
    state = {name: one for name, one in state.items() if "fc." not in name}
    state["module.projection_head.0.weight"] = torch.ones(3, 3)
    state["module.prototypes.weight"] = torch.ones(3, 3)
    torch.save(state, folder / SWAV_FILE)
    return folder


@pytest.fixture
def addressed(published, monkeypatch) -> PublishedFile:
    """The same file behind an address, with its hash."""
    path = published / SWAV_FILE
    one = PublishedFile(url=path.as_uri(), sha256=sha256_of(path)[:8])
    table = {"swav": PublishedNetwork(files=(one,), terms="none")}
    monkeypatch.setattr(fetch_networks, "PUBLISHED_NETWORKS", table)
    return one


def test_swavs_published_file_becomes_the_network_that_torch_hub_makes_of_it(
    published, tmp_path, monkeypatch, capsys
):
    arguments = [str(PROGRAM), "swav", "--out", str(tmp_path), "--files", str(published)]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(PROGRAM), run_name="__main__")
    judge = open_networks(tmp_path, names=["swav"]).networks["swav"]
    assert judge.identity in capsys.readouterr().out
    assert judge.identity.endswith(f"from https://dl.fbaipublicfiles.com/deepcluster/{SWAV_FILE}")
    # Second witness: what SwAV's hubconf does.
    saved = torch.load(published / SWAV_FILE, weights_only=True)
    state = {name.replace("module.", ""): one for name, one in saved.items()}
    network = resnet50(weights=None)
    network.load_state_dict(state, strict=False)
    network.fc = torch.nn.Identity()
    images = torch.rand(1, 3, 64, 64)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        expected = network.eval()((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))
    torch.testing.assert_close(judge.outputs(images)["avgpool"], expected)


def test_a_file_is_downloaded_when_asked_for(addressed, tmp_path):
    assert fetch_network("swav", tmp_path).endswith(f"from {addressed.url}")
    with pytest.raises(ValueError, match=r"swav exists\. Remove it"):
        fetch_network("swav", tmp_path)


def test_a_file_of_another_hash_is_refused_and_nothing_is_written(published, tmp_path):
    downloads, out = tmp_path / "downloads", tmp_path / "out"
    downloads.mkdir()
    (downloads / "alexnet-owt-7be5be79.pth").write_bytes(b"half")
    with pytest.raises(ValueError, match=r"has the SHA-256 .* but 7be5be79 is published"):
        fetch_network("alexnet", out, downloads)
    with pytest.raises(FileNotFoundError, match=r"is missing. Fetch it from https://download"):
        fetch_network("inception", out, downloads)
    with pytest.raises(ValueError, match=r"open_clip_config\.json and .* of the hub's timm/"):
        fetch_network("siglip2", out, downloads)
    with pytest.raises(LookupError, match="Unknown network `alex`"):
        fetch_network("alex", out)
    assert not out.exists()


def test_an_address_that_does_not_answer_is_named(addressed, tmp_path, monkeypatch):
    gone = PublishedFile(url=(tmp_path / "gone.pth").as_uri(), sha256=None)
    table = {"swav": PublishedNetwork(files=(gone,), terms="none")}
    monkeypatch.setattr(fetch_networks, "PUBLISHED_NETWORKS", table)
    with pytest.raises(ConnectionError, match=r"gone.pth could not be fetched .* --files"):
        fetch_network("swav", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_program_says_what_is_wrong_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(PROGRAM), "alex", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(PROGRAM), run_name="__main__")
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("Unknown network `alex`. Choose one of alexnet,")


def test_the_list_names_every_address_and_its_terms(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(PROGRAM), "--list"])
    runpy.run_path(str(PROGRAM), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(published_files.PUBLISHED_NETWORKS)
    assert "swav: https://dl.fbaipublicfiles.com/" in lines[3]
    assert lines[3].endswith("[CC BY-NC 4.0 (facebookresearch/swav)]")
