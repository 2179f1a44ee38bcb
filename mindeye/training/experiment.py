"""All that defines a training: data, decoder, losses, schedule, seed."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from mindeye.models.decoder import DecoderConfig
from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.quirks import Quirks
from mindeye.training.augmentation import MINDEYE2_BLUR, AugmentationConfig
from mindeye.training.choice import ChoiceConfig, require_retrieval_learns
from mindeye.training.compute import ComputeConfig
from mindeye.training.presentation import PRESENTATIONS
from mindeye.training.ranges import require, require_ranges, require_seed, require_share

RIDGE_STARTS = ("random", "closed-form")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    contrastive: float = 1.0
    """Weight of BiMixCo and SoftCLIP."""
    prior: float = 30.0
    """Weight of the prior's loss (MindEye1, arXiv:2305.18274, A.5)."""
    low_level: float = 0.5
    """Weight of the distance of the VAE latents."""
    maps: float = 0.0
    """Weight of the contrast of a published low-level network's maps with the teacher's."""
    map_temperature: float = 0.2
    pixels: float = 0.0
    """Weight of the distance of the decoded latents' pixels, in [0, 1]. MindEye1's code has 4, but
    switched off in what was released; costs a pass through the VAE's decoder and back."""
    sobel: float = 0.0
    """Weight of the distance of their edges (MindEye1's code: 16, switched off likewise)."""
    decoded_scale: float = 0.5
    """Latents are made smaller by this before they are decoded for `pixels` and `sobel`: half the
    side, as published, is a quarter of the cost."""
    mixco_concentration: float = 0.15
    """Of the Beta distribution that says how much of a trial is kept."""
    mixco_share: float = 0.5
    """Share of trials that are mixed."""
    mixco_phase: float = 1 / 3
    """Share of the training before SoftCLIP takes over from BiMixCo."""
    mixco_temperature: float = 0.006
    soft_temperatures: tuple[float, float] = (0.004, 0.0075)
    """SoftCLIP's first and last temperature; a cosine between."""
    prior_trials: int | None = None
    """How many trials of a batch the prior's loss sees, of each subject as many; all when left
    out."""

    def __post_init__(self) -> None:
        for name in ("contrastive", "prior", "low_level", "maps", "pixels", "sobel"):
            require(getattr(self, name) >= 0, f"losses.{name}", getattr(self, name), "0 or more")
        for name in ("mixco_share", "mixco_phase"):
            require_share(f"losses.{name}", getattr(self, name))
        for name in ("mixco_concentration", "mixco_temperature", "map_temperature"):
            value = getattr(self, name)
            require(value > 0, f"losses.{name}", value, "more than 0")
        scale = self.decoded_scale
        require(0 < scale <= 1, "losses.decoded_scale", scale, "more than 0, at most 1")
        temperatures = self.soft_temperatures
        allowed = all(one > 0 for one in temperatures)
        require(allowed, "losses.soft_temperatures", temperatures, "two, both more than 0")
        trials = self.prior_trials
        require(trials is None or trials >= 1, "losses.prior_trials", trials, "1 or more")

    @property
    def of_decoded(self) -> bool:
        """Whether latents are decoded to be compared as pictures."""
        return bool(self.pixels or self.sobel)


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    num_epochs: int = 240
    """An epoch shows every training image once, in one draw of its repeats."""
    batch: int = 32
    """Images in a batch, over all processes; none stands twice in one, but for images that several
    subjects saw (`subjects_together`)."""
    micro_batch: int | None = None
    """Images that a process has in memory at once; its whole part of the batch when left out.
    Fewer need less memory and one more forward for each image; the losses stay those of the whole
    batch, contrast included."""
    steps_per_epoch: int | None = None
    """Batches that count as an epoch; as many as show every training image once when left out."""
    subjects_together: bool = False
    """Whether every batch holds trials of all subjects, which are then each other's contrast
    (MindEye2); else a batch holds one subject's."""
    presentation: str = "drawn"
    """Which scan of an image is shown: `drawn` (see mean_of_repeats), `cyclic` (the same repeat of
    all, MindEye1), `weighted` (MindEye1's low-level network) or `trials` (one after the other,
    MindEye2)."""
    learning_rate: float = 3e-4
    """Peak of the one-cycle schedule."""
    warmup: float = 0.01
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = 0.01
    """On weights of linear and convolution layers; not on norms, biases, places."""
    ridge_decay: float | None = None
    """Weight decay of the ridge layers; like the rest when left out."""
    mean_of_repeats: float = 0.5
    """Chance that an image is shown as the mean of a random subset of its repeats, where they are
    drawn."""
    save_every_s: float = 60.0
    """Seconds between checkpoints."""

    def __post_init__(self) -> None:
        if self.num_epochs < 1 or self.batch < 2 or not self.learning_rate > 0:
            raise ValueError(
                f"The schedule has {self.num_epochs} epochs, batches of {self.batch} and learning "
                f"rate {self.learning_rate}. Choose at least 1, at least 2, and more than 0."
            )
        for name in ("warmup", "mean_of_repeats"):
            require_share(f"schedule.{name}", getattr(self, name))
        for name in ("steps_per_epoch", "micro_batch"):
            count = getattr(self, name)
            require(count is None or count >= 1, f"schedule.{name}", count, "1 or more")
        known, named = self.presentation in PRESENTATIONS, ", ".join(PRESENTATIONS)
        require(known, "schedule.presentation", self.presentation, f"one of {named}")
        for name in ("weight_decay", "ridge_decay", "save_every_s"):
            value = getattr(self, name)
            require(value is None or value >= 0, f"schedule.{name}", value, "0 or more")


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    data: tuple[Path, ...]
    """Prepared folders, one for each subject (`mindeye prepare`)."""
    clip: Path | None = None
    """Folder of the CLIP whose tokens are learned; the offline one when left out."""
    clip_tokens: str = "projected"
    """What of CLIP is learned: `projected` (all tokens in the space of texts, MindEye1), `patches`
    (those of the patches, not projected, MindEye2), `embedding` (one, for retrieval) or
    `penultimate` (all, before the last block: what IP-Adapter-Plus draws from)."""
    vae: Path | None = None
    """Folder of the VAE; the offline one when left out."""
    teacher: Path | None = None
    """Frozen network whose maps a published low-level network learns beside its latents: a folder,
    or a name such as vicregl-xl or dinov2-base (`python data_scripts/map_teachers.py --list`)."""
    augmentation: AugmentationConfig | None = None
    """Changes of the training pictures before CLIP sees them, anew in every step; none when left
    out, and then CLIP's tokens are computed once. `flip_chance` counts with the quirk
    `flipped_targets` alone: a mirrored picture is not what the brain saw."""
    map_augmentation: AugmentationConfig = MINDEYE2_BLUR
    """Changes of the other view that the teacher sees."""
    augmented_views: int | None = None
    """So many augmented views of each training picture are embedded once, by CLIP and by the
    teacher, and every step draws one of them; when left out, pictures change and are embedded anew
    in every step. `--dry-run` tells the bytes that views take on the disk."""
    view_seed: int = 0
    """Of the augmented views, apart from `seed`: trainings of other seeds share them."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    choice: ChoiceConfig = field(default_factory=ChoiceConfig)
    quirks: Quirks = field(default_factory=Quirks)
    """Differences of the published systems from what is right; none by default."""
    start_from: Path | None = None
    """Run folder whose weights the training starts from: fine-tuning. A subject that is new there
    gets a ridge layer of its own."""
    parts: tuple[str, ...] | None = None
    """Parts of the decoder that are trained, such as low_level; all when left out. The others
    stay as `start_from` has them."""
    keep_subjects: bool = False
    """Whether subjects of `start_from` that `data` does not name stay in the decoder. Their ridge
    layers are never touched; what they decode stays the same to the bit where `parts` trains
    `ridge` alone, because all other parts are shared."""
    ridge_start: str = "random"
    """How the ridge layers of new subjects begin: `random`, or `closed-form`, by ridge regression
    to the latents that `start_from` has for pictures like theirs, which needs the scans that it was
    trained on; without `start_from` to principal components of the tokens."""
    seed: int = 42

    @property
    def network(self) -> DecoderConfig:
        """The decoder's configuration with the quirk that is part of a network."""
        prior = self.decoder.prior
        if self.quirks.resolved().coarse_epsilon and isinstance(prior, PublishedPriorConfig):
            return replace(self.decoder, prior=replace(prior, coarse_epsilon=True))
        return self.decoder

    def __post_init__(self) -> None:
        require_seed("seed", self.seed)
        require_ranges(self.decoder)
        if self.parts is not None and self.start_from is None:
            raise ValueError(
                f"`parts` trains {', '.join(self.parts)} alone, but without `start_from` all other "
                "parts would stay random. Give the run that they are taken from."
            )
        known, named = self.ridge_start in RIDGE_STARTS, " or ".join(RIDGE_STARTS)
        require(known, "ridge_start", self.ridge_start, named)
        if self.keep_subjects and self.start_from is None:
            raise ValueError(
                "`keep_subjects` is on, but without `start_from` there is nobody to keep. "
                "Give the run that knows them, or leave keep_subjects out."
            )
        self._require_views()
        low_level = self.decoder.low_level
        has_maps = isinstance(low_level, PublishedLowLevelConfig) and bool(low_level.map_width)
        if len({has_maps, self.losses.maps > 0, self.teacher is not None}) > 1:
            raise ValueError(
                f"`decoder.low_level` {'makes' if has_maps else 'makes no'} maps, `losses.maps` is "
                f"{self.losses.maps} and `teacher` is {self.teacher}. Give map_width, a weight "
                "and a teacher, or none of the three (map_width: null)."
            )
        _require_something_learns(self)

    def _require_views(self) -> None:
        views = self.augmented_views
        require(views is None or views >= 1, "augmented_views", views, "1 or more, or null")
        require_seed("view_seed", self.view_seed)
        if views is not None and self.augmentation is None and self.teacher is None:
            raise ValueError(
                f"`augmented_views` is {views}, but no picture is augmented: neither "
                "`augmentation` nor `teacher` is set. Give one of them, or leave it out."
            )


