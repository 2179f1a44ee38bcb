import json
import shutil
from dataclasses import replace

import pytest
import torch

from mindeye.reconstruction.generators.execution import GeneratorExecution
from mindeye.reconstruction.generators.opening import open_generator
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.generators.sdxl import sgm_times
from mindeye.reconstruction.generators.unclip import load_unclip
from mindeye.targets.vae import load_vae
from mindeye.verbs.benchmarks.random_sdxl import write_random_unclip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_random_unclip(tmp_path_factory.mktemp("unclip") / "tiny")


def tokens(count: int) -> torch.Tensor:
    return torch.randn(count, 5, 12, generator=torch.Generator().manual_seed(0))


def drawn(generator, of: torch.Tensor, first: int = 0, **options) -> torch.Tensor:
    seeds = [torch.Generator().manual_seed(first + image) for image in range(len(of))]
    given = {"start": None, "strength": 1.0, "steps": 4, "guidance": 5.0, **options}
    with torch.inference_mode():
        return generator.generate(of, generators=seeds, **given)


def test_it_is_a_generator_of_the_side_and_tokens_that_its_folder_tells(folder, networks):
    generator = open_generator("unclip", folder, vae=load_vae(networks.vae))
    assert isinstance(generator, ImageGenerator)
    assert (generator.side, generator.token_shape) == (64, (5, 12))
    assert generator.identity == "unclip-random-000000000000"
    pictures = drawn(generator, tokens(2))
    assert pictures.shape == (2, 3, 64, 64)
    assert 0 <= pictures.min() < pictures.max() <= 1


def test_a_picture_does_not_depend_on_its_batch(folder):
    generator = load_unclip(folder)
    together = drawn(generator, tokens(3))
    alone = torch.cat([drawn(generator, tokens(3)[one : one + 1], one) for one in range(3)])
    assert (together - alone).abs().max() < 2e-5
    assert (together[0] - together[1]).abs().max() > 0.05


def test_the_offset_of_the_noise_can_be_left_out_and_changes_the_picture(folder):
    generator = load_unclip(folder)
    plain = replace(generator, offset_noise=0.0)
    apart = (drawn(generator, tokens(2)) - drawn(plain, tokens(2))).abs().max()
    assert 1e-4 < apart < 0.5
    assert torch.equal(drawn(plain, tokens(2)), drawn(plain, tokens(2)))


def test_a_picture_starts_from_what_is_given_and_strength_1_forgets_it(folder):
    generator = load_unclip(folder)
    black, white = torch.zeros(2, 3, 64, 64), torch.ones(2, 3, 64, 64)
    for strength, is_forgotten in ((0.25, False), (0.5, False), (1.0, True)):
        pictures = [
            drawn(generator, tokens(2), start=start, strength=strength) for start in (black, white)
        ]
        assert torch.equal(*pictures) == is_forgotten
    assert torch.equal(pictures[0], drawn(generator, tokens(2)))


def test_half_precision_keeps_the_vae_whole_and_draws_nearly_the_same(folder):
    half = load_unclip(folder, execution=GeneratorExecution(dtype="bfloat16"))
    assert (half.unet.dtype, half.vae.model.dtype) == (torch.bfloat16, torch.bfloat16)
    assert half.identity.endswith("+bfloat16")
    apart = (drawn(half, tokens(2)) - drawn(load_unclip(folder), tokens(2))).abs().mean()
    assert 0 < apart < 0.05
    quarter = load_unclip(folder, execution=GeneratorExecution(dtype="float16"))
    assert (quarter.unet.dtype, quarter.vae.model.dtype) == (torch.float16, torch.float32)


def test_tokens_of_another_network_are_refused_with_both_shapes(folder):
    with pytest.raises(ValueError, match="These tokens are 257 x 768, but unclip takes 5 x 12"):
        drawn(load_unclip(folder), torch.zeros(1, 257, 768))


def test_a_checkpoint_that_was_not_converted_is_told_how(tmp_path):
    (tmp_path / "unclip6.ckpt").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"mindeye convert unclip .*unclip6\.ckpt --out"):
        load_unclip(tmp_path)


def test_weights_of_another_width_are_refused(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "RANDOM.json").write_text(json.dumps({"token_shape": [5, 13]}))
    with pytest.raises(ValueError, match="reads tokens of width 12, but unclip takes 13"):
        load_unclip(other)


@pytest.mark.parametrize("steps", [0, 1001])
def test_steps_that_the_schedule_has_not_are_refused(steps):
    with pytest.raises(ValueError, match=f"{steps} steps .* from 1 to 1000"):
        sgm_times(steps)
