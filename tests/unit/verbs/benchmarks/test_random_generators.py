import pytest
import torch

from mindeye.files import read_json
from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.verbs.benchmarks.random_generators import (
    num_parameters,
    plans_of,
    write_random_generator,
)


@pytest.mark.parametrize(
    ("name", "unet"), [("versatile", "image_unet"), ("image-variations", "unet")]
)
def test_networks_of_the_published_size_have_the_published_numbers_of_parameters(name, unet):
    plans = plans_of(name)
    # Stable Diffusion 1's UNet and VAE, as both were made from.
    assert num_parameters(plans[unet]) == 859_520_964
    assert num_parameters(plans["vae"]) == 83_653_863
    assert plans[unet].config["cross_attention_dim"] == facts_of(name).token_shape[1]
    gigabytes = 2 * (859_520_964 + 83_653_863) / 1e9
    assert facts_of(name).memory.weights_gigabytes == pytest.approx(gigabytes, abs=0.05)
    assert facts_of(name).parts[0].gigabytes == pytest.approx(2 * gigabytes, abs=0.1)
    assert facts_of(name).side == plans[unet].config["sample_size"] * 8


def test_the_seed_alone_decides_the_weights_and_the_callers_noise_is_left_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    options = {"token_shape": (5, 16), "small": True}
    folders = [
        write_random_generator("versatile", tmp_path / str(number), seed=seed, **options)
        for number, seed in enumerate((0, 0, 1))
    ]
    assert torch.rand(1) == expected
    path = "image_unet/diffusion_pytorch_model.safetensors"
    contents = [(folder / path).read_bytes() for folder in folders]
    assert contents[0] == contents[1] != contents[2]


def test_the_folder_says_that_nothing_was_learned(tmp_path):
    folder = write_random_generator(
        "image-variations", tmp_path / "one", token_shape=(1, 8), small=True
    )
    mark = read_json(folder / "RANDOM.json")
    assert mark == {
        "random": True,
        "generator": "image-variations",
        "seed": 0,
        "token_shape": [1, 8],
    }


def test_a_generator_without_random_networks_is_refused(tmp_path):
    with pytest.raises(LookupError, match=r"no random `scenes`. Choose one of versatile"):
        write_random_generator("scenes", tmp_path / "one")
    assert not (tmp_path / "one").exists()
