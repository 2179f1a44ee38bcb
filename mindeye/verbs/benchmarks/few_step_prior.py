"""Do a few evaluations of a trained prior give what the whole schedule gives?"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from mindeye.files import write_json
from mindeye.metrics.identification import two_way_wins
from mindeye.metrics.statistics import bootstrap_interval, paired_difference_interval
from mindeye.models.prior import DiffusionPrior
from mindeye.models.published_prior import PublishedPrior
from mindeye.reconstruction.candidate_noise import candidate_generator, noises
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import open_run
from mindeye.reconstruction.prior_sampler import prior_sampler
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.types import Decoded
from mindeye.verbs.reconstruct import scans_of

RESULTS = "few-step-prior.json"
SHORT = tuple(
    (name, steps)
    for name in ("sde-dpmsolver++", "ancestral", "ddim", "unipc", "dpmsolver++")
    for steps in (5, 10, 20)
)
# Draws of the long sampler that its mean is taken of, and of every sampler that is compared.
LONG_RUNS, DRAWS = 16, 2
# Pictures of one call.
BATCH = 100


@dataclass(frozen=True, kw_only=True)
class PriorScore:
    """How near a sampler's tokens are to the long runs' mean and to the shown images'."""

    sampler: str
    steps: int
    guidance: float
    values: Mapping[str, tuple[float, float, float]]
    """Of each measure its mean with the ends of the 95 % interval over images."""
    differences: Mapping[str, tuple[float, float, float]]
    """The same of the difference from a single draw of the long sampler, image by image."""

    @property
    def gives_the_same(self) -> bool:
        """Whether no measure is below the long sampler's by more than the interval allows."""
        return all(high >= 0 for _, _, high in self.differences.values())

    @property
    def line(self) -> str:
        told = [
            f"{value:7.4f} [{low:.4f}, {high:.4f}] {by:+.4f} [{least:+.4f}, {most:+.4f}]"
            for (value, low, high), (by, least, most) in zip(
                self.values.values(), self.differences.values(), strict=True
            )
        ]
        verdict = "" if self.gives_the_same else "  below the long runs"
        return f"{self.guidance:8.1f} {self.sampler:16}{self.steps:4d} {'  '.join(told)}{verdict}"


MEASURES = (
    "cosine with the long runs' mean",
    "two-way identification of the long runs' mean",
    "cosine with the shown image's tokens",
    "two-way identification of the shown image",
)


def few_step_prior(
    run_path: Path,
    out: Path,
    *,
    guidances: Sequence[float],
    num_images: int | None,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[str]:
    """Lines of a table; OUT/few-step-prior.json has all of it.

    Tokens are measured standardised over the shown images, because almost all of a token is what
    all images share. Per image it is the mean of `DRAWS` draws, from noise
    that the long runs' mean has not seen.

    Raises:
        FileNotFoundError, LookupError, ValueError: what `open_run` and `scans_of` refuse.
    """
    run = open_run(run_path)
    longest = run.decoder.prior.config.train_times
    rows = [("ddpm", longest), *SHORT]
    decoded = decode(run.decoder, scans_of(run.prepared, "test", num_images, seed))
    tokens = run.targets.tokens(decoded.image_ids)
    mean, std = tokens.mean(0), tokens.std(0).clamp_min(1e-6)
    shown = (tokens - mean) / std
    done, total = 0, len(guidances) * (1 + len(rows))
    scores: list[PriorScore] = []
    about = {"run": run.about, "images": len(shown), "seed": seed, "long_runs": LONG_RUNS}
    yield (
        f"{len(shown)} test images; mean of {LONG_RUNS} draws of ddpm in {longest} steps; "
        "value [95 % interval] and difference from single long draws [interval]"
    )
    yield f"guidance sampler         steps {'; '.join(MEASURES)}"
    for guidance in guidances:
        config = ReconstructionConfig(prior_guidance=guidance, seed=seed)
        draw = _drawing(run.decoder.prior, decoded, config)

        def sample(*asked, draw=draw):
            return (draw(*asked) - mean) / std

        long_mean = sum(sample(rows[0], number) for number in range(LONG_RUNS)) / LONG_RUNS
        done += 1
        long: dict[str, np.ndarray] | None = None
        for row in rows:
            draws = [sample(row, LONG_RUNS + number) for number in range(DRAWS)]
            found = _measured(draws, long_mean, shown)
            long = found if long is None else long
            scores.append(_score(row, guidance, found, long, seed))
            yield scores[-1].line
            done += 1
            if progress:
                progress(done, total)
            write_json(out / RESULTS, {**about, "scores": [asdict(one) for one in scores]})
    best = [one for one in scores if one.steps <= 20 and one.gives_the_same]
    told = ", ".join(f"{one.sampler} {one.steps} (guidance {one.guidance:g})" for one in best)
    yield f"As good as {longest} steps within the interval: {told or 'none'}."


def _drawing(
    prior: DiffusionPrior | PublishedPrior, decoded: Decoded, config: ReconstructionConfig
) -> Callable[[tuple[str, int], int], Float[Tensor, "images tokens width"]]:
    """(sampler and steps, candidate) -> tokens of every image."""

    @torch.inference_mode()
    def draw(row: tuple[str, int], candidate: int) -> Float[Tensor, "images tokens width"]:
        sampler, steps = row
        sample = prior_sampler(prior, replace(config, sampler=sampler, prior_steps=steps))
        parts = []
        for ids, brain in zip(
            decoded.image_ids.split(BATCH), decoded.brain_tokens.split(BATCH), strict=True
        ):
            own = [candidate_generator(config.seed, one, candidate) for one in ids.tolist()]
            parts.append(sample(brain, noises(own, tuple(brain.shape[1:]))))
        return torch.cat(parts)

    return draw


def _measured(
    draws: Sequence[Float[Tensor, "images tokens width"]],
    mean: Float[Tensor, "images tokens width"],
    shown: Float[Tensor, "images tokens width"],
) -> dict[str, np.ndarray]:
    """Each of `MEASURES` for each image, the mean over draws."""
    found: list[list[Tensor]] = [
        [measure(tokens.flatten(1), wanted.flatten(1)) for tokens in draws]
        for wanted in (mean, shown)
        for measure in (functional.cosine_similarity, two_way_wins)
    ]
    means = [torch.stack([one.double() for one in values]).mean(0).numpy() for values in found]
    return dict(zip(MEASURES, means, strict=True))


def _score(
    row: tuple[str, int],
    guidance: float,
    found: Mapping[str, np.ndarray],
    long: Mapping[str, np.ndarray],
    seed: int,
) -> PriorScore:
    def interval(values: Any) -> tuple[float, float, float]:
        return tuple(float(one) for one in values)

    rng = np.random.default_rng(seed)
    values = {name: interval(bootstrap_interval(found[name], rng)) for name in MEASURES}
    differences = {
        name: interval(paired_difference_interval(found[name], long[name], rng))
        for name in MEASURES
    }
    sampler, steps = row
    return PriorScore(
        sampler=sampler, steps=steps, guidance=guidance, values=values, differences=differences
    )
