"""`mindeye scans`: its options, and what it says; imports nothing that is slow."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import add_verb

_ESTIMATE = "estimate betas"
_OF_SCAN = ("mask", "trials", "units", "orientation", "trust_pickle")
_OF_SERIES = ("space", "task", "events", "confounds", "high_pass_hz")


def scans_options(verbs) -> argparse.ArgumentParser:
    """`mindeye scans`."""
    about = "check whether a saved scan is what a model can decode; estimate betas of time series"
    example = "mindeye scans check betas.nii.gz --mask mask.nii.gz --run runs/one"
    verb = add_verb(verbs, "scans", about, example)
    what = "check: make the twelve checks; estimate: write betas of an fMRIPrep folder to --out"
    verb.add_argument("what", choices=["check", "estimate"], help=what)
    forms = "NIfTI, array, GLMsingle, CIFTI, GIFTI, MGH, or an fMRIPrep folder"
    verb.add_argument("scan", type=Path, nargs="+", help=forms)
    verb.add_argument("--run", type=Path, help="the run whose model the scan is for")
    verb.add_argument("--bundle", type=Path, help="or the voxel bundle of a model")
    verb.add_argument("--subject", type=int, help="of the run; default: its only one")
    add_scan_options(verb)
    verb.add_argument("--json", action="store_true", help="print the checks as JSON")
    verb.add_argument("--out", type=Path, help="of estimate: the new folder of the betas")
    return verb


def add_scan_options(verb: argparse.ArgumentParser) -> None:
    """What has to be said of a scan beside its files."""
    verb.add_argument("--mask", type=Path, help="the mask that it was made with")
    table = "tsv or csv, one row a trial, with `image_id` (from 0) or `name`"
    verb.add_argument("--trials", type=Path, help=table)
    units = "psc, nsd-int16 or z (default: psc, if it looks like it)"
    verb.add_argument("--units", help=units)
    orientation = "of an array: `trials x voxels` (default) or `voxels x trials`"
    verb.add_argument("--orientation", help=orientation)
    verb.add_argument("--trust-pickle", action="store_true", help="read GLMsingle's pickled .npy")
    about = "betas are estimated trial by trial with nilearn: pip install 'mindeye[glm]'"
    series = verb.add_argument_group("an fMRIPrep folder", about)
    series.add_argument("--space", help="as its files say, e.g. T1w (default: the only one)")
    series.add_argument("--task", help="as its files say (default: the only one)")
    events = "the raw BIDS folder, or the events.tsv of the only run (default: found around)"
    series.add_argument("--events", type=Path, help=events)
    confounds = "columns, also with * (default: trans_* and rot_* of motion, unsteady volumes)"
    series.add_argument("--confounds", nargs="+", metavar="NAME", help=confounds)
    drift = "slower drift is taken away (default: 0.01)"
    series.add_argument("--high-pass", dest="high_pass_hz", type=float, metavar="HZ", help=drift)


def given_scan_options(options: argparse.Namespace) -> dict[str, Any]:
    """What `read_scan` takes of these options."""
    told = {name: getattr(options, name) for name in _OF_SCAN}
    return {**told, "series": given_series(options), "progress": watch(_ESTIMATE)}


def given_series(options: argparse.Namespace):
    """What these options say of a folder of time series."""
    from mindeye.data.scans.series.request import SeriesRequest

    told = {name: getattr(options, name) for name in _OF_SERIES}
    told["confounds"] = tuple(told["confounds"]) if told["confounds"] else None
    return SeriesRequest(**told)


def given_series_names(options: argparse.Namespace) -> list[str]:
    """The options of a folder of time series that were given."""
    given = [name for name in _OF_SERIES if getattr(options, name) is not None]
    return [f"--{name.removesuffix('_hz').replace('_', '-')}" for name in given]


def perform_scans(options: argparse.Namespace) -> Iterator[str]:
    """Checks or estimates, and says what came of it; ends with 2 where a check failed."""
    if options.what == "estimate":
        yield from _estimate(options)
        return
    if options.out is not None:
        raise ValueError("--out is for `scans estimate`; a check writes nothing. Leave it out.")
    from mindeye.verbs.decoding.scans_check import check_saved_scan

    model = {"run": options.run, "bundle": options.bundle, "subject": options.subject}
    verdict = check_saved_scan(options.scan, **model, **given_scan_options(options))
    yield from [verdict.json] if options.json else verdict.lines
    if verdict.failed:
        sys.exit(2)


def _estimate(options: argparse.Namespace) -> Iterator[str]:
    """
    Raises:
        ValueError: no --out, several folders, or an option that would be ignored.
    """
    from mindeye.verbs.decoding.scans_estimate import estimate_scan

    names = ("run", "bundle", "subject", "trials", "units", "orientation", "trust_pickle", "json")
    # Subject 0 is given, although it equals False.
    told = {name: getattr(options, name) for name in names}
    named = [name for name, value in told.items() if value is not None and value is not False]
    given = [f"--{name.replace('_', '-')}" for name in named]
    if given:
        raise ValueError(f"`scans estimate` knows no model and takes no {' and no '.join(given)}.")
    if options.out is None or len(options.scan) > 1:
        raise ValueError("Give one fMRIPrep folder and --out DIR, a new folder for the betas.")
    progress = watch(_ESTIMATE)
    request = given_series(options)
    written = estimate_scan(
        options.scan[0], options.out, request, mask=options.mask, progress=progress
    )
    yield from written.lines
