"""How long the prior takes for many candidates, beside the published loop written plainly."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from jaxtyping import Float
from torch import Tensor

from mindeye.files import write_json
from mindeye.models.published_prior import PublishedPrior, PublishedPriorConfig
from mindeye.reconstruction.batch_size import BatchSize
from mindeye.reconstruction.candidate_noise import candidate_generator, noises, normal_noise
from mindeye.reconstruction.prior_sampler import prior_sampler
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.verbs.benchmarks.plain_step import PlainWays, plain_denoised

RESULTS = "prior-sampling.json"
SEED, DAMPING = 0, 0.1
BAR = 5.0
# Largest difference of tokens, as a share of the largest token.
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class SamplingSetting:
    """What is drawn, and by how large a network."""

    images: int = 64
    candidates: int = 16
    num_tokens: int = 17
    width: int = 64
    depth: int = 6
    threads: int = 0
    """On a CPU; 0: as many as it has cores."""
    steps: int = 100
    """All of the schedule's, as the published loop takes them."""
    device: str = "cpu"
    batch: int = 64
    """Pictures of one call, ours."""
    plain_pictures: int = 16
    """So many of the pictures are timed in the published loop: one costs as much as another."""

    @property
    def num_pictures(self) -> int:
        return self.images * self.candidates

    def prior(self) -> PublishedPrior:
        """A prior of the published form with random weights.

        What blocks add is damped: undamped random weights make chaos of the last bits, step by
        step, which no trained prior does.
        """
        with torch.random.fork_rng(), torch.device(self.device):
            torch.manual_seed(SEED)
            head_width = min(64, self.width // 2)
            config = PublishedPriorConfig(
                depth=self.depth,
                num_heads=self.width // head_width,
                head_width=head_width,
                train_times=self.steps,
            )
            prior = PublishedPrior(config, self.num_tokens, self.width)
        prior.requires_grad_(False)
        for block in prior.transformer.blocks:
            block.attention.output_norm.gain.mul_(DAMPING)
            block.mlp.from_mlp.weight.mul_(DAMPING)
        return prior.eval()

    def brain_tokens(self, device: str) -> Float[Tensor, "images tokens width"]:
        """Made up."""
        generator = torch.Generator().manual_seed(SEED)
        shape = (self.images, self.num_tokens, self.width)
        return torch.randn(shape, generator=generator).to(device)


# Draws some pictures, numbered image by image, and gives their tokens.
Way = Callable[[slice], Float[Tensor, "pictures tokens width"]]


def ways_of(setting: SamplingSetting) -> dict[str, tuple[Way, int]]:
    """Each way to draw with the number of pictures that it is timed on."""
    prior, brain = setting.prior(), setting.brain_tokens(setting.device)
    whole = setting.num_pictures
    some = min(setting.plain_pictures, whole)
    of_an_image = max(1, some // setting.candidates) * setting.candidates
    ways = {
        "published, picture by picture": (_plain(prior, brain, setting.candidates, 1), some),
        "published, image by image": (
            _plain(prior, brain, setting.candidates, setting.candidates),
            min(of_an_image, whole),
        ),
        "ours": (_ours(prior, brain, setting), whole),
    }
    halved = setting.prior().bfloat16()
    return {**ways, "ours, bfloat16": (_ours(halved, brain.bfloat16(), setting), whole)}


def _plain(
    prior: PublishedPrior, brain: Float[Tensor, "images tokens width"], candidates: int, batch: int
) -> Way:
    """The published loop: ancestral, every time, `batch` candidates of one image at once."""
    schedule = prior.schedule

    def draw(rows: slice) -> Float[Tensor, "pictures tokens width"]:
        drawn = []
        for first in range(rows.start, rows.stop, batch):
            numbers = range(first, min(first + batch, rows.stop))
            own = [
                candidate_generator(SEED, one // candidates, one % candidates) for one in numbers
            ]
            seen = brain[[one // candidates for one in numbers]]
            tokens = normal_noise(own, tuple(seen.shape[1:])).to(seen)
            for at in reversed(range(schedule.num_times)):
                times = torch.full((len(seen),), at, device=seen.device)
                clean = plain_denoised(prior, tokens, times, seen, PlainWays())
                mean = float(schedule.posterior_mean_coef1[at]) * clean
                mean = mean + float(schedule.posterior_mean_coef2[at]) * tokens
                # Drawn at the last time too, and multiplied by zero.
                noise = normal_noise(own, tuple(seen.shape[1:])).to(seen)
                spread = float(schedule.posterior_variance[at]) ** 0.5
                tokens = mean + (spread if at else 0.0) * noise
            drawn.append(tokens / prior.scale)
        return torch.cat(drawn)

    return draw


def _ours(
    prior: PublishedPrior, brain: Float[Tensor, "images tokens width"], setting: SamplingSetting
) -> Way:
    config = ReconstructionConfig(sampler="ddpm", prior_steps=setting.steps, prior_guidance=1.0)
    sample, batch = prior_sampler(prior, config), BatchSize(setting.batch)

    def draw(rows: slice) -> Float[Tensor, "pictures tokens width"]:
        numbers = range(setting.num_pictures)[rows]

        def part(some: slice) -> Float[Tensor, "pictures tokens width"]:
            pairs = [divmod(one, setting.candidates) for one in numbers[some]]
            own = [candidate_generator(SEED, *pair) for pair in pairs]
            seen = brain[[image for image, _ in pairs]]
            return sample(seen, noises(own, tuple(seen.shape[1:])))

        return torch.cat(batch.in_parts(len(numbers), part))

    return draw


@torch.inference_mode()
def prior_sampling_times(setting: SamplingSetting, rounds: int, out: Path) -> Iterator[str]:
    """Lines with the table after every round; OUT/prior-sampling.json has what was measured.

    Rounds are interleaved; a picture's time is that of its way's pictures divided by their
    number. All cores are used as torch uses them.

    Raises:
        ValueError: tokens that shall be the same are not.
    """
    if setting.device == "cpu":
        torch.set_num_threads(setting.threads or os.cpu_count() or 1)
    ways = ways_of(setting)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    tokens: dict[str, Tensor] = {}
    for draw, _ in ways.values():
        draw(slice(0, 1))
    for number in range(rounds):
        for name, (draw, pictures) in ways.items():
            drawn, seconds = _timed(setting, draw, pictures)
            found[name].append(seconds)
            tokens.setdefault(name, drawn.float().cpu())
        differences = _differences(tokens)
        about = {"setting": asdict(setting), "rounds": number + 1}
        write_json(out / RESULTS, {**about, "differences": differences, "found": found})
        yield (
            f"After {number + 1} of {rounds} rounds, {setting.num_pictures:,} pictures of "
            f"{setting.num_tokens} x {setting.width} tokens, {setting.steps} steps, random weights:"
        )
        yield from _table(ways, found, differences)
        if differences["ours"] > TOLERANCE:
            raise ValueError(
                f"Our tokens differ from the published loop's by {differences['ours']:.1g} of the "
                f"largest, more than {TOLERANCE}. Do both draw the same noise?"
            )


def _timed(setting: SamplingSetting, draw: Way, pictures: int) -> tuple[Tensor, dict[str, float]]:
    wait = torch.cuda.synchronize if setting.device != "cpu" else lambda: None
    wait()
    began, began_cpu = time.perf_counter(), time.process_time()
    drawn = draw(slice(0, pictures))
    wait()
    return drawn, {
        "wall_ms": 1e3 * (time.perf_counter() - began) / pictures,
        "cpu_ms": 1e3 * (time.process_time() - began_cpu) / pictures,
    }


def _differences(tokens: dict[str, Tensor]) -> dict[str, float]:
    """Of each way from the first, on the pictures that both drew, as a share of the largest."""
    first = next(iter(tokens.values()))
    return {
        name: float((one[: len(first)] - first[: len(one)]).abs().max() / first.abs().max())
        for name, one in tokens.items()
    }


def _table(
    ways: dict[str, tuple[Way, int]],
    found: dict[str, list[dict[str, float]]],
    differences: dict[str, float],
) -> Iterator[str]:
    def middle(name: str, value: str) -> float:
        return median(one[value] for one in found[name])

    first, *_ = found
    yield (
        f"{'way':31}{'timed on':>9}{'wall ms':>10}{'CPU ms':>10}{'faster':>8}{'by CPU':>8}"
        f"{'difference':>12}"
    )
    for name in found:
        faster = [middle(first, one) / middle(name, one) for one in ("wall_ms", "cpu_ms")]
        missed = name == "ours" and faster[0] < BAR
        yield (
            f"{name:31}{ways[name][1]:9,}{middle(name, 'wall_ms'):10.2f}"
            f"{middle(name, 'cpu_ms'):10.2f}{faster[0]:8.2f}{faster[1]:8.2f}"
            f"{differences[name]:12.1e}{' - BAR MISSED' if missed else ''}"
        )
