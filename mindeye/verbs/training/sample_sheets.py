"""Sample reconstructions of validation images while a training runs, epoch by epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from mindeye.data.batches import PreparedSubject
from mindeye.pictures import as_pictures, save_png
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.reconstruction.pipeline import Artist, draw_block
from mindeye.reconstruction.prior_sampler import prior_sampler
from mindeye.reconstruction.settings import (
    DRAWING_QUIRKS,
    ReconstructionConfig,
    published_settings,
)
from mindeye.report.banner import SIMULATED
from mindeye.report.grids import PAGE_SIDE, contact_sheet
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.state import TrainingState
from mindeye.training.subjects import Subject
from mindeye.training.watching import Watcher
from mindeye.types import RepeatBatch

Show = Callable[[str, UInt8[np.ndarray, "height width 3"], int], None]


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    images: int
    """So many validation images of the first subject, drawn at random by the run's seed."""
    every: int = 10
    """Epochs between two sheets; the last epoch has one in any case, also if it ends early."""

    def __post_init__(self) -> None:
        if self.images < 1 or self.every < 1:
            raise ValueError(
                f"{self.images} sample images every {self.every} epochs asked for. "
                "Choose 1 or more of both, or leave --samples out."
            )


class SampleSheets(Watcher):
    """Writes RUN/samples/epoch_NNN.png: a line of what was seen, one blurry, one reconstructed.

    The noise of an image is the same in every epoch, so that sheets show what was learned since.
    Reconstructions are left out where the generator does not draw the CLIP that is learned.

    Args:
        show: also gets each sheet, with a title and the step.
    """

    def __init__(self, settings: SampleSettings, show: Show) -> None:
        self.settings = settings
        self.show = show

    def asks(self, config: ExperimentConfig, prepared: Sequence[PreparedSubject]) -> None:
        """Counts the validation images.

        Raises:
            ValueError: there are fewer than asked for.
        """
        subject, count = prepared[0], self.settings.images
        total = subject.manifest["splits"]["validation"]["num_images"]
        if count > total:
            raise ValueError(
                f"{count} sample images asked for, but subject {subject.subject} has {total} "
                f"validation images. Choose {total} or fewer with --samples."
            )

    def begins(self, state: TrainingState, first: int) -> None:
        """Chooses the images.

        Raises:
            ValueError: nothing that could be drawn, or weights of which this process holds a part.
        """
        if state.is_sharded:
            raise ValueError(
                f"The weights lie in {state.accelerator.num_processes} processes, but samples are "
                "drawn in one. Leave --samples out, or train without sharding."
            )
        self.state = state
        subject, networks = next(iter(state.material.subjects.values())), state.material.networks
        self.scans = chosen(subject, self.settings.images, state.config.seed)
        self.seen = reduced(as_pictures(subject.pictures(self.scans.image_ids)))
        self.simulated = subject.prepared.manifest["simulated"] is not None
        generator = load_scenes_generator(networks.vae, device=state.accelerator.device)
        self.artist = Artist(clip=networks.clip, vae=networks.vae, generator=generator)
        self.draws = tuple(generator.network.mean.shape) == networks.clip.token_shape
        if not self.draws and state.decoder.low_level is None:
            raise ValueError(
                f"There is nothing to show: {generator.identity} does not draw tokens of "
                f"{networks.clip.identity}, and this decoder has no low-level head. "
                "Leave --samples out."
            )

    def epoch_ended(self, epoch: int, step: int, *, is_last: bool) -> None:
        """Draws, writes and shows a sheet, where one is due."""
        if epoch % self.settings.every and not is_last:
            return
        note = f"epoch {epoch}, validation images of subject {self.scans.subject}"
        sheet = contact_sheet(
            {"seen": self.seen, **self._drawn()},
            f"{note}. {SIMULATED}" if self.simulated else note,
        )
        save_png(sheet, self.state.run.path / "samples" / f"epoch_{epoch:03d}.png")
        self.show("samples", sheet, step)

    @torch.inference_mode()
    def _drawn(self) -> dict[str, np.ndarray]:
        decoder, config = self.state.decoder, drawing_settings(self.state.config)
        averaged = "averaged_outputs" in config.quirks
        decoded = decode(decoder, self.scans, averaged_outputs=averaged)
        if not self.draws:
            return {"blurry": as_pictures(self.artist.vae.images(decoded.latents))}
        block = draw_block(decoded, self.artist, config, prior_sampler(decoder.prior, config))
        blurry = {"blurry": block["blurry"]} if "blurry" in block else {}
        return {**blurry, "reconstruction": block["candidates"][:, 0]}


def chosen(subject: Subject, count: int, seed: int) -> RepeatBatch:
    """Some of a subject's validation images, in ascending order."""
    scans = subject.validation
    drawn = np.random.default_rng(seed).permutation(len(scans.image_ids))[:count]
    rows = torch.from_numpy(np.sort(drawn))
    return replace(
        scans,
        betas=scans.betas[rows],
        present=scans.present[rows],
        image_ids=scans.image_ids[rows],
    )


def drawing_settings(config: ExperimentConfig) -> ReconstructionConfig:
    """As `mindeye reconstruct` would draw this run, but for one candidate an image."""
    on = config.quirks.switched_on()
    quirks = tuple(name for name in DRAWING_QUIRKS if name in on)
    return replace(published_settings(config.quirks.compat), candidates=1, quirks=quirks)


def reduced(
    pictures: UInt8[np.ndarray, "images height width 3"],
) -> UInt8[np.ndarray, "images rows columns 3"]:
    """Pictures at most `PAGE_SIDE` wide and high."""
    images = [Image.fromarray(one) for one in pictures]
    for one in images:
        one.thumbnail((PAGE_SIDE, PAGE_SIDE), Image.Resampling.LANCZOS)
    return np.stack([np.asarray(one) for one in images])
