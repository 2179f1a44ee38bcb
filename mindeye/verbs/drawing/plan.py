"""What `mindeye reconstruct` would draw and how much room it takes, counted beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindeye.data.batches import PreparedSubject
from mindeye.models.architecture import read_architecture
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.reconstruction.converted_run import provenance_of_run, require_held_out
from mindeye.reconstruction.drawing import num_pictures
from mindeye.reconstruction.generators.catalogue import facts_of
from mindeye.reconstruction.given_networks import NONE_GIVEN
from mindeye.reconstruction.opening import require_drawable
from mindeye.reconstruction.run_networks import require_possible
from mindeye.reconstruction.run_scans import index_of
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.run import RunFolder
from mindeye.targets.vae import load_vae
from mindeye.verbs.drawing.scans import (
    TEST_SCANS,
    ScansAsked,
    count_of,
    require_images,
    settled_config,
)
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
    folders: tuple[str, ...] = ()
    """Of a sweep of strengths, where each is drawn into; else there is one folder."""
    notes: tuple[str, ...] = ()

    @property
    def num_pictures(self) -> int:
        """Blurry ones not counted: they are decoded, not drawn."""
        return max(1, len(self.folders)) * self.num_images * self.pictures_per_image

    @property
    def num_bytes(self) -> int:
        """The most that lies on the disk at once, in raw pixels and tokens.

        Candidates, blurry pictures and tokens stand in the parts and, for a moment, in the file
        that joins them; the chosen and the blurry ones are PNGs too, and most are on a sheet. A
        sweep is counted as if all of its folders were at that moment.
        """
        drawn = self.num_images * self.pictures_per_image
        stacks = 2 * (drawn + (1 + self.is_blended) * self.num_images)
        tokens = 2 * self.num_images * (self.num_candidates + 1) * self.token_bytes
        pictures = 3 * self.side**2 * (stacks + 2 * self.num_images)
        sheets = bytes_of_sheets(self.num_images, self.pictures_per_image)
        return max(1, len(self.folders)) * (pictures + tokens + sheets)

    @property
    def lines(self) -> tuple[str, ...]:
        """The same for the screen."""
        candidates = f"{self.num_candidates:,} candidates for each"
        if self.pictures_per_image != self.num_candidates:
            candidates += ", averaged before drawing"
        if self.folders:
            candidates += f", at each of {len(self.folders)} strengths"
        return (
            f"{self.num_images:,} {self.split} images of subject {self.subject}",
            f"{candidates}: {self.num_pictures:,} pictures to draw",
            *([f"folders: {', '.join(self.folders)}"] if self.folders else []),
            *self.notes,
            *(f"{self.generator}: {need}" for need in facts_of(self.generator).needs),
            f"about {self.num_bytes / 1e6:.1f} MB of disk, pictures {self.side} pixels wide. "
            "Nothing was written.",
        )


def plan_reconstruction(
    run_path: Path,
    config: ReconstructionConfig,
    scans: ScansAsked = TEST_SCANS,
    *,
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
    provenance = provenance_of_run(folder, scans.given, scans.data)
    index = index_of(run_path, provenance, scans.subject)
    require_held_out(run_path, provenance, scans.split)
    manifest = PreparedSubject(scans.data or Path(provenance["paths"]["data"][index])).manifest
    shape = read_architecture(run_path / ARCHITECTURE_FILE).token_shape
    require_drawable(config.generator, generator_source, shape, provenance)
    vae = load_vae(provenance["paths"]["vae"])
    if scans.given != NONE_GIVEN:
        require_possible(folder, provenance, vae)
    total = manifest["splits"][scans.split]["num_images"]
    require_images(manifest, scans.split, total)
    return ReconstructionPlan(
        subject=provenance["data"][index]["subject"],
        split=scans.split,
        num_images=count_of(scans.num_images, total),
        num_candidates=config.candidates,
        pictures_per_image=num_pictures(config),
        side=facts_of(config.generator).side or vae.latent_shape[-1] * vae.factor,
        token_bytes=2 * int(np.prod(shape)),
        is_blended="blended_with_blurry" in config.quirks,
        simulated=manifest["simulated"],
        generator=config.generator,
    )
