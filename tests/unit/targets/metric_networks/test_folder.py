import json
import shutil

import open_clip
import pytest
import torch
from safetensors.torch import load_file
from torchvision.models import alexnet, efficientnet_b1, inception_v3, resnet50
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms.functional import normalize

from mindeye.files import sha256_of
from mindeye.targets.metric_networks.convolutional import CONVOLUTIONAL
from mindeye.targets.metric_networks.folder import open_networks, save_network
from mindeye.targets.metric_networks.published_files import PUBLISHED_NETWORKS

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
NODES = {
    "alexnet": (alexnet, ["features.4", "features.11"]),
    "inception": (inception_v3, ["avgpool"]),
    "efficientnet": (efficientnet_b1, ["avgpool"]),
    "swav": (resnet50, ["avgpool"]),
}
WIDTHS = {
    "alexnet": (184_512, 57_600),
    "inception": (2048,),
    "efficientnet": (1280,),
    "swav": (2048,),
}


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_network_gives_what_torchvision_gives_at_the_published_nodes(judges, name):
    judge = open_networks(judges, names=[name]).networks[name]
    images = torch.rand(2, 3, judge.side, judge.side, generator=torch.Generator().manual_seed(1))
    found = judge.outputs(images)
    # Second witness: torchvision's own class and its tracing of nodes.
    build, nodes = NODES[name]
    settings = {"transform_input": True, "init_weights": False} if name == "inception" else {}
    whole = build(weights=None, **settings)
    weights = load_file(judges / name / "model.safetensors")
    missing, unexpected = whole.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(one.startswith(("classifier", "fc", "AuxLogits")) for one in missing)
    traced = create_feature_extractor(whole.eval(), return_nodes=nodes)
    with torch.inference_mode():
        expected = traced(normalize(images, **IMAGENET))
    assert list(found) == nodes
    assert tuple(rows.shape[1] for rows in found.values()) == WIDTHS[name]
    for node in nodes:
        told = expected[node].flatten(1)
        apart = (told[0] - told[1]).abs().max()
        assert apart > 0.01
        # Random layers amplify rounding; what tells two pictures apart is the measure.
        torch.testing.assert_close(found[node], told, rtol=1e-4, atol=0.01 * apart.item())


def test_what_is_there_is_opened_and_what_is_not_comes_with_the_command(judges):
    opened = open_networks(judges)
    assert list(opened.networks) == [
        "alexnet",
        "inception",
        "efficientnet",
        "swav",
        "lpips-alex",
        "lpips-squeeze",
    ]
    assert list(opened.absent) == ["clip-vit-l-14", "siglip2", "lpips-vgg"]
    assert opened.absent["siglip2"] == (
        f"siglip2: there is no {judges / 'siglip2'}; fetch it (Apache-2.0) with "
        f"`python data_scripts/metric_networks.py siglip2 --out {judges}`"
    )


def test_scores_can_be_kept_with_the_weights_they_come_from(judges):
    judge = open_networks(judges, names=["alexnet"]).networks["alexnet"]
    digest = sha256_of(judges / "alexnet" / "model.safetensors")
    assert judge.identity == f"alexnet sha256:{digest} from https://example.org/file"


def test_without_a_folder_nothing_is_opened_unless_the_variable_names_one(judges, monkeypatch):
    monkeypatch.delenv("MINDEYE_NETWORKS", raising=False)
    opened = open_networks()
    assert not opened.networks
    assert list(opened.absent) == list(PUBLISHED_NETWORKS)
    assert "no folder of networks was given (or set MINDEYE_NETWORKS)" in opened.absent["swav"]
    monkeypatch.setenv("MINDEYE_NETWORKS", str(judges))
    assert list(open_networks(names=["swav"]).networks) == ["swav"]


def test_what_cannot_be_opened_is_refused(judges, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder of networks at .*gone"):
        open_networks(tmp_path / "gone")
    with pytest.raises(LookupError, match="Unknown network `alex`"):
        open_networks(judges, names=["alex"])
    shutil.copytree(judges / "alexnet", tmp_path / "swav")
    with pytest.raises(ValueError, match=r"does not fit: `conv1.weight` is absent"):
        open_networks(tmp_path, names=["swav"])
    (tmp_path / "swav" / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ValueError, match="is damaged"):
        open_networks(tmp_path, names=["swav"])


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(ValueError, match=r"file of alexnet does not fit: `features.0.weight`"):
        save_network("alexnet", {"features.0.weight": torch.ones(2)}, {}, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("quick_gelu", [True, False])
def test_openais_clip_is_refused_with_another_activation(networks, tmp_path, quick_gelu):
    folder = tmp_path / "clip-vit-l-14"
    shutil.copytree(networks.clip, folder)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = quick_gelu
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    if not quick_gelu:
        with pytest.raises(ValueError, match="does not say quick_gelu"):
            open_networks(tmp_path, names=["clip-vit-l-14"])
        return
    judge = open_networks(tmp_path, names=["clip-vit-l-14"]).networks["clip-vit-l-14"]
    assert (judge.side, judge.interpolation) == (32, "bicubic")
    # Second witness: open_clip's own encode_image.
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    images = torch.rand(2, 3, 32, 32)
    expected = model.encode_image((images - 0.5) / 0.5)
    torch.testing.assert_close(judge.outputs(images)["embedding"], expected)
