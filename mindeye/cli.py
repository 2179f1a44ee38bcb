"""`mindeye VERB`: parses, calls one library function, prints."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from mindeye import __version__
from mindeye.report.banner import SIMULATED, lines_of_test
from mindeye.verbs import options as verb_options
from mindeye.verbs.analysis.analyse_options import analyse_options, perform_analyse
from mindeye.verbs.captions.caption_options import caption_options, perform_caption
from mindeye.verbs.decoding.decode_options import decode_options, perform_decode
from mindeye.verbs.decoding.scans_options import perform_scans, scans_options
from mindeye.verbs.doctor_options import doctor_options, perform_doctor
from mindeye.verbs.evaluation.compare_options import compare_options, perform_compare
from mindeye.verbs.evaluation.evaluate_options import evaluate_options, perform_evaluate
from mindeye.verbs.first_process import first_speaks, stream_for
from mindeye.verbs.gallery.gallery_options import gallery_options, perform_gallery
from mindeye.verbs.progress import Stages, watch
from mindeye.verbs.refine_options import perform_refine, refine_options
from mindeye.verbs.retrieval.bench_options import bench_options, perform_bench
from mindeye.verbs.retrieval.retrieve_options import perform_retrieve, retrieve_options
from mindeye.verbs.shared_options import (
    given_generator,
    given_networks,
    given_quirks,
    given_settings,
)
from mindeye.verbs.told_warnings import telling_warnings
from mindeye.verbs.training.compact_options import compact_options, perform_compact
from mindeye.verbs.training.train_options import perform_train, train_options

# What a user can mend: bad values, unknown names, missing files, full disks and devices.
USER_ERRORS = (ValueError, LookupError, OSError, FloatingPointError, MemoryError)
INTERRUPTED = 130


@first_speaks()
@telling_warnings()
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not getattr(options, "takes_overrides", False):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.overrides = rest
    try:
        for line in options.perform(options) or ():
            print(line)
    except KeyboardInterrupt as stop:
        # Through tqdm, so that the message stands on a line of its own, not behind a bar.
        told = str(stop) or "Interrupted. Run the same command again: it goes on from here."
        tqdm.write(told, stream_for(stop))
        # A training that a signal has ended brings its own.
        sys.exit(getattr(stop, "exit_code", INTERRUPTED))
    except USER_ERRORS as error:
        if options.debug:
            raise
        message = error.args[0] if isinstance(error, KeyError) else error
        tqdm.write(f"mindeye: {message}", stream_for(error))
        sys.exit(2)


def make_parser() -> argparse.ArgumentParser:
    """All verbs with their options."""
    parser = argparse.ArgumentParser(
        prog="mindeye",
        description="Shows what a person saw, from their fMRI scan.",
        epilog="Start with `mindeye demo`. Each verb has its own --help with an example.",
    )
    parser.add_argument("--version", action="version", version=f"mindeye {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    for add_options, perform in (
        (verb_options.demo_options, _demo),
        (verb_options.simulate_options, _simulate),
        (verb_options.prepare_options, _prepare),
        (train_options, perform_train),
        (compact_options, perform_compact),
        (verb_options.reconstruct_options, _reconstruct),
        (retrieve_options, perform_retrieve),
        (evaluate_options, perform_evaluate),
        (compare_options, perform_compare),
        (verb_options.report_options, _report),
        (analyse_options, perform_analyse),
        (verb_options.convert_options, _convert),
        (scans_options, perform_scans),
        (decode_options, perform_decode),
        (doctor_options, perform_doctor),
        (caption_options, perform_caption),
        (refine_options, perform_refine),
        (bench_options, perform_bench),
        (gallery_options, perform_gallery),
    ):
        add_options(verbs).set_defaults(perform=perform)
    return parser


def _demo(options: argparse.Namespace) -> None:
    from mindeye.report.tables import format_rows

    if options.recording:
        verb_options.require_no_simulation(options)
        from mindeye.verbs.demonstration.recording import run_recording

        out = options.out or Path(f"mindeye-demo-{options.recording}")
        rows = run_recording(out, options.recording, options.seed, watch)
    else:
        from mindeye.verbs.demonstration.demo import DemoConfig, headline, run_demo

        out = options.out or Path("mindeye-demo")
        given = {"preset": options.preset, "num_images": options.images}
        given = {name: value for name, value in given.items() if value is not None}
        rows = headline(run_demo(out, DemoConfig(seed=options.seed, **given), watch))
    print(format_rows(rows))
    print(f"all rows: {out / 'summary.tsv'}")
    print(f"report: {out / 'report.html'}")
    if not options.recording:
        print(SIMULATED)


def _simulate(options: argparse.Namespace) -> None:
    from mindeye.verbs.simulate import simulate_subject

    stages = Stages()
    names = ("preset", "sessions", "subject", "seed", "experiments")
    given = {name: getattr(options, name) for name in names}
    simulate_subject(options.layout, options.out, **given, progress=stages)
    stages.close()
    print(f"subject {options.subject} ({options.preset}): {options.out}")
    print(SIMULATED)


def _prepare(options: argparse.Namespace) -> None:
    from mindeye.verbs.prepare import SETTINGS, prepare_data

    stages = Stages()
    prepare_data(
        options.dataset,
        options.root,
        options.out,
        subject=options.subject,
        given={name: getattr(options, name) for name in SETTINGS},
        progress=stages,
    )
    stages.close()
    print(f"prepared: {options.out}")


def _reconstruct(options: argparse.Namespace) -> None:
    from mindeye.verbs.device import require_device
    from mindeye.verbs.drawing.batch_options import given_batch
    from mindeye.verbs.drawing.chosen_settings import settings_for, told_of_generator
    from mindeye.verbs.drawing.drawing_options import beside_of
    from mindeye.verbs.drawing.plan import plan_reconstruction
    from mindeye.verbs.drawing.scans import ScansAsked
    from mindeye.verbs.reconstruct import reconstruct_run
    from mindeye.verbs.saved_results import read_manifest

    given = given_settings(options)
    strengths = given.pop("strength", None) if isinstance(options.strength, tuple) else None
    config = settings_for(options.run, options.compat, given)
    beside = beside_of(options)
    told = (options.run, options.compat, config, given)
    chosen = {
        "scans": ScansAsked(
            subject=options.subject,
            data=options.data,
            split=options.split,
            num_images=options.images,
            **given_networks(options),
        ),
        **given_quirks(options),
    }
    for line in told_of_generator(*told, strengths=bool(strengths)):
        print(line)
    if options.dry_run:
        require_device(options.device)
        chosen["generator_source"] = options.generator_source
        if strengths:
            from mindeye.verbs.drawing.strength_sweep import plan_sweep

            plan = plan_sweep(options.run, config, strengths, beside=beside, **chosen)
        else:
            plan = plan_reconstruction(options.run, config, **chosen)
            if options.calibration is not None:
                read_manifest(options.calibration)
        print(*plan.lines, sep="\n")
        _print_banner(plan.simulated)
        return
    drawing = {"device": options.device, **given_generator(options), **given_batch(options)}
    drawing |= {**chosen, "beside": beside}
    if strengths:
        from mindeye.verbs.drawing.strength_sweep import sweep_strengths

        sweep = sweep_strengths(options.run, options.out, config, strengths, **drawing, watch=watch)
        print(*sweep.lines, sep="\n")
        _print_banner(sweep.about["simulated"], sweep.about)
        return
    drawing["progress"] = watch("reconstruct")
    reconstruct_run(options.run, options.out, config, **drawing)
    print(f"pictures: {options.out / 'pictures'}")
    about = read_manifest(options.out).about
    _print_banner(about["simulated"], about)


def _report(options: argparse.Namespace) -> None:
    from mindeye.verbs.report import ReportParts, report_run

    out = options.out or options.run / "report.html"
    names = ("run", "reconstructions", "seed", "subject", "data")
    chosen = {name: getattr(options, name) for name in names}
    parts = ReportParts(**chosen, **given_networks(options))
    content = report_run(parts, out, progress=watch("pictures"))
    print(f"report: {out}")
    _print_banner(content.simulated)


def _convert(options: argparse.Namespace) -> None:
    from mindeye.verbs.convert import convert_checkpoint, export_run

    family, path = verb_options.conversion_of(options)
    if options.to:
        for written in export_run(path, family, options.out):
            print(f"checkpoint: {written}")
        return
    stages = Stages()
    if family == verb_options.GENERATOR:
        from mindeye.verbs.convert_generator import convert_unclip

        print(f"generator: {convert_unclip(path, options.out, progress=stages)}")
        stages.close()
        return
    names = ("subjects", "out", "low_level", "keep_idle")
    given = {name: getattr(options, name) for name in names}
    run = convert_checkpoint(family, path, **given, progress=stages)
    stages.close()
    print(f"run: {run.path}")


def _print_banner(simulated: Mapping | None, about: Mapping | None = None) -> None:
    """Last on the screen, where it is seen."""
    for line in lines_of_test(about or {}):
        print(line)
    if simulated is not None:
        print(SIMULATED)
