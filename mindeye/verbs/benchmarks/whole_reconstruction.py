"""How fast whole reconstructions are and where their time goes, with random networks."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import open_clip
import torch
from diffusers import AutoencoderKL

from mindeye.files import write_json
from mindeye.models.contrastive_head import embedding_of
from mindeye.reconstruction.batch_size import IMAGES, BatchSize
from mindeye.reconstruction.choices import read_choices
from mindeye.reconstruction.drawing import STAGES, Artist, draw_block
from mindeye.reconstruction.drawing_memory import batch_within
from mindeye.reconstruction.pipeline import reconstruct
from mindeye.reconstruction.prior_sampler import SampleTokens, prior_sampler
from mindeye.reconstruction.settings import ReconstructionConfig, published_settings
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget
from mindeye.types import Decoded
from mindeye.verbs.benchmarks.prior_sampling_times import SamplingSetting
from mindeye.verbs.benchmarks.random_generators import SMALL_VAE, VAE
from mindeye.verbs.benchmarks.random_in_memory import generator_plan, random_generator

RESULTS = "whole-reconstruction.json"
SEED = 0
TEST_IMAGES = 982
"""Of NSD, which all its subjects saw."""
REST = "files and the rest"
GENERATOR = "versatile"
# 4 x 4 patches and CLS; the published one has 16 x 16.
SMALL_TOKENS = (17, 64)
SMALL_CLIP = {
    "embed_dim": SMALL_TOKENS[1],
    "vision_cfg": {"image_size": 64, "patch_size": 16, "layers": 2, "width": 64, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 8, "heads": 1, "layers": 1},
}
CLIP = "ViT-L-14"


@dataclass(frozen=True, kw_only=True)
class WholeSetting:
    """What is drawn, how, and by how large networks; all else is as MindEye1 draws."""

    images: int = 4
    candidates: int = 16
    real_size: bool = False
    """Whether the networks have the sizes of MindEye1's."""
    steps: int = 100
    """Of the prior's ancestral sampler."""
    generator_dtype: str = "float32"
    """Of UNet and its VAE; all else is float32, as `mindeye reconstruct` runs it."""
    device: str = "cpu"
    threads: int = 0
    """On a CPU; 0: as many as it has cores."""
    batch: int | None = None
    """Pictures at once; None: those of 20 images."""
    max_memory: float | None = None
    """In bytes, of the device; chooses the batch."""

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ValueError(f"{self.images} images were asked for. Choose 1 or more.")

    @property
    def config(self) -> ReconstructionConfig:
        """MindEye1's, for this generator."""
        published = published_settings("mindeye1")
        return replace(
            published, candidates=self.candidates, generator=GENERATOR, prior_steps=self.steps
        )

    def artist(self) -> Artist:
        """CLIP, VAE and generator, all of random weights."""
        plan = generator_plan(
            GENERATOR, None if self.real_size else SMALL_TOKENS, small=not self.real_size
        )
        dtype = getattr(torch, self.generator_dtype)
        with torch.random.fork_rng(), torch.device(self.device):
            torch.manual_seed(SEED)
            made = open_clip.get_model_config(CLIP) if self.real_size else SMALL_CLIP
            clip = open_clip.CLIP(**made)
            vae = AutoencoderKL(**(VAE if self.real_size else SMALL_VAE))
        for network in (clip, vae):
            network.eval().requires_grad_(False)
        return Artist(
            clip=ClipTarget(
                model=clip,
                tokenizer=open_clip.SimpleTokenizer(),
                mean=(0.5,) * 3,
                std=(0.5,) * 3,
                identity="random",
            ),
            vae=VaeTarget(model=vae.to(memory_format=torch.channels_last), identity="random"),
            generator=random_generator(plan, dtype=dtype, device=self.device),
        )

    def prior(self, token_shape: tuple[int, int]) -> SampleTokens:
        """Of the published form and depth, with its sampler."""
        num_tokens, width = token_shape
        made = SamplingSetting(
            num_tokens=num_tokens, width=width, steps=self.steps, device=self.device
        )
        return prior_sampler(made.prior(), self.config)

    def decoded(self, artist: Artist) -> Decoded:
        """Made up: what a decoder would say of so many images."""
        generator = torch.Generator().manual_seed(SEED)
        tokens = torch.randn(self.images, *artist.generator.token_shape, generator=generator)
        latents = torch.randn(self.images, *artist.vae.latent_shape, generator=generator)
        return Decoded(
            image_ids=torch.arange(self.images),
            brain_tokens=tokens.to(self.device),
            embeddings=embedding_of(tokens).to(self.device),
            image_tokens=None,
            latents=latents.to(self.device),
        )


