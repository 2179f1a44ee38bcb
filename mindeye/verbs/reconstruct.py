"""`mindeye reconstruct`: a run's test scans -> pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindeye.reconstruction.converted_run import require_held_out
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.drawing import Artist
from mindeye.reconstruction.drawing_memory import batch_for
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.token_fit import require_tokens
from mindeye.reconstruction.opening import OpenRun, open_artist, open_run
from mindeye.reconstruction.picture_folder import Reconstruction
from mindeye.reconstruction.pipeline import reconstruct
from mindeye.reconstruction.prior_sampler import prior_sampler
from mindeye.reconstruction.settings import (
    UNASKED,
    BatchAsked,
    ReconstructionConfig,
)
from mindeye.types import Decoded
from mindeye.verbs.device import require_device
from mindeye.verbs.drawing.beside import BesideAsked, opened_beside
from mindeye.verbs.drawing.scans import TEST_SCANS, ScansAsked, scans_of, settled_config


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
    scans: ScansAsked = TEST_SCANS,
    *,
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
    whose = {"subject": scans.subject, "data": scans.data, "given": scans.given}
    run = open_run(run_path, device=device, **whose)
    require_held_out(run_path, run.provenance, scans.split)
    chosen = scans_of(run.prepared, scans.split, scans.num_images, config.seed)
    options = {"source": generator_source, "execution": execution}
    artist = open_artist(run, device, generator=config.generator, **options)
    # Before anything is decoded.
    generator, decoder = artist.generator, run.decoder.architecture
    require_tokens(generator.identity, generator.token_shape, decoder.token_shape)
    decoded = decode(run.decoder, chosen, averaged_outputs="averaged_outputs" in config.quirks)
    return Drawing(
        run=run,
        artist=artist,
        decoded=decoded,
        split=scans.split,
        device=device,
        batch=batch,
    )


def reconstruct_run(
    run_path: Path,
    out: Path,
    config: ReconstructionConfig,
    scans: ScansAsked = TEST_SCANS,
    *,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    device: str = "cpu",
    beside: BesideAsked | None = None,
    progress: Callable[[int, int], None] | None = None,
    **how: Any,
) -> Reconstruction:
    """Draws images of one split, all or some drawn at random by `config.seed`.

    Args:
        compat, quirk_settings: change the run's quirks, see `quirks_from`; those that
            `config.quirks` names are on in any case. They do not change the numbers of `config`.
        beside: None: contact sheets alone.
        how: generator_source, execution and batch, see `opened_drawing`.
    """
    require_device(device)
    config = settled_config(run_path, config, compat, quirk_settings)
    drawing = opened_drawing(run_path, config, scans, device=device, **how)
    return drawing.into(out, config, beside or BesideAsked(), progress)
