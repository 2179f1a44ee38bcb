"""The shipped networks do what their model cards say, on scenes that none of them has seen."""

import pytest
import torch

from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.targets.clip import ASSETS, load_clip
from mindeye.targets.vae import load_vae
from mindeye.training.offline.check import (
    held_out_images,
    identification_of_drawings,
    offline_scores,
    share_named,
)

NETWORKS = ("scenes-clip", "scenes-vae", "scenes-generator")


def test_all_networks_together_stay_under_40_mb():
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 40e6


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_has_a_model_card_and_safe_weights(name):
    folder = ASSETS / name
    assert "trained on" in (folder / "README.md").read_text()
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert kinds <= {".md", ".json", ".safetensors"}


def test_clip_names_the_main_thing_and_the_vae_keeps_the_picture():
    scores = offline_scores(load_clip(), load_vae(), num_scenes=300)
    assert scores.naming >= 0.9
    assert scores.psnr_db >= 25


@torch.inference_mode()
def test_pictures_drawn_from_true_tokens_are_identified_and_show_the_main_thing():
    clip, vae = load_clip(), load_vae()
    shown = held_out_images(60)
    drawn = load_scenes_generator(vae).generate(
        clip.tokens(shown),
        start=None,
        strength=1.0,
        steps=10,
        guidance=1.0,
        generators=[torch.Generator().manual_seed(one) for one in range(len(shown))],
    )
    assert identification_of_drawings(drawn, shown, clip) >= 0.97
    assert share_named(drawn, clip) >= 0.7
