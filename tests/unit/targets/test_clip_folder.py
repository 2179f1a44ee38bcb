"""What a CLIP's folder tells beforehand is what the opened CLIP is."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from mindeye.files import read_json, write_json
from mindeye.targets import clip as clip_module
from mindeye.targets.clip import FORMS, OFFLINE_CLIP, load_clip
from mindeye.targets.clip_folder import clip_identity, token_shape_in


@pytest.fixture
def own_clip(networks, tmp_path) -> Path:
    return Path(shutil.copytree(networks.clip, tmp_path / "own-clip"))


def change_vision(folder: Path, **values) -> None:
    config = read_json(folder / "open_clip_config.json")
    config["model_cfg"]["vision_cfg"] |= values
    write_json(folder / "open_clip_config.json", config)


@pytest.mark.parametrize("form", FORMS)
def test_tokens_have_the_shape_that_the_opened_clip_has_and_nothing_is_loaded(
    form, networks, monkeypatch
):
    opened = {one: load_clip(one, form=form) for one in (networks.clip, OFFLINE_CLIP)}
    monkeypatch.setattr(clip_module, "open_clip", None)
    for folder, clip in opened.items():
        assert token_shape_in(folder, form) == clip.token_shape


def test_a_clip_that_takes_larger_pictures_gives_more_tokens(own_clip):
    """Open_clip stretches the weights of places to the grid that the configuration tells."""
    change_vision(own_clip, image_size=[48, 64])
    assert token_shape_in(own_clip, "patches") == (12, 16)
    assert load_clip(own_clip, form="patches").token_shape == (12, 16)


def test_the_identity_is_that_of_the_opened_clip(networks):
    for seen in (
        {"form": "patches", "washed_out": True, "antialias": False},
        {"form": "projected", "washed_out": False, "antialias": True},
    ):
        assert clip_identity(networks.clip, **seen) == load_clip(networks.clip, **seen).identity


def test_weights_of_another_clip_and_damaged_ones_are_refused(own_clip):
    weights = own_clip / "open_clip_model.safetensors"
    tensors = load_file(weights)
    save_file({**tensors, "visual.proj": tensors["visual.proj"][:, :12].contiguous()}, weights)
    with pytest.raises(
        ValueError, match=r"a projection of 16 x 16, but .* beside it holds 16 x 12"
    ):
        token_shape_in(own_clip, "projected")
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"open_clip_model\.safetensors is damaged"):
        token_shape_in(own_clip, "projected")
    change_vision(own_clip, side=32)
    with pytest.raises(ValueError, match="describes no CLIP of open_clip"):
        token_shape_in(own_clip, "projected")
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"open_clip_model\.safetensors is missing"):
        token_shape_in(own_clip, "projected")
