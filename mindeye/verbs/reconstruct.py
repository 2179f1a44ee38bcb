"""`mindeye reconstruct`: a run's test scans -> pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mindeye.data.batches import PreparedSubject
from mindeye.models.architecture import read_architecture
from mindeye.models.saved import ARCHITECTURE_FILE, new_decoder
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.token_fit import require_tokens
from mindeye.reconstruction.opening import index_of, open_artist, open_run, require_drawable
from mindeye.reconstruction.picture_folder import Reconstruction
from mindeye.reconstruction.pipeline import reconstruct
from mindeye.reconstruction.prior_sampler import num_noises, prior_sampler, sampler_of
from mindeye.reconstruction.settings import (
    DRAWING_QUIRKS,
    ReconstructionConfig,
    published_settings,
)
from mindeye.run import RunFolder
from mindeye.targets.vae import load_vae
from mindeye.types import RepeatBatch
from mindeye.verbs.device import require_device
from mindeye.verbs.switched_on import switched_on


@dataclass(frozen=True, kw_only=True)
class ReconstructionPlan:
    """What a reconstruction will draw and how much room it takes."""

    subject: int
    split: str
    num_images: int
    num_candidates: int
    side: int
    """Of a picture, in pixels."""
    is_blended: bool
    """Whether the chosen pictures are kept beside the candidates."""
    simulated: dict | None
    generator: str = "scenes"

    @property
    def num_pictures(self) -> int:
        """Blurry ones not counted: they are decoded, not drawn."""
        return self.num_images * self.num_candidates

    @property
    def num_bytes(self) -> int:
        """The most that lies on the disk at once, in raw pixels.

        Candidates and blurry pictures stand in the parts and, for a moment, in the file that
        joins them; the chosen and the blurry ones are PNGs too.
        """
        stacks = 2 * (self.num_pictures + self.num_images) + self.is_blended * self.num_images
        return 3 * self.side**2 * (stacks + 2 * self.num_images)

    @property
    def lines(self) -> tuple[str, ...]:
        """The same for the screen."""
        candidates = f"{self.num_candidates:,} candidates for each"
        return (
            f"{self.num_images:,} {self.split} images of subject {self.subject}",
            f"{candidates}: {self.num_pictures:,} pictures to draw",
            *(f"{self.generator}: {need}" for need in facts_of(self.generator).needs),
            f"about {self.num_bytes / 1e6:.1f} MB of disk, pictures {self.side} pixels wide. "
            "Nothing was written.",
        )


def settings_for(
    run_path: Path, compat: str | None, given: Mapping[str, Any]
) -> ReconstructionConfig:
    """What is given, and for the rest what the system published that `compat` or the run names.

    Raises:
        FileNotFoundError: this is no run folder.
        LookupError: an unknown system.
        ValueError: a value out of its range.
    """
    system = RunFolder(path=run_path).quirks().compat if compat is None else compat
    return replace(published_settings(system), **given)


def reconstruct_run(
    run_path: Path,
    out: Path,
    config: ReconstructionConfig,
    *,
    subject: int | None = None,
    data: Path | None = None,
    split: str = "test",
    num_images: int | None = None,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    generator_source: Path | None = None,
    execution: GeneratorExecution = PLAIN,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Draws images of one split, all or `num_images` drawn at random by `config.seed`.

    Args:
        generator_source, execution: of the generator, see `open_generator`.
        compat, quirk_settings: change the run's quirks, see `quirks_from`; those that
            `config.quirks` names are on in any case. They do not change the numbers of `config`.
    """
    require_device(device)
    config = settled_config(run_path, config, compat, quirk_settings)
    run = open_run(run_path, subject=subject, data=data, device=device)
    scans = scans_of(run.prepared, split, num_images, config.seed)
    options = {"source": generator_source, "execution": execution}
    artist = open_artist(run, device, generator=config.generator, **options)
    # Before anything is decoded.
    generator, decoder = artist.generator, run.decoder.architecture
    require_tokens(generator.identity, generator.token_shape, decoder.token_shape)
    return reconstruct(
        decode(run.decoder, scans, averaged_outputs="averaged_outputs" in config.quirks),
        artist,
        config,
        out,
        sample_tokens=prior_sampler(run.decoder.prior, config),
        about={**run.about, "split": split, "system": "mindeye", "quirks": list(config.quirks)},
        progress=progress,
    )


