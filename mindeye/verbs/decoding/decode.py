"""`mindeye decode`: a saved scan -> pictures, embeddings and a page that compares it with noise."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.config import to_mapping
from mindeye.data.scans.results import FAILED, CheckResult
from mindeye.data.scans.table import Trial
from mindeye.files import read_json
from mindeye.reconstruction.decoded_folder import decode_images
from mindeye.reconstruction.decoder_run import DecoderRun, open_decoder
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.image_decoder import ImageDecoder
from mindeye.reconstruction.picture_folder import begin_folder
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.verbs.decoding.decode_gallery import open_gallery
from mindeye.verbs.decoding.decode_results import SUMMARY, DecodeSummary, write_results
from mindeye.verbs.decoding.decoded_scan import DecodedScan, TrialLine
from mindeye.verbs.decoding.scan_source import (
    ScanSource,
    about_scan,
    checked_scan,
    chosen_images,
    ids_known,
    with_zscores,
    zscored_trials,
)
from mindeye.verbs.device import require_device
from mindeye.verbs.drawing.scans import settled_config


@dataclass(frozen=True, kw_only=True)
class DecodePlan:
    """What a decoding will do."""

    checks: tuple[CheckResult, ...]
    num_trials: int
    num_images: int
    num_candidates: int
    num_bytes: int
    notes: tuple[str, ...]
    simulated: Mapping[str, Any] | None

    @property
    def lines(self) -> tuple[str, ...]:
        """The same for the screen."""
        checks = (f"{one.status} {one.name}: {one.text}" for one in self.checks)
        drawn = self.num_images * self.num_candidates
        return (
            *checks,
            *self.notes,
            f"{self.num_trials:,} trials of {self.num_images:,} images: {drawn:,} pictures to draw",
            f"about {self.num_bytes / 1e6:.1f} MB of disk. Nothing was written.",
        )


def decode_scan(
    run_path: Path,
    source: ScanSource,
    out: Path,
    config: ReconstructionConfig,
    *,
    subject: int | None = None,
    gallery: Path | None = None,
    num_images: int | None = None,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    generator_source: Path | None = None,
    execution: GeneratorExecution = PLAIN,
    given: GivenNetworks = NONE_GIVEN,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> DecodeSummary:
    """Decodes a scan into `out`; a rerun goes on where it stopped.

    Args:
        gallery: a prepared folder, among whose images each scan is looked for.
        num_images: so many, drawn at random by `config.seed`; None: all.
        generator_source, execution: of the generator, see `open_generator`.
        given: what a converted run does not name.

    Raises:
        ValueError: a check failed that is not forced, or `out` holds something else; nothing was
            written.
    """
    require_device(device)
    config = settled_config(run_path, config, compat, quirk_settings)
    options = {"generator": config.generator, "source": generator_source, "execution": execution}
    options["given"] = given
    run = open_decoder(run_path, subject=subject, device=device, **options)
    scan, checks = checked_scan(source, run.bundle)
    zscored, by = zscored_trials(scan, run.bundle, source.statistics)
    found = None if gallery is None else open_gallery(gallery, run)
    trials = scan.trials.rows if found is None else found.identified(scan.trials.rows)
    rows_of = with_zscores(chosen_images(trials, num_images, config.seed), by)
    told = about_scan(scan, source, zscored)
    about = {**run.about, "scan": told}
    if found is not None:
        about["gallery"] = found.identity
    begin_folder(out, identity_of(run, config, list(rows_of), about))
    if (out / SUMMARY).exists():
        return finished_summary(out)
    decoder = ImageDecoder(run, config)
    repeats_of = {number: zscored[rows] for number, rows in rows_of.items()}
    decoded = DecodedScan(
        decoder=decoder,
        arrays=decode_images(decoder, repeats_of, out, progress),
        repeats_of=repeats_of,
        trials=trial_lines(trials, rows_of, by),
        image_ids_known=ids_known(trials),
        checks=checks,
        about=run.about,
        scan={**told, "quirks": list(config.quirks)},
        notes=notes_of(run, checks),
    )
    return write_results(out, decoded, found)


def plan_decode(
    run_path: Path,
    source: ScanSource,
    config: ReconstructionConfig,
    *,
    subject: int | None = None,
    num_images: int | None = None,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    generator_source: Path | None = None,
    execution: GeneratorExecution = PLAIN,
    given: GivenNetworks = NONE_GIVEN,
) -> DecodePlan:
    """Reads and checks the scan, and counts what `decode_scan` would draw; writes nothing.

    Raises:
        ValueError: as `decode_scan`.
    """
    config = settled_config(run_path, config, compat, quirk_settings)
    options = {"generator": config.generator, "source": generator_source, "execution": execution}
    options["given"] = given
    run = open_decoder(run_path, subject=subject, **options)
    scan, checks = checked_scan(source, run.bundle)
    _, by = zscored_trials(scan, run.bundle, source.statistics)
    rows_of = chosen_images(scan.trials.rows, num_images, config.seed)
    rows_of = with_zscores(rows_of, by)
    tokens = int(np.prod(run.decoder.architecture.token_shape))
    # Brain tokens, image tokens and embedding; for a moment also in the parts.
    num_bytes = 2 * len(rows_of) * 3 * tokens * 4
    if run.artist is not None:
        num_bytes += 4 * len(rows_of) * 3 * run.generator.side**2
    return DecodePlan(
        checks=checks,
        num_trials=len(scan.betas),
        num_images=len(rows_of),
        num_candidates=0 if run.artist is None else config.candidates,
        num_bytes=num_bytes,
        notes=notes_of(run, checks),
        simulated=run.about["simulated"],
    )


def trial_lines(
    trials: Sequence[Trial], rows_of: Mapping[int, Sequence[int]], by: Sequence[str]
) -> list[TrialLine]:
    """All trials of the scan, also those of images that were not drawn."""
    number_of = {row: number for number, rows in rows_of.items() for row in rows}
    return [
        TrialLine(
            number=number_of.get(row),
            cells=(
                *(trial.trial, trial.name, trial.image_id, trial.session, trial.run, trial.repeat),
                by[row],
            ),
        )
        for row, trial in enumerate(trials)
    ]


def identity_of(
    run: DecoderRun, config: ReconstructionConfig, numbers: Sequence[int], about: Mapping[str, Any]
) -> dict[str, Any]:
    """What `begin_folder` compares."""
    return {
        "settings": to_mapping(config),
        "generator": None if run.generator is None else run.generator.identity,
        "image_ids": list(numbers),
        "about": dict(about),
    }


def notes_of(run: DecoderRun, checks: Sequence[CheckResult]) -> tuple[str, ...]:
    """What a reader must know: what the run cannot give, and which failed checks were forced."""
    forced = (
        f"The check `{one.name}` failed and was forced: {one.text}"
        for one in checks
        if one.status == FAILED
    )
    return (*([run.limits] if run.limits else []), *forced)


def finished_summary(out: Path) -> DecodeSummary:
    """What was said when this folder was finished."""
    saved = read_json(out / SUMMARY)
    names = ("verdict", "notes", "num_pictures", "simulated")
    return DecodeSummary(**{name: saved[name] for name in names})
