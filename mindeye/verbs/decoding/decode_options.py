"""`mindeye decode`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mindeye.report.banner import SIMULATED
from mindeye.verbs.decoding.scans_options import (
    add_scan_options,
    given_scan_options,
    given_series_names,
)
from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import (
    add_device,
    add_generator,
    add_networks,
    add_quirks,
    add_seed,
    add_settings,
    add_subject,
    add_verb,
    given_generator,
    given_networks,
    given_quirks,
    given_settings,
)

WARM_UP = 20


def decode_options(verbs) -> argparse.ArgumentParser:
    """`mindeye decode`."""
    about = "a saved scan to pictures, embeddings and a page that compares it with noise"
    example = "mindeye decode betas.npy --run runs/one --out decoded"
    verb = add_verb(verbs, "decode", about, example)
    forms = "files of one scan: NIfTI, npy, npz, hdf5, csv, GLMsingle, CIFTI, GIFTI or MGH; or an "
    forms += "fMRIPrep folder"
    verb.add_argument("scan", type=Path, nargs="*", help=forms)
    verb.add_argument("--run", type=Path, required=True, help="of `mindeye train` or `convert`")
    verb.add_argument("--out", type=Path, required=True, help="folder of the results")
    add_scan_options(verb)
    statistics = "what z-scores the scan (default: train; with --watch: running)"
    verb.add_argument("--statistics", choices=["train", "own", "running"], help=statistics)
    forced = "decode although these checks fail"
    verb.add_argument("--force", nargs="+", default=(), metavar="CHECK", help=forced)
    gallery = "a prepared folder: the images that each scan is looked for among"
    verb.add_argument("--gallery", type=Path, help=gallery)
    verb.add_argument("--images", type=int, help="so many, drawn at random; default: all")
    verb.add_argument("--dry-run", action="store_true", help="check, count, write nothing")
    arriving = "decode trials as their files arrive here, until a file STOP or Ctrl-C"
    verb.add_argument("--watch", type=Path, metavar="DIR", help=arriving)
    early = "trials before running statistics are used; until then, the training's"
    verb.add_argument("--warm-up", type=int, help=f"{early} (default: {WARM_UP})")
    add_settings(verb)
    add_generator(verb)
    add_networks(verb)
    add_quirks(verb, "shifted_range=on")
    add_seed(verb, "of the noise, and of the choice of images")
    add_subject(verb)
    add_device(verb)
    return verb


def perform_decode(options: argparse.Namespace) -> Iterator[str]:
    """Decodes, and says line by line what came of it."""
    from mindeye.verbs.drawing.chosen_settings import settings_at_hand, told_of_generator

    _require_fitting(options)
    _require_drawn(options)
    given = given_settings(options)
    weights = {"source": options.generator_source, "clip": options.clip}
    config = settings_at_hand(options.run, options.compat, given, **weights)
    told = tuple(told_of_generator(options.run, options.compat, config, given))
    chosen = {"subject": options.subject, **given_quirks(options), **given_generator(options)}
    chosen |= given_networks(options)
    source = _source(options)
    if options.watch:
        yield from _watched(options, source, config, chosen, told)
        return
    from mindeye.verbs.decoding.decode import decode_scan, plan_decode

    chosen["num_images"] = options.images
    if options.dry_run:
        plan = plan_decode(options.run, source, config, **chosen)
        yield from told if plan.num_candidates else ()
        yield from plan.lines
        simulated = plan.simulated
    else:
        summary = decode_scan(
            options.run,
            source,
            options.out,
            config,
            **chosen,
            gallery=options.gallery,
            device=options.device,
            progress=watch("decode"),
        )
        yield from _said(summary, options.out, told)
        simulated = summary.simulated
    if simulated is not None:
        yield SIMULATED


def _watched(
    options: argparse.Namespace, source, config, chosen: dict[str, Any], told: tuple[str, ...]
) -> Iterator[str]:
    from mindeye.verbs.decoding.decode_watch import watch_folder

    summary = watch_folder(
        options.run,
        options.watch,
        options.out,
        config,
        source=source,
        warm_up=WARM_UP if options.warm_up is None else options.warm_up,
        device=options.device,
        **chosen,
    )
    if summary is None:
        yield "No trial was decoded."
        return
    yield from _said(summary, options.out, told)
    if summary.simulated is not None:
        yield SIMULATED


def _said(summary, out: Path, told: tuple[str, ...]) -> Iterator[str]:
    yield from summary.notes
    yield summary.verdict
    if summary.num_pictures:
        yield from told
        yield f"pictures: {out / 'pictures'}"
    yield f"report: {out / 'report.html'}"


def _source(options: argparse.Namespace):
    from mindeye.verbs.decoding.scan_source import ScanSource

    return ScanSource(
        paths=tuple(options.scan),
        statistics=options.statistics or ("running" if options.watch else "train"),
        forced=tuple(options.force),
        **given_scan_options(options),
    )


def _require_fitting(options: argparse.Namespace) -> None:
    """Refuses what would be ignored.

    Raises:
        ValueError: names it.
    """
    if bool(options.scan) == bool(options.watch):
        raise ValueError("Give the files of one scan, or --watch DIR. See its --help.")
    of_files = {"trials": options.trials, "gallery": options.gallery, "images": options.images}
    given = [f"--{name}" for name, value in of_files.items() if value is not None]
    given += given_series_names(options)
    given += ["--dry-run"] if options.dry_run else []
    if options.watch and given:
        raise ValueError(
            f"--watch decodes trial by trial, and takes no {' and no '.join(given)}. Leave it "
            "out, or decode the files when all are there."
        )
    if options.warm_up is not None and not options.watch:
        raise ValueError("--warm-up is for --watch DIR. Leave it out.")


def _require_drawn(options: argparse.Namespace) -> None:
    """Refuses settings of pictures for a run that gives none.

    Raises:
        FileNotFoundError: this is no run folder.
        ValueError: names the first of them.
    """
    from mindeye.run import RunFolder

    names = ("generator", "candidates", "selection", "steps", "guidance", "strength")
    given = [name for name in names if getattr(options, name) is not None]
    if not given or options.clip is not None:
        return
    if RunFolder(path=options.run).provenance()["networks"] is None:
        raise ValueError(
            f"{options.run} was converted: its file does not tell which CLIP and VAE it was "
            f"trained on, so nothing is drawn. Give --clip FOLDER (and --vae FOLDER), or leave "
            f"--{given[0]} out."
        )