def plan_reconstruction(
    run_path: Path,
    config: ReconstructionConfig,
    *,
    subject: int | None = None,
    data: Path | None = None,
    split: str = "test",
    num_images: int | None = None,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    generator_source: Path | None = None,
) -> ReconstructionPlan:
    """Counts what `reconstruct_run` would draw; reads manifests, decodes and writes nothing.

    Raises:
        FileNotFoundError: no run, an unfinished one, or its prepared folder is gone.
        LookupError: a subject that the run was not trained on, an unknown quirk or sampler.
        ValueError: more images asked for than there are, steps that do not fit the sampler, or a
            generator of other tokens.
    """
    config = settled_config(run_path, config, compat, quirk_settings)
    folder = RunFolder(path=run_path)
    provenance = folder.provenance()
    index = index_of(run_path, provenance, subject)
    manifest = PreparedSubject(data or Path(provenance["paths"]["data"][index])).manifest
    shape = read_architecture(run_path / ARCHITECTURE_FILE).token_shape
    require_drawable(config.generator, generator_source, shape, provenance)
    vae = load_vae(provenance["paths"]["vae"])
    total = manifest["splits"][split]["num_images"]
    _require_images(manifest, split, total)
    return ReconstructionPlan(
        subject=provenance["data"][index]["subject"],
        split=split,
        num_images=_count_of(num_images, total),
        num_candidates=config.candidates,
        side=facts_of(config.generator).side or vae.latent_shape[-1] * vae.factor,
        is_blended="blended_with_blurry" in config.quirks,
        simulated=manifest["simulated"],
        generator=config.generator,
    )


def scans_of(
    prepared: PreparedSubject, split: str, num_images: int | None, seed: int
) -> RepeatBatch:
    """All images of a split, or some drawn at random by seed; ascending image ids.

    Settings are chosen on `validation`, so that `test` judges what it has not helped to choose.

    Raises:
        ValueError: more images asked for than there are.
    """
    scans = prepared.repeats(split)
    total = len(scans.image_ids)
    _require_images(prepared.manifest, split, total)
    if num_images is None:
        return scans
    count = _count_of(num_images, total)
    rows = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(total)[:count]))
    return RepeatBatch(
        subject=scans.subject,
        betas=scans.betas[rows],
        present=scans.present[rows],
        image_ids=scans.image_ids[rows],
    )


def settled_config(
    run_path: Path,
    config: ReconstructionConfig,
    compat: str | None,
    quirk_settings: Sequence[str],
) -> ReconstructionConfig:
    """The configuration with its quirks, refused before anything is opened or written."""
    folder = RunFolder(path=run_path)
    on = switched_on(folder, compat, quirk_settings, DRAWING_QUIRKS)
    quirks = tuple(name for name in DRAWING_QUIRKS if name in (*on, *config.quirks))
    config = replace(config, quirks=quirks)
    folder.require_finished()
    with torch.device("meta"):
        prior = new_decoder(run_path).prior
    num_noises(sampler_of(config), config.prior_steps, prior.config.train_times)
    return config


def _require_images(manifest: Mapping[str, Any], split: str, total: int) -> None:
    """Refuses a split that data which only test do not have."""
    if not total:
        raise ValueError(
            f"{manifest['protocol']} has no {split} images: it only tests. Leave --split out."
        )


def _count_of(num_images: int | None, total: int) -> int:
    """How many of the test images: those asked for, or all."""
    if num_images is None:
        return total
    if not 2 <= num_images <= total:
        raise ValueError(
            f"{num_images} test images asked for, but this subject has {total}. "
            f"Choose from 2 to {total}."
        )
    return num_images
