"""`mindeye scans`: its options, and what it says; imports nothing that is slow."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.shared_options import add_verb


def scans_options(verbs) -> argparse.ArgumentParser:
    """`mindeye scans`."""
    about = "check whether a saved scan is what a model can decode"
    example = "mindeye scans check betas.nii.gz --mask mask.nii.gz --run runs/one"
    verb = add_verb(verbs, "scans", about, example)
    verb.add_argument("what", choices=["check"], help="make the twelve checks, decode nothing")
    verb.add_argument(
        "scan", type=Path, nargs="+", help="NIfTI, array, GLMsingle, CIFTI, GIFTI, MGH"
    )
    verb.add_argument("--run", type=Path, help="the run whose model the scan is for")
    verb.add_argument("--bundle", type=Path, help="or the voxel bundle of a model")
    verb.add_argument("--subject", type=int, help="of the run; default: its only one")
    add_scan_options(verb)
    verb.add_argument("--json", action="store_true", help="print the checks as JSON")
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


def given_scan_options(options: argparse.Namespace) -> dict:
    """What `read_scan` takes of these options."""
    names = ("mask", "trials", "units", "orientation", "trust_pickle")
    return {name: getattr(options, name) for name in names}


def perform_scans(options: argparse.Namespace) -> Iterator[str]:
    """Makes the checks and says each; ends the program with 2 where one failed."""
    from mindeye.verbs.scans_check import check_saved_scan

    model = {"run": options.run, "bundle": options.bundle, "subject": options.subject}
    verdict = check_saved_scan(options.scan, **model, **given_scan_options(options))
    yield from [verdict.json] if options.json else verdict.lines
    if verdict.failed:
        sys.exit(2)
