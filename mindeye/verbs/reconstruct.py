"""`mindeye reconstruct`: a run's test scans -> pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.data.batches import PreparedSubject
from mindeye.models.architecture import read_architecture
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.drawing import Artist, num_pictures
from mindeye.reconstruction.drawing_memory import batch_for
from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.token_fit import require_tokens
from mindeye.reconstruction.opening import (
    OpenRun,
    index_of,
    open_artist,
    open_run,
    require_drawable,
)
from mindeye.reconstruction.picture_folder import Reconstruction
from mindeye.reconstruction.pipeline import reconstruct
from mindeye.reconstruction.prior_sampler import prior_sampler
from mindeye.reconstruction.settings import (
    UNASKED,
    BatchAsked,
    ReconstructionConfig,
    published_settings,
)
from mindeye.run import RunFolder
from mindeye.targets.vae import load_vae
from mindeye.types import Decoded
from mindeye.verbs.device import require_device
from mindeye.verbs.drawing.beside import BesideAsked, opened_beside
from mindeye.verbs.drawing.scans import count_of, require_images, scans_of, settled_config
from mindeye.verbs.drawing.sheets import bytes_of_sheets


@dataclass(frozen=True, kw_only=True)
class ReconstructionPlan:
    """What a reconstruction will draw and how much room it takes."""

    subject: int
    split: str
    num_images: int
    num_candidates: int
    pictures_per_image: int
    side: int
    """Of a picture, in pixels."""
    token_bytes: int
    """Of the image tokens of a candidate, as they are kept."""
    is_blended: bool
    """Whether the chosen pictures are kept beside the candidates."""
    simulated: dict | None
    generator: str = "scenes"

    @property
    def num_pictures(self) -> int:
        """Blurry ones not counted: they are decoded, not drawn."""
        return self.num_images * self.pictures_per_image

    @property
    def num_bytes(self) -> int:
        """The most that lies on the disk at once, in raw pixels and tokens.

        Candidates, blurry pictures and tokens stand in the parts and, for a moment, in the file
        that joins them; the chosen and the blurry ones are PNGs too, and most are on a sheet.
        """
        stacks = 2 * (self.num_pictures + (1 + self.is_blended) * self.num_images)
        tokens = 2 * self.num_images * (self.num_candidates + 1) * self.token_bytes
        pictures = 3 * self.side**2 * (stacks + 2 * self.num_images)
        return pictures + tokens + bytes_of_sheets(self.num_images, self.pictures_per_image)

    @property
    def lines(self) -> tuple[str, ...]:
        """The same for the screen."""
        candidates = f"{self.num_candidates:,} candidates for each"
        if self.pictures_per_image != self.num_candidates:
            candidates += ", averaged before drawing"
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


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Everything that is needed to draw a split, opened once for any number of settings."""

    run: OpenRun
    artist: Artist
    decoded: Decoded
    split: str
    device: str
    batch: BatchAsked

    def into(
        self,
        out: Path,
        config: ReconstructionConfig,
        asked: BesideAsked,
        progress: Callable[[int, int], None] | None,
    ) -> Reconstruction:
        """Draws into a folder, with what is asked for beside the pictures."""
        generator, about = self.artist.generator.identity, self.run.about
        ids = self.decoded.image_ids.tolist()
        beside = opened_beside(asked, self.run, config, generator, ids, self.split, self.device)
        sample = prior_sampler(self.run.decoder.prior, config)
        quirks = list(config.quirks)
        drawn = reconstruct(
            self.decoded,
            self.artist,
            config,
            out,
            sample_tokens=sample,
            about={**about, "split": self.split, "system": "mindeye", "quirks": quirks},
            batch=batch_for(self.batch, out, self.decoded, self.artist, config, sample),
            progress=progress,
        )
        beside.write(out, drawn)
        return drawn


def opened_drawing(
    run_path: Path,
    config: ReconstructionConfig,
    *,
    subject: int | None = None,
    data: Path | None = None,
    split: str = "test",
    num_images: int | None = None,
    generator_source: Path | None = None,
    execution: GeneratorExecution = PLAIN,
    device: str = "cpu",
    batch: BatchAsked = UNASKED,
) -> Drawing:
    """Opens a run with its generator, and decodes the scans.

    Args:
        generator_source, execution: of the generator, see `open_generator`.

    Raises:
        ValueError: a generator of other tokens.
    """
    run = open_run(run_path, subject=subject, data=data, device=device)
    scans = scans_of(run.prepared, split, num_images, config.seed)
    options = {"source": generator_source, "execution": execution}
    artist = open_artist(run, device, generator=config.generator, **options)
    # Before anything is decoded.
    generator, decoder = artist.generator, run.decoder.architecture
    require_tokens(generator.identity, generator.token_shape, decoder.token_shape)
    return Drawing(
        run=run,
        artist=artist,
        decoded=decode(run.decoder, scans, averaged_outputs="averaged_outputs" in config.quirks),
        split=split,
        device=device,
        batch=batch,
    )


def reconstruct_run(
    run_path: Path,
    out: Path,
    config: ReconstructionConfig,
    *,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    device: str = "cpu",
    beside: BesideAsked | None = None,
    progress: Callable[[int, int], None] | None = None,
    **chosen: Any,
) -> Reconstruction:
    """Draws images of one split, all or `num_images` drawn at random by `config.seed`.

    Args:
        compat, quirk_settings: change the run's quirks, see `quirks_from`; those that
            `config.quirks` names are on in any case. They do not change the numbers of `config`.
        beside: None: contact sheets alone.
        chosen: subject, data, split and the like, see `opened_drawing`.
    """
    require_device(device)
    config = settled_config(run_path, config, compat, quirk_settings)
    drawing = opened_drawing(run_path, config, device=device, **chosen)
    return drawing.into(out, config, beside or BesideAsked(), progress)


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
        ValueError: more images than there are, misfit steps, or a generator of other tokens.
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
    require_images(manifest, split, total)
    return ReconstructionPlan(
        subject=provenance["data"][index]["subject"],
        split=split,
        num_images=count_of(num_images, total),
        num_candidates=config.candidates,
        pictures_per_image=num_pictures(config),
        side=facts_of(config.generator).side or vae.latent_shape[-1] * vae.factor,
        token_bytes=2 * int(np.prod(shape)),
        is_blended="blended_with_blurry" in config.quirks,
        simulated=manifest["simulated"],
        generator=config.generator,
    )
