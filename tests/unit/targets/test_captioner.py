"""GIT cut behind its vision encoder writes what the whole GIT writes."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GitForCausalLM

from mindeye.files import read_json, write_json
from mindeye.targets.captioner import MAX_LENGTH, PUBLISHED, load_captioner


@pytest.fixture(scope="module")
def captioner(tiny_captioner):
    return load_captioner(str(tiny_captioner))


def pictures(count: int = 6, side: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def by_the_whole(folder, images) -> list[str]:
    """transformers' own model and pixels, normalised by hand as CLIP's are."""
    model, tokenizer = (one.from_pretrained(folder) for one in (GitForCausalLM, AutoTokenizer))
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    std = np.array([0.26862954, 0.26130258, 0.27577711])
    pixels = torch.from_numpy((images.permute(0, 2, 3, 1).numpy() - mean) / std).float()
    written = model.eval().generate(
        pixel_values=pixels.permute(0, 3, 1, 2), max_length=20, do_sample=False
    )
    return [text.strip() for text in tokenizer.batch_decode(written, skip_special_tokens=True)]


def test_captions_of_vision_tokens_are_those_of_the_pictures(captioner, tiny_captioner):
    tokens = captioner.vision_tokens(pictures())
    assert tuple(tokens.shape[1:]) == captioner.token_shape == (5, 12)
    found, whole = captioner.captions(tokens), by_the_whole(tiny_captioner, pictures())
    assert len(set(whole)) > 2
    assert [one for one, theirs in zip(found, whole) if theirs] == [one for one in whole if one]


def test_a_caption_that_would_end_at_once_has_a_word(captioner, tiny_captioner):
    whole = by_the_whole(tiny_captioner, pictures())
    assert "" in whole
    assert all(captioner.captions(captioner.vision_tokens(pictures())))


def test_a_caption_is_the_same_alone_and_each_time_and_not_too_long(captioner):
    tokens = captioner.vision_tokens(pictures())
    together = captioner.captions(tokens)
    assert together == captioner.captions(tokens)
    assert together == [captioner.captions(one)[0] for one in tokens.split(1)]
    assert max(len(one.split()) for one in together) <= MAX_LENGTH - 1


def test_larger_pictures_are_made_smaller_with_antialiasing(captioner):
    large = pictures(side=96)
    small = torch.nn.functional.interpolate(
        large, size=(32, 32), mode="bicubic", antialias=True
    ).clamp(0, 1)
    torch.testing.assert_close(captioner.vision_tokens(large), captioner.vision_tokens(small))


def test_an_absent_captioner_is_named_with_size_terms_and_command(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError) as caught:
        load_captioner()
    for part in (
        "microsoft/git-large-coco is neither a folder nor in the hub's cache (HF_HOME)",
        "(1.6 GB, MIT) with `hf download microsoft/git-large-coco --include",
    ):
        assert part in str(caught.value)
    with pytest.raises(FileNotFoundError, match="neither a folder nor in the hub's cache"):
        load_captioner("no/such/folder/at/all")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer_config.json"])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(tiny_captioner, tmp_path, name):
    folder = shutil.copytree(tiny_captioner, tmp_path / "git")
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"No captioner at .*: {name} is missing"):
        load_captioner(str(folder))


def test_another_model_and_weights_that_are_cut_or_damaged_are_refused(tiny_captioner, tmp_path):
    folder = shutil.copytree(tiny_captioner, tmp_path / "git")
    path = folder / "model.safetensors"
    weights = load_file(path)
    save_file(
        {name: one for name, one in weights.items() if "visual_projection" not in name},
        path,
        {"format": "pt"},
    )
    with pytest.raises(ValueError, match=r"lacks 4 weights of its captioner, such as `git\.visual"):
        load_captioner(str(folder))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="is damaged"):
        load_captioner(str(folder))
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "model_type": "bert"})
    with pytest.raises(ValueError, match="a model of the type bert, not git"):
        load_captioner(str(folder))


@pytest.mark.weights
def test_the_published_captioner_is_cut_without_a_change():
    """Needs `hf download microsoft/git-large-coco` (1.6 GB); then `pytest -m weights`."""
    try:
        captioner = load_captioner()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    images = pictures(2, side=224)
    assert captioner.token_shape == (257, 1024)
    found = captioner.captions(captioner.vision_tokens(images))
    assert found == by_the_whole(PUBLISHED, images)