def whole_reconstruction(setting: WholeSetting, rounds: int, out: Path) -> Iterator[str]:
    """Lines with the table after every round; OUT/whole-reconstruction.json has all rounds.

    A round goes from decoded tokens to a finished folder, its pictures and files included; the
    folder is deleted again. Opening networks and decoding scans are not in it.

    Raises:
        ValueError: not even one picture fits the memory limit.
    """
    if setting.device == "cpu":
        torch.set_num_threads(setting.threads or os.cpu_count() or 1)
    artist = setting.artist()
    decoded, sample = setting.decoded(artist), setting.prior(artist.generator.token_shape)
    with torch.inference_mode():
        first = Decoded(*(None if value is None else value[:1] for value in decoded))
        draw_block(first, artist, replace(setting.config, candidates=1), sample)
    pictures = setting.batch
    if setting.max_memory is not None:
        limit = setting.max_memory
        pictures = batch_within(limit, decoded, artist, setting.config, sample).pictures
    found: list[dict[str, float]] = []
    out.mkdir(parents=True, exist_ok=True)
    for _ in range(rounds):
        # A new folder each round: in one that a kill left behind only the rest would be drawn.
        with TemporaryDirectory(dir=out) as place:
            found.append(_round(setting, decoded, artist, sample, pictures, Path(place)))
        facts = summary(found, setting.images)
        about = {"setting": asdict(setting), "networks": "random weights", "batch": pictures}
        write_json(out / RESULTS, {**about, **facts, "rounds": found})
        yield from _table(setting, artist, pictures, facts, (len(found), rounds))


def _round(
    setting: WholeSetting,
    decoded: Decoded,
    artist: Artist,
    sample: SampleTokens,
    pictures: int | None,
    out: Path,
) -> dict[str, float]:
    """Seconds of each stage, of the rest, and of all."""
    # A batch that ran out of memory stays small, but another round begins anew.
    batch = None if pictures is None else BatchSize(pictures)
    began = time.perf_counter()
    reconstruct(
        decoded,
        artist,
        setting.config,
        out,
        sample_tokens=sample,
        about={"networks": "random weights"},
        batch=batch,
    )
    wall = time.perf_counter() - began
    lines = read_choices(out)
    stages = {stage: sum(line["seconds"][stage] for line in lines) for stage in STAGES}
    return {**stages, REST: wall - sum(stages.values()), "wall": wall}


def summary(rounds: Sequence[Mapping[str, float]], num_images: int) -> dict[str, Any]:
    """Medians over rounds: images/s, the share of each stage, and NSD's test set from them.

    Returns:
        images_per_s; seconds of each stage for an image; shares, which add up to 1;
        extrapolated_s, as if each of `TEST_IMAGES` images took what one took here.
    """
    seconds = {stage: median(one[stage] for one in rounds) for stage in (*STAGES, REST)}
    # Medians of stages need not add up to the median of the whole.
    total = sum(seconds.values())
    per_image = median(one["wall"] for one in rounds) / num_images
    return {
        "images_per_s": 1 / per_image,
        "seconds_per_image": {stage: value / num_images for stage, value in seconds.items()},
        "shares": {stage: value / total for stage, value in seconds.items()},
        "extrapolated_s": TEST_IMAGES * per_image,
    }


def _table(
    setting: WholeSetting,
    artist: Artist,
    pictures: int | None,
    facts: Mapping[str, Any],
    rounds: tuple[int, int],
) -> Iterator[str]:
    size = "MindEye1's sizes" if setting.real_size else "small sizes"
    tokens, width = artist.generator.token_shape
    at_once = min(pictures or IMAGES * setting.candidates, setting.images * setting.candidates)
    yield (
        f"After {rounds[0]} of {rounds[1]} rounds, {setting.images:,} images x "
        f"{setting.candidates} candidates on {setting.device}, all networks RANDOM, of {size} "
        f"({tokens} x {width} tokens, {artist.generator.side} px, generator in "
        f"{setting.generator_dtype}), {at_once} pictures at once:"
    )
    yield f"{'stage':20}{'s an image':>12}{'share':>9}"
    for stage, share in facts["shares"].items():
        yield f"{stage:20}{facts['seconds_per_image'][stage]:12.4f}{share:9.1%}"
    yield f"{facts['images_per_s']:.4f} images/s"
    yield (
        f"EXTRAPOLATED from {setting.images:,} images: {TEST_IMAGES} images x "
        f"{setting.candidates} candidates would take {facts['extrapolated_s'] / 3600:.2f} h "
        f"({facts['extrapolated_s']:.0f} s)."
    )
