"""What a simulated experiment is made of, and the named ones that `mindeye simulate` offers."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mindeye import nsd_layout
from mindeye.simulate.random_streams import stream_of

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, what is done of it, and of how much."""

PLACEMENTS = ("compact", "nsd")


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """One simulated subject.

    Difficulty is set by `seen_share` and `seen_look_share` first: what a brain does not carry,
    neither voxels nor repeats bring back. `latent_noise` and `low_level_noise` make single
    trials worse than means over repeats, `noise_ceiling_scale` makes voxels noisier. The caps
    of strong voxels bind from `latent_noise` 2 or so on, after which more of it changes little.
    """

    name: str
    sessions: int = 10
    """Acquired sessions, 750 trials each."""
    placement: str = "compact"
    """`compact`: the acquired sessions are a complete experiment (every image three times, a
    tenth of them shared). `nsd`: NSD's own order, in which repeats spread over 40 sessions."""
    grid: tuple[int, int, int] = (20, 24, 18)
    num_voxels: int = 1400
    """Voxels of `nsdgeneral`."""
    image_side: int = 128
    beta_versions: tuple[str, ...] = ("b3",)
    """Which of NSD's beta versions to write; b1 and b2 are noisier than b3."""

    noise_ceiling_scale: float = 1.0
    """Multiplies NSD's noise ceilings; 0 makes every ncsnr exactly 0."""
    num_components: int = 64
    """Dimensions of meaning and, as many, of look that latent noise moves."""
    signal_decay: float = 1.7
    """Variance of the k-th dimension of meaning falls as k to the minus this."""
    seen_share: float = 1.0
    """Part of each dimension of meaning that the brain carries; the rest is idiosyncratic."""
    seen_look_share: float = 1.0
    """The same for the look of the picture."""
    latent_noise: float = 1.0
    """Variance over trials of the first dimension of meaning, per variance over images."""
    low_level_noise: float = 0.5
    """The same for the dimensions of look."""
    latent_knee: float = 15.0
    """The variance of latent noise doubles after this many dimensions."""
    latent_cap: float = 0.9
    """Largest part of a voxel's noise variance that latent noise may be."""
    early_embedding_share: float = 0.10
    """Part of the signal of V1, V2 and V3 that is meaning; the rest is Gabor energy."""
    fourth_embedding_share: float = 0.30
    """The same for hV4."""
    higher_embedding_share: float = 0.75
    """The same for the areas beyond."""

    smooth_share: float = 0.3
    """Part of the voxel noise variance that neighbours share."""
    smooth_fwhm: float = 2.5
    """Width of that sharing in voxels."""
    autocorrelation: float = 0.1
    """Of voxel noise, from trial to trial."""
    gain_sd: float = 0.08
    """Of the logarithm of a voxel's gain in a session."""
    offset_sd: float = 0.3
    """Step of a voxel's baseline from session to session, in its own standard deviations."""
    invalid_voxels: int = 0
    """Brain voxels outside of `nsdgeneral` that are all zero in one session each."""
    invalid_roi_voxels: int = 0
    """The same inside of `nsdgeneral`."""

    def __post_init__(self) -> None:
        if not 1 <= self.sessions <= nsd_layout.NUM_SESSIONS:
            raise ValueError(
                f"{self.sessions} sessions asked for. NSD's design has 1 to "
                f"{nsd_layout.NUM_SESSIONS}."
            )
        if self.placement not in PLACEMENTS:
            raise LookupError(
                f"Unknown placement `{self.placement}`. Choose {' or '.join(PLACEMENTS)}."
            )
        unknown = set(self.beta_versions) - set(nsd_layout.BETA_VERSIONS)
        if unknown or not self.beta_versions:
            raise LookupError(
                f"Unknown beta versions {sorted(unknown)}. "
                f"Choose from {', '.join(nsd_layout.BETA_VERSIONS)}."
            )


@dataclass(frozen=True, kw_only=True)
class SimulationRequest:
    """Everything that decides the bytes of a tree."""

    config: SimulationConfig
    subject: int
    seed: int

    def stream(self, *purpose: str | int) -> np.random.Generator:
        """This subject's random numbers for a purpose."""
        return stream_of(self.seed, self.subject, *purpose)


_SMALL = SimulationConfig(
    name="tiny",
    sessions=2,
    grid=(12, 14, 12),
    num_voxels=320,
    image_side=64,
    num_components=32,
    seen_share=0.9,
    seen_look_share=0.9,
    latent_noise=0.5,
    low_level_noise=0.5,
    invalid_voxels=3,
)
_NSD_LIKE = SimulationConfig(name="nsd-like", invalid_voxels=5)

PRESETS: MappingProxyType[str, SimulationConfig] = MappingProxyType(
    {
        "nsd-like": _NSD_LIKE,
        "hard": dataclasses.replace(
            _NSD_LIKE,
            name="hard",
            seen_share=0.4,
            seen_look_share=0.4,
            noise_ceiling_scale=0.6,
            latent_noise=1.5,
            low_level_noise=0.7,
        ),
        "tiny": _SMALL,
        "no-signal": dataclasses.replace(_NSD_LIKE, name="no-signal", noise_ceiling_scale=0.0),
    }
)


def preset_of(name: str) -> SimulationConfig:
    """The preset of that name.

    Raises:
        LookupError: no such preset.
    """
    if name not in PRESETS:
        raise LookupError(f"Unknown preset `{name}`. Choose {', '.join(PRESETS)}.")
    return PRESETS[name]