def _require_something_learns(config: ExperimentConfig) -> None:
    """Refuses losses that reach nothing of what is trained."""
    losses, low_level = config.losses, config.decoder.low_level
    require(config.parts is None or len(config.parts) > 0, "parts", [], "one or more, or null")
    if losses.of_decoded and low_level is None:
        raise ValueError(
            f"`losses.pixels` is {losses.pixels} and `losses.sobel` {losses.sobel}, but no "
            "low-level head makes latents to decode. Set both to 0, or give decoder.low_level."
        )
    if losses.contrastive or losses.prior:
        has_head = bool(losses.contrastive or config.start_from)
        require_retrieval_learns(config.choice, config.parts, has_head=has_head)
        return
    if config.choice.by_validation and not (losses.low_level or losses.of_decoded):
        raise ValueError(
            "`choice` goes by validation, but where the maps of a low-level network alone are "
            "learned nothing is validated. Keep the last weights, without patience."
        )
    if low_level is None or not (losses.low_level or losses.maps or losses.of_decoded):
        raise ValueError(
            "`losses.contrastive` and `losses.prior` are 0, and no low-level head learns either. "
            "Give one of them more than 0, or configure decoder.low_level with losses.low_level."
        )
    has_path = isinstance(low_level, PublishedLowLevelConfig) and low_level.path is not None
    reached = ("low_level_path", "low_level") if has_path else ("ridge", "backbone", "low_level")
    if config.parts is not None and not set(reached) & set(config.parts):
        raise ValueError(
            f"`losses.contrastive` and `losses.prior` are 0: of {', '.join(config.parts)}, "
            f"no part would learn anything. Choose from {', '.join(reached)}, or give other losses."
        )
