from itertools import count

import pytest
import torch

from mindeye.models.prior import DiffusionPrior, PriorConfig
from mindeye.models.published_prior import PublishedPrior, PublishedPriorConfig
from mindeye.models.samplers import SAMPLERS
from mindeye.reconstruction.candidate_noise import candidate_generators, noises
from mindeye.reconstruction.prior_sampler import num_noises, prior_sampler, sampler_of
from mindeye.reconstruction.settings import ReconstructionConfig

LATE = ("late_start_ddim",)
BRAIN = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(2))


@pytest.fixture(params=["ours", "published"])
def prior(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if request.param == "ours":
            return DiffusionPrior(PriorConfig(depth=1, head_width=8, train_times=20), 4, 8).eval()
        config = PublishedPriorConfig(depth=1, num_heads=1, head_width=8, train_times=20)
        return PublishedPrior(config, 4, 8).eval()


def settings(sampler: str = "ddim", quirks: tuple[str, ...] = ()) -> ReconstructionConfig:
    steps = 20 if sampler == "ddpm" else 5
    return ReconstructionConfig(sampler=sampler, prior_steps=steps, quirks=quirks)


@pytest.mark.parametrize(
    ("sampler", "quirks", "expected"),
    [
        ("ddim", (), "ddim"),
        ("ddim", LATE, "mindeye2-ddim"),
        ("ddpm", LATE, "ddpm"),
        ("mindeye2-ddim", (), "mindeye2-ddim"),
    ],
)
def test_the_late_start_is_a_quirk_of_ddim_alone(sampler, quirks, expected):
    assert sampler_of(settings(sampler, quirks)) == expected


@pytest.mark.parametrize(
    ("sampler", "steps", "expected"),
    [
        ("ddim", 20, 1),
        ("ddpm", 100, 100),
        ("ancestral", 20, 20),
        ("mindeye2-ddim", 20, 19),
        ("mindeye2-ddim", 100, 98),
        ("dpmsolver++", 8, 1),
        ("unipc", 8, 1),
    ],
)
def test_noises_are_counted(sampler, steps, expected):
    assert num_noises(sampler, steps, 100) == expected


@pytest.mark.parametrize(
    ("sampler", "steps", "error", "message"),
    [
        ("euler", 20, LookupError, "Unknown sampler `euler`. Choose one of ddim, ddpm"),
        ("ddpm", 10, ValueError, "`ddpm` visits every time, here 20, but 10 steps"),
        ("ddim", 21, ValueError, "21 sampling steps of a schedule with 20 times"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_prior_is_asked(
    prior, sampler, steps, error, message
):
    with pytest.raises(error, match=message):
        prior_sampler(prior, ReconstructionConfig(sampler=sampler, prior_steps=steps))


@pytest.mark.parametrize("quirks", [(), LATE])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_tokens_of_an_image_do_not_depend_on_the_batch(prior, sampler, quirks):
    sample = prior_sampler(prior, settings(sampler, quirks))

    def draw(rows: list[int]) -> torch.Tensor:
        return sample(BRAIN[rows], noises(candidate_generators(0, rows, 1), (4, 8)))

    whole = draw([0, 1, 2])
    torch.testing.assert_close(draw([2, 0]), whole[[2, 0]], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("quirks", "sampler"), [((), "ddim"), (LATE, "mindeye2-ddim")])
def test_it_is_the_prior_with_these_noises_steps_and_guidance(prior, quirks, sampler):
    given = torch.randn(5, 3, 4, 8, generator=torch.Generator().manual_seed(1))
    needed = given[: 1 if sampler == "ddim" else 4]
    expected = prior.sample(BRAIN, sampler=sampler, steps=5, noises=needed, guidance=3.0)
    drawn = prior_sampler(prior, settings(quirks=quirks))(BRAIN, iter(given))
    torch.testing.assert_close(drawn, expected, rtol=0, atol=0)


@pytest.mark.parametrize(("sampler", "needed"), [("ddim", 1), ("ddpm", 20)])
def test_no_noise_is_taken_that_the_sampler_does_not_need(prior, sampler, needed):
    numbers = count()
    endless = (torch.full((3, 4, 8), float(number % 3)) for number in numbers)
    prior_sampler(prior, settings(sampler))(BRAIN, endless)
    assert next(numbers) == needed
