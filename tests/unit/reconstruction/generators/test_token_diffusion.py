"""What holds for every generator whose UNet reads image tokens; random networks."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from mindeye.reconstruction.generators import token_diffusion
from mindeye.reconstruction.generators.image_variations import load_image_variations
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.generators.versatile import divided_by_cls_norm, load_versatile

LOADERS = {"versatile": load_versatile, "image-variations": load_image_variations}
UNETS = {"versatile": "image_unet", "image-variations": "unet"}
CALM = {"start": None, "strength": 1.0, "steps": 3, "guidance": 2.0}


@pytest.fixture(scope="module", params=list(LOADERS))
def generator(request, random_generators):
    return LOADERS[request.param](random_generators[request.param])


@pytest.fixture
def versatile_folder(random_generators, tmp_path) -> Path:
    return Path(shutil.copytree(random_generators["versatile"], tmp_path / "versatile"))


def tokens_for(generator, images: int = 3) -> torch.Tensor:
    shape = (images, *generator.token_shape)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in numbers]


def blurry(images: int = 3) -> torch.Tensor:
    return torch.rand(images, 3, 16, 16, generator=torch.Generator().manual_seed(2))


def draw(generator, rows: list[int], **changes) -> torch.Tensor:
    options = {**CALM, **changes}
    if options["start"] is not None:
        options["start"] = options["start"][rows]
    tokens = options.pop("tokens", tokens_for(generator))[rows]
    return generator.generate(tokens, **options, generators=seeds(*rows))


def test_pictures_are_rgb_between_0_and_1_and_its_class_the_protocols(generator):
    def as_protocol(one: ImageGenerator) -> ImageGenerator:
        return one

    images = draw(as_protocol(generator), [0, 1, 2])
    assert images.shape == (3, 3, generator.side, generator.side)
    assert images.dtype == torch.float32
    assert 0 <= images.min() < images.max() <= 1


@pytest.mark.parametrize("start", [None, blurry()], ids=["noise", "img2img"])
def test_a_picture_depends_on_its_own_tokens_start_and_seed_alone(generator, start):
    options = {"start": start, "strength": 0.7, "steps": 4}
    whole = draw(generator, [0, 1, 2], **options)
    part = draw(generator, [2, 0], **options)
    torch.testing.assert_close(part, whole[[2, 0]], rtol=0, atol=1e-5)
    alone = draw(generator, [1], **options)
    torch.testing.assert_close(alone, whole[[1]], rtol=0, atol=1e-5)
    other = generator.generate(
        tokens_for(generator)[[1]],
        start=None if start is None else start[[1]],
        strength=0.7,
        steps=4,
        guidance=2.0,
        generators=seeds(7),
    )
    assert (other - alone).abs().max() > 1e-3


def test_tokens_start_guidance_and_strength_all_matter(generator):
    plain = draw(generator, [0, 1], start=blurry(), strength=0.5, steps=4)
    for changes in (
        {"tokens": tokens_for(generator).flip(-1)},
        {"start": 1 - blurry()},
        {"guidance": 6.0},
        {"strength": 0.8},
    ):
        options = {"start": blurry(), "strength": 0.5, "steps": 4, **changes}
        assert (draw(generator, [0, 1], **options) - plain).abs().max() > 1e-3, changes


def test_full_strength_forgets_the_start_and_does_not_encode_it(generator, monkeypatch):
    expected = draw(generator, [0, 1])
    monkeypatch.setattr(generator.vae.model, "encode", None)
    torch.testing.assert_close(draw(generator, [0, 1], start=blurry()), expected, rtol=0, atol=0)


def test_guidance_leads_away_from_zeros_or_from_what_is_given(generator):
    zeros = torch.zeros(2, *generator.token_shape)
    drawn = draw(generator, [0, 1])
    same = draw(generator, [0, 1], unconditional=zeros)
    torch.testing.assert_close(same, drawn, rtol=0, atol=0)
    assert (draw(generator, [0, 1], unconditional=zeros + 3) - drawn).abs().max() > 1e-3


def test_versatile_reads_the_direction_of_its_tokens_and_image_variations_their_length(generator):
    longer = draw(generator, [0, 1], tokens=5 * tokens_for(generator))
    difference = (longer - draw(generator, [0, 1])).abs().max()
    if generator.name == "versatile":
        assert difference <= 1e-4
    else:
        assert difference > 1e-3


def test_tokens_are_divided_by_their_own_cls_tokens_norm():
    tokens = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    divided = divided_by_cls_norm(tokens)
    torch.testing.assert_close(divided[:, 0].norm(dim=1), torch.ones(3), rtol=0, atol=1e-5)
    for image in range(3):
        length = tokens[image, 0].square().sum().sqrt()
        torch.testing.assert_close(divided[image], tokens[image] / length, rtol=1e-5, atol=1e-6)
    # As published, no length is divided by alone: one of 1e-6 gives half of a unit vector.
    short = torch.zeros(1, 4, 5)
    short[0, 0, 2] = 1e-6
    assert divided_by_cls_norm(short)[0, 0, 2].item() == pytest.approx(0.5)
    assert torch.isfinite(divided_by_cls_norm(torch.zeros(1, 4, 5))).all()


def test_tokens_of_another_shape_are_refused_with_both(generator):
    tokens, width = generator.token_shape
    message = rf"These tokens are {tokens + 2} x {width}, but .* takes {tokens} x {width}"
    with pytest.raises(ValueError, match=message):
        generator.generate(torch.zeros(1, tokens + 2, width), **CALM, generators=seeds(0))


def test_the_identity_tells_weights_and_dtype_and_says_random(versatile_folder):
    from mindeye.reconstruction.generators.execution import GeneratorExecution
    from mindeye.verbs.benchmarks.random_generators import write_random_generator

    first = load_versatile(versatile_folder).identity
    assert first.startswith("versatile-random-")
    half = load_versatile(versatile_folder, execution=GeneratorExecution(dtype="bfloat16"))
    assert half.identity == f"{first}+bfloat16"
    other = versatile_folder.parent / "other"
    write_random_generator("versatile", other, token_shape=(5, 16), small=True, seed=1)
    assert load_versatile(other).identity != first


def test_a_folder_of_another_width_is_refused(versatile_folder):
    (versatile_folder / "RANDOM.json").unlink()
    with pytest.raises(ValueError, match=r"reads tokens of width 16, but versatile takes 768"):
        load_versatile(versatile_folder)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("scheduler/scheduler_config.json", "scheduler_config.json is missing"),
        ("image_unet/config.json", "no network at .*image_unet: config.json is missing"),
        ("vae/diffusion_pytorch_model.safetensors", "no weights at .*vae: diffusion_pytorch"),
    ],
)
def test_a_folder_that_lacks_a_part_is_refused_by_its_name(versatile_folder, missing, message):
    (versatile_folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match=message):
        load_versatile(versatile_folder)


def test_the_folder_of_the_other_generator_is_refused(random_generators):
    with pytest.raises(FileNotFoundError, match=r"no network at .*image_unet"):
        load_versatile(random_generators["image-variations"])


def test_the_schedule_of_newer_folders_is_stepped_through_as_the_published_one(versatile_folder):
    path = versatile_folder / "scheduler" / "scheduler_config.json"
    published = load_versatile(versatile_folder).scheduler_config
    config = {**json.loads(path.read_text()), "timestep_spacing": "leading"}
    path.write_text(json.dumps({**config, "final_sigmas_type": "zero"}))
    assert token_diffusion.published_schedule(versatile_folder) == published
