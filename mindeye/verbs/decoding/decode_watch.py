"""`mindeye decode --watch`: decodes trials as their files arrive, until it is told to stop."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from mindeye.files import load_arrays
from mindeye.reconstruction.decoded_folder import (
    joined_parts,
    part_path,
    save_part,
    write_pictures,
)
from mindeye.reconstruction.decoder_run import DecoderRun, open_decoder
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.picture_folder import begin_folder
from mindeye.reconstruction.running_statistics import WARM_UP
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.reconstruction.streaming import StreamedTrial, StreamingDecoder
from mindeye.verbs.decoding.arrivals import Arrivals
from mindeye.verbs.decoding.decode import identity_of, notes_of
from mindeye.verbs.decoding.decode_results import DecodeSummary, write_results
from mindeye.verbs.decoding.decoded_scan import DecodedScan, TrialLine
from mindeye.verbs.decoding.scan_source import ScanSource, checked_scan
from mindeye.verbs.device import require_device
from mindeye.verbs.drawing.scans import settled_config

STATE = "stream.safetensors"
POLL_S = 0.2
# How a part says what its trial was z-scored with.
ZSCORED_BY = ("none", "train", "running")


def watch_folder(
    run_path: Path,
    folder: Path,
    out: Path,
    config: ReconstructionConfig,
    *,
    source: ScanSource,
    warm_up: int = WARM_UP,
    subject: int | None = None,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    generator_source: Path | None = None,
    execution: GeneratorExecution = PLAIN,
    given: GivenNetworks = NONE_GIVEN,
    device: str = "cpu",
    poll_s: float = POLL_S,
    on_trial: Callable[[StreamedTrial], None] | None = None,
) -> DecodeSummary | None:
    """Decodes each file of `folder` (one trial) as it arrives; a rerun goes on after the last.

    Ends at a file named STOP or a KeyboardInterrupt (which is raised again); then the page of all
    trials so far is written.

    Args:
        source: how a file is to be read; its `paths` are not used. Without units, betas are in
            percent signal change: one trial is too few to find out.
        generator_source, execution: of the generator, see `open_generator`.
        given: what a converted run does not name.

    Returns:
        None if no trial was decoded.

    Raises:
        ValueError: a file that cannot be decoded. What came before it is kept.
    """
    require_device(device)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}. Make it before anything arrives.")
    config = settled_config(run_path, config, compat, quirk_settings)
    options = {"generator": config.generator, "source": generator_source, "execution": execution}
    options["given"] = given
    run = open_decoder(run_path, subject=subject, device=device, **options)
    units = "z" if source.units == "z" else "psc"
    stream = StreamingDecoder(
        run, config, statistics=source.statistics, units=units, warm_up=warm_up
    )
    about = {**run.about, "statistics": source.statistics, "units": units, "warm_up": warm_up}
    begin_folder(out, identity_of(run, config, [], about))
    if (out / STATE).exists():
        stream.restore(out / STATE)
    arrivals = Arrivals(folder, seen=stream.names)
    try:
        for path in _until_stopped(arrivals, poll_s):
            trial = _decoded(stream, path, source)
            _keep(out, trial)
            stream.save(out / STATE)
            if on_trial:
                on_trial(trial)
    except KeyboardInterrupt:
        # What was interrupted may stand in the stream and not on the disk.
        if (out / STATE).exists():
            stream.restore(out / STATE)
            _finish(out, stream)
        raise
    summary = _finish(out, stream)
    arrivals.require_nothing_left()
    return summary


def read_trial(path: Path, run: DecoderRun, source: ScanSource) -> Float32[np.ndarray, "voxels"]:
    """The betas of a file that holds one trial, checked as any scan.

    Raises:
        ValueError: a failed check, or several trials.
    """
    one = replace(source, paths=(path,), units=source.units or "psc")
    scan, _ = checked_scan(one, run.bundle)
    betas = scan.betas
    if len(betas) != 1:
        raise ValueError(
            f"{path} holds {len(betas)} trials. Save each trial as a file, or decode the whole "
            "scan without --watch."
        )
    return betas[0]


def _until_stopped(arrivals: Arrivals, poll_s: float) -> Iterator[Path]:
    while True:
        # Asked before looking: what was complete when STOP came is still decoded.
        stopped = arrivals.is_stopped
        yield from arrivals.ready()
        if stopped and not arrivals.may_still_be_read():
            return
        time.sleep(poll_s)


def _decoded(stream: StreamingDecoder, path: Path, source: ScanSource) -> StreamedTrial:
    try:
        started = time.perf_counter()
        betas = read_trial(path, stream.run, source)
        seconds = {"read": time.perf_counter() - started}
        trial = stream.add(betas, path.name)
        return replace(trial, seconds={**seconds, **trial.seconds})
    except ValueError as error:
        raise ValueError(
            f"{path.name} cannot be decoded: {error} Mend it or move it away, and run the same "
            "command again: it goes on from here."
        ) from error


def _keep(out: Path, trial: StreamedTrial) -> None:
    """Pictures first, where they are looked for; all of it is the same when it is done again."""
    write_pictures(out, trial.arrays)
    arrays = trial.arrays or {"image_ids": np.array([trial.trial])}
    told = {"zscored": trial.zscored[None], "by": np.array([ZSCORED_BY.index(trial.statistics)])}
    save_part(out, trial.trial, {**arrays, **told}, trial.seconds)


def _finish(out: Path, stream: StreamingDecoder) -> DecodeSummary | None:
    """The page of all trials so far."""
    parts = (load_arrays(part_path(out, number)) for number in range(len(stream.names)))
    by = [ZSCORED_BY[int(part["by"][0])] for part in parts]
    numbers = [number for number, one in enumerate(by) if one != "none"]
    if not numbers:
        return None
    arrays = joined_parts(out, numbers)
    decoded = DecodedScan(
        decoder=stream.decoder,
        arrays=arrays,
        repeats_of={number: one[None] for number, one in zip(numbers, arrays["zscored"])},
        trials=[
            TrialLine(
                number=number if one != "none" else None,
                cells=(number, name, None, None, None, 0, one),
            )
            for number, (name, one) in enumerate(zip(stream.names, by))
        ],
        image_ids_known=False,
        checks=(),
        about=stream.run.about,
        scan={
            "arrived": f"{len(stream.names)} files, {stream.names[0]} to {stream.names[-1]}",
            "units": stream.units,
            "statistics": stream.statistics,
            **{f"z-scored by {one}": by.count(one) for one in dict.fromkeys(by)},
            "quirks": list(stream.decoder.config.quirks),
        },
        notes=notes_of(stream.run, ()),
    )
    return write_results(out, decoded, None, keep_parts=True)
