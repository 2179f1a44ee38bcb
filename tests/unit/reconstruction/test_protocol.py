import shutil
from dataclasses import replace

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from mindeye.reconstruction.generators import scenes
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.targets.vae import load_vae

CALM = {"start": None, "strength": 1.0, "steps": 3, "guidance": 1.0}


@pytest.fixture(scope="module")
def generator(networks):
    return load_scenes_generator(load_vae(networks.vae), networks.generator)


def tokens(images: int = 3) -> torch.Tensor:
    return torch.randn(images, 5, 16, generator=torch.Generator().manual_seed(1)) / 4


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in numbers]


def blurry(images: int = 3) -> torch.Tensor:
    return torch.rand(images, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def test_pictures_are_rgb_between_0_and_1(generator):
    def as_protocol(one: ImageGenerator) -> ImageGenerator:
        return one

    images = as_protocol(generator).generate(tokens(), **CALM, generators=seeds(0, 1, 2))
    assert images.shape == (3, 3, 32, 32)
    assert 0 <= images.min() < images.max() <= 1


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_a_picture_depends_on_its_own_tokens_start_and_seed_alone(generator, start, guidance):
    def draw(rows: list[int]) -> torch.Tensor:
        return generator.generate(
            tokens()[rows],
            start=blurry()[rows] if start else None,
            strength=0.7,
            steps=4,
            guidance=guidance,
            generators=seeds(*rows),
        )

    whole = draw([0, 1, 2])
    torch.testing.assert_close(draw([2, 0]), whole[[2, 0]], rtol=0, atol=1e-5)
    torch.testing.assert_close(draw([1]), whole[[1]], rtol=0, atol=1e-5)


def test_tokens_seeds_and_guidance_all_matter(generator):
    plain = generator.generate(tokens(), **CALM, generators=seeds(0, 1, 2))
    others = [
        generator.generate(-tokens(), **CALM, generators=seeds(0, 1, 2)),
        generator.generate(tokens(), **CALM, generators=seeds(3, 4, 5)),
        generator.generate(tokens(), **{**CALM, "guidance": 3.0}, generators=seeds(0, 1, 2)),
    ]
    for other in others:
        assert (other - plain).abs().max() > 1e-3


def test_guidance_leads_away_from_the_unconditional_tokens(generator):
    away = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(5))
    guided = velocities(generator, tokens(), guidance=3.0, unconditional=away)
    towards = velocities(generator, tokens(), guidance=1.0, unconditional=away)
    as_tokens = away * generator.network.std + generator.network.mean
    plain = velocities(generator, as_tokens, guidance=1.0)
    torch.testing.assert_close(guided, plain + 3 * (towards - plain), rtol=1e-3, atol=1e-4)


def test_without_unconditional_tokens_guidance_leads_away_from_the_mean(generator):
    zeros = torch.zeros(3, 5, 16)
    for guidance in (1.0, 3.0):
        options = {**CALM, "guidance": guidance}
        drawn = generator.generate(tokens(), **options, generators=seeds(0, 1, 2))
        same = generator.generate(
            tokens(), **options, generators=seeds(0, 1, 2), unconditional=zeros
        )
        torch.testing.assert_close(drawn, same, rtol=0, atol=0)


def velocities(generator, image_tokens, **options) -> torch.Tensor:
    """What the sampler is given at its first step."""
    seen = []

    class Watched(DPMSolverMultistepScheduler):
        def step(self, velocity, *others):
            seen.append(velocity)
            return super().step(velocity, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "DPMSolverMultistepScheduler", Watched)
        options = {**CALM, "steps": 1, **options}
        generator.generate(image_tokens, **options, generators=seeds(0, 1, 2))
    return seen[0]


def test_full_strength_forgets_the_start(generator):
    drawn = [
        generator.generate(tokens(), **{**CALM, "start": start}, generators=seeds(0, 1, 2))
        for start in (None, blurry(), 1 - blurry())
    ]
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)
    torch.testing.assert_close(drawn[0], drawn[2], rtol=0, atol=0)


def test_the_weaker_the_closer_to_the_start(generator):
    goal = generator.vae.images(generator.vae.latents(blurry()))
    distances = []
    for strength in (0.1, 0.5, 0.9):
        options = {"start": blurry(), "strength": strength, "steps": 10, "guidance": 1.0}
        drawn = generator.generate(tokens(), **options, generators=seeds(0, 1, 2))
        distances.append((drawn - goal).abs().mean().item())
    assert distances == sorted(distances)


@pytest.mark.parametrize(("rows", "columns", "seen"), [(5, 12, "5 x 12"), (4, 16, "4 x 16")])
def test_tokens_of_another_clip_are_refused_with_both_shapes(generator, rows, columns, seen):
    with pytest.raises(
        ValueError, match=rf"These tokens are {seen}, but tiny-generator.* takes 5 x 16"
    ):
        generator.generate(tokens()[:, :rows, :columns], **CALM, generators=seeds(0, 1, 2))


def test_other_weights_have_another_identity(generator, networks, tmp_path):
    folder = shutil.copytree(networks.generator, tmp_path / networks.generator.name)
    assert load_scenes_generator(generator.vae, folder).identity == generator.identity
    assert replace(generator, identity="other").identity != generator.identity


@pytest.mark.parametrize(
    "name",
    [
        "transformer/diffusion_pytorch_model.safetensors",
        "./token_statistics.safetensors",
        "scheduler/scheduler_config.json",
    ],
)
def test_a_folder_that_lacks_a_part_is_refused_by_its_name(generator, networks, tmp_path, name):
    folder = shutil.copytree(networks.generator, tmp_path / "generator")
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"No generator at .*: {name.split('/')[1]} is"):
        load_scenes_generator(generator.vae, folder)
