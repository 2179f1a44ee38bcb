"""What a reconstruction can be asked for; imports nothing that is slow."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from mindeye.quirks import Quirks
from mindeye.reconstruction.generators.catalogue import facts_of

DRAWING_QUIRKS = (
    "averaged_outputs",
    "late_start_ddim",
    "clip_normalised_start",
    "random_unconditional",
    "shifted_range",
    "blended_with_blurry",
)
"""The switches of `Quirks` that change pictures of a trained run."""

SELECTIONS = ("second-order", "average", "consensus", "first")
"""How the picture of an image comes from its candidates; none knows the true image.

`second-order`: the candidate whose CLIP tokens are closest to the contrastive head's embedding
(MindEye1). `average`: the prior's tokens are averaged over the candidates, and one picture is drawn
of the mean. `consensus`: the candidate whose CLIP tokens are closest to those of the others, on
average; it takes `FEWEST_THAT_AGREE`. `first`: the first one, whatever the others are.
"""

# Two candidates are as close to each other the one way as the other.
FEWEST_THAT_AGREE = 3


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    generator: str = "scenes"
    """A key of `mindeye.reconstruction.generators.catalogue.CATALOGUE`."""
    candidates: int = 4
    """Tokens sampled and pictures drawn for each image, of which `selection` makes one."""
    selection: str = "second-order"
    """One of `SELECTIONS`."""
    steps: int = 8
    """Steps of the generator."""
    sampler: str = "ddim"
    """Of the prior: a key of `mindeye.models.samplers.SAMPLERS`."""
    prior_steps: int = 10
    """Steps of the prior's sampler."""
    prior_guidance: float = 3.0
    """How far the prior leans on the brain tokens; 1 plainly, as published. This and `strength`
    were chosen on the validation images of the demo's subject, seed 0."""
    guidance: float = 2.0
    """How far the generator leans on the image tokens."""
    strength: float = 0.7
    """Share of the steps run from the blurry reconstruction (published: 0.85); 1 starts from noise
    instead."""
    seed: int = 0
    quirks: tuple[str, ...] = ()
    """Those of `DRAWING_QUIRKS` that are on."""

    def __post_init__(self) -> None:
        for name in ("candidates", "steps", "prior_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}. Choose 1 or more.")
        for name in ("guidance", "prior_guidance"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} is {getattr(self, name)}. Choose a finite number.")
        steps_to_skip(self.steps, self.strength)
        times = facts_of(self.generator).train_times
        if self.steps > times:
            raise ValueError(
                f"{self.generator} knows {times} noise levels, but {self.steps} steps are asked "
                f"for. Choose {times} or fewer with --steps."
            )
        if self.selection not in SELECTIONS:
            raise ValueError(
                f"`{self.selection}` is no selection. Choose from {', '.join(SELECTIONS)}."
            )
        others = [name for name in self.quirks if name not in DRAWING_QUIRKS]
        if others:
            raise ValueError(
                f"`{others[0]}` is no quirk of a reconstruction. "
                f"Choose from {', '.join(DRAWING_QUIRKS)}."
            )


@dataclass(frozen=True, kw_only=True)
class BatchAsked:
    """How much is drawn at once; pictures differ by rounding alone."""

    pictures: int | None = None
    """Candidates counted; None: those of 20 images."""
    max_memory: float | None = None
    """In bytes, of the device that draws; chooses the pictures."""


UNASKED = BatchAsked()


def steps_to_skip(steps: int, strength: float) -> int:
    """Steps of the schedule that an img2img start leaves out.

    Raises:
        ValueError: a strength outside (0, 1].
    """
    if not 0 < strength <= 1:
        raise ValueError(
            f"The img2img strength is {strength}; it must lie in (0, 1]. "
            "1 ignores the blurry reconstruction, small values stay close to it."
        )
    return steps - max(1, int(steps * strength))


def published_settings(compat: str) -> ReconstructionConfig:
    """Ours for `none`, else those that a published system draws with; quirks stand apart.

    Raises:
        LookupError: an unknown system.

    Source: MindEye1 (arXiv:2305.18274) 3.2 and 3.3, and MindEye2 (arXiv:2403.11207) with its
    released inference code; their generators also have other solvers, which belong to them.
    """
    return _SETTINGS_OF[Quirks(compat=compat).compat]


def drawing_settings(compat: str, generator: str) -> ReconstructionConfig:
    """Settings of a published system, or ours for `none`, with a generator.

    Steps, guidance and strength are the generator's own defaults where there is no system to
    follow, or where that system is known to draw so with this very generator.

    Raises:
        LookupError: an unknown system or generator.
    """
    settings, own = published_settings(compat), facts_of(generator).defaults
    numbers = {"steps": own.steps, "guidance": own.guidance}
    if own.strength is not None:
        numbers["strength"] = own.strength
    follows = compat in ("none", own.system)
    return replace(settings, generator=generator, **(numbers if follows else {}))


_SETTINGS_OF: Mapping[str, ReconstructionConfig] = MappingProxyType(
    {
        "none": ReconstructionConfig(),
        "mindeye1": ReconstructionConfig(
            candidates=16,
            steps=20,
            sampler="ddpm",
            prior_steps=100,
            prior_guidance=1.0,
            guidance=3.5,
            strength=0.85,
        ),
        # With its quirk `late_start_ddim`, DDIM asks the network 19 times.
        "mindeye2": ReconstructionConfig(
            candidates=1,
            steps=38,
            prior_steps=20,
            prior_guidance=1.0,
            guidance=5.0,
            strength=1.0,
        ),
    }
)
