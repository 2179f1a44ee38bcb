"""Where the published systems differ from what is right: each a switch, all off by default.

The published systems are MindEye1 (arXiv:2305.18274) and MindEye2 (arXiv:2403.11207) as their
released code runs them. `train/README.md` tells of each switch why ours is the default.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """Switches that are left out are set as in the system that `compat` names."""

    compat: str = "none"
    """none (ours), mindeye1 or mindeye2: sets all switches together."""

    # Targets
    washed_out_targets: bool | None = None
    """CLIP sees pictures as if their values lay in [-1, 1]: pale, without black."""
    aliased_resizing: bool | None = None
    """Pictures are made smaller without antialiasing, before CLIP and before metrics."""

    # Training
    flipped_targets: bool | None = None
    """Half of the training pictures are mirrored, although the brain saw them as they were."""
    augmented_validation: bool | None = None
    """Validation pictures are augmented as training pictures are."""
    lost_labels: bool | None = None
    """MixCo: a trial that is its own partner loses its label."""
    crossed_labels: bool | None = None
    """MixCo: partners are labelled as if all were of the first subject of the batch."""
    unmixed_targets: bool | None = None
    """MixCo: prior and low-level head learn a trial's own image even where most of the mixture is
    of another one."""
    phases_by_epoch: bool | None = None
    """MixCo ends after int(0.33 x epochs), and SoftCLIP's temperature changes with the epoch."""
    decayed_norms: bool | None = None
    """Weight decay also pulls at gains, null tokens and positions."""
    decayed_ridge_bias: bool | None = None
    """Weight decay also pulls at the biases of the ridge layers."""
    kept_ridge_bias: bool | None = None
    """Fine-tuning gives the new subject the ridge bias of the first pre-training subject."""
    coarse_epsilon: bool | None = None
    """The prior's norms divide by more (epsilon 1e-3 instead of 1e-5) in half precision."""

    # Decoding and reconstruction
    averaged_outputs: bool | None = None
    """Each repeat is decoded and the outputs are averaged; else the scans are."""
    late_start_ddim: bool | None = None
    """DDIM begins with pure noise at time 94 of 100, adds noise, and does 19 steps of 20."""
    clip_normalised_start: bool | None = None
    """The blurry picture is normalised for CLIP, not for the VAE, before img2img."""
    random_unconditional: bool | None = None
    """Guidance leads away from random tokens; else from none."""
    shifted_range: bool | None = None
    """Pictures are 0.8 x + 0.2 of the VAE's output x in [-1, 1]; else (x + 1) / 2."""
    blended_with_blurry: bool | None = None
    """A quarter of each picture is the blurry reconstruction."""
    refined_through_256: bool | None = None
    """Refinement begins with pictures of 256 pixels; else with what was drawn, at its full size."""

    # Evaluation
    exchanged_labels: bool | None = None
    """Retrieval rows also bear the published label, which names the opposite direction."""
    drawn_pools: bool | None = None
    """Retrieval is the mean of 30 drawn pools; else exact over all pools."""
    contiguous_pools: bool | None = None
    """Drawn pools are neighbouring test images; else random ones."""
    resized_through_256: bool | None = None
    """Pictures pass through 256 and 425 pixels before pixel metrics; else they stay as they are."""
    ssim_by_columns: bool | None = None
    """SSIM takes each column of the grey picture for a channel, as scikit-image before 0.20 did."""

    def __post_init__(self) -> None:
        if self.compat not in PUBLISHED:
            raise LookupError(
                f"Unknown compat `{self.compat}`. Choose one of {', '.join(PUBLISHED)}."
            )

    def resolved(self) -> "Quirks":
        """The same with every switch set."""
        on = PUBLISHED[self.compat]
        given = {name: getattr(self, name) for name in SWITCHES}
        return Quirks(
            compat=self.compat,
            **{name: name in on if one is None else one for name, one in given.items()},
        )

    def switched_on(self) -> tuple[str, ...]:
        """Names of the switches that are on."""
        settled = self.resolved()
        return tuple(name for name in SWITCHES if getattr(settled, name))


SWITCHES = tuple(field.name for field in fields(Quirks) if field.name != "compat")
_BOTH = frozenset(
    {
        *("aliased_resizing", "lost_labels", "unmixed_targets", "phases_by_epoch", "decayed_norms"),
        *("coarse_epsilon", "exchanged_labels", "drawn_pools", "resized_through_256"),
    }
)
PUBLISHED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "none": frozenset(),
        "mindeye1": _BOTH
        | {
            *("flipped_targets", "augmented_validation", "clip_normalised_start"),
            "contiguous_pools",
        },
        "mindeye2": _BOTH
        | {
            *("washed_out_targets", "crossed_labels", "decayed_ridge_bias", "kept_ridge_bias"),
            *("averaged_outputs", "late_start_ddim", "random_unconditional", "shifted_range"),
            *("blended_with_blurry", "refined_through_256"),
        },
    }
)
"""Which switches are on in which system. `ssim_by_columns` is on in none: it depends on the version
of scikit-image, and what the authors had is not known."""


def quirks_from(compat: str | None, settings: Sequence[str], base: Quirks) -> Quirks:
    """Quirks of a command line.

    Args:
        compat: replaces all of `base`; None keeps it.
        settings: `name=on` or `name=off`, on top.

    Raises:
        LookupError: an unknown system or switch.
        ValueError: something else than `name=on` or `name=off`.
    """
    start = base if compat is None else Quirks(compat=compat)
    values = {field.name: getattr(start.resolved(), field.name) for field in fields(Quirks)}
    for setting in settings:
        name, _, state = setting.partition("=")
        if name not in SWITCHES:
            likely = difflib.get_close_matches(name, SWITCHES, n=1, cutoff=0)[0]
            raise LookupError(f"Unknown quirk `{name}`. Did you mean `{likely}`?")
        if state not in ("on", "off"):
            raise ValueError(f"`{setting}` sets no quirk. Write {name}=on or {name}=off.")
        values[name] = state == "on"
    return Quirks(**values)
