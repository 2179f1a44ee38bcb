"""`mindeye VERB`: parses, calls one library function, prints."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mindeye import __version__
from mindeye.verbs.progress import Bar, Stages, watch

# What a user can mend: bad values, unknown names, missing files, full disks.
USER_ERRORS = (ValueError, LookupError, OSError, FloatingPointError)
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not getattr(options, "takes_overrides", False):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.overrides = rest
    try:
        options.run(options)
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again: it goes on from here.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except USER_ERRORS as error:
        if options.debug:
            raise
        message = error.args[0] if isinstance(error, KeyError) else error
        print(f"mindeye: {message}", file=sys.stderr)
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
    for add in (
        _add_demo,
        _add_simulate,
        _add_prepare,
        _add_train,
        _add_reconstruct,
        _add_retrieve,
        _add_evaluate,
        _add_report,
    ):
        verb = add(verbs)
        verb.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser


def _add_verb(
    verbs, name: str, run: Callable[[argparse.Namespace], None], about: str, example: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        name,
        help=about,
        description=about,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(run=run)
    return verb


def _add_demo(verbs) -> argparse.ArgumentParser:
    about = "the whole road on a simulated subject (or a real recording): scans to report"
    verb = _add_verb(verbs, "demo", _demo, about, "mindeye demo --out mindeye-demo --seed 0")
    verb.add_argument("--out", type=Path, help="folder of all results (default: mindeye-demo)")
    verb.add_argument("--preset", default="nsd-like", help="nsd-like, hard, tiny or no-signal")
    verb.add_argument("--recording", help="a real human recording instead: miyawaki2008-figures")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--images", type=int, default=100, help="test images to reconstruct")
    return verb


def _demo(options: argparse.Namespace) -> None:
    from mindeye.report.tables import format_rows

    if options.recording:
        from mindeye.verbs.recording import run_recording

        out = options.out or Path(f"mindeye-demo-{options.recording}")
        rows = run_recording(out, options.recording, options.seed, watch)
    else:
        from mindeye.verbs.demo import DemoConfig, headline, run_demo

        out = options.out or Path("mindeye-demo")
        config = DemoConfig(preset=options.preset, seed=options.seed, num_images=options.images)
        rows = headline(run_demo(out, config, watch))
    print(format_rows(rows))
    if not options.recording:
        print("\nSIMULATED subject: these numbers test the software, they say nothing of brains.")
    print(f"all rows: {out / 'summary.tsv'}")
    print(f"report: {out / 'report.html'}")


def _add_simulate(verbs) -> argparse.ArgumentParser:
    about = "write a simulated subject in NSD's on-disk layout"
    verb = _add_verb(
        verbs, "simulate", _simulate, about, "mindeye simulate --out nsd-sim --preset tiny"
    )
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--preset", default="nsd-like", help="nsd-like, hard, tiny or no-signal")
    verb.add_argument("--subject", type=int, default=1)
    verb.add_argument("--sessions", type=int, help="acquired sessions, instead of the preset's")
    verb.add_argument("--seed", type=int, default=0)
    return verb


def _simulate(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from mindeye.simulate.nsd_tree import simulate_nsd_tree
    from mindeye.simulate.presets import preset_of

    config = preset_of(options.preset)
    if options.sessions is not None:
        config = replace(config, sessions=options.sessions)
    stages = Stages()
    simulate_nsd_tree(
        options.out, config, subject=options.subject, seed=options.seed, progress=stages
    )
    stages.close()
    print(f"SIMULATED subject {options.subject} ({config.name}): {options.out}")


def _add_prepare(verbs) -> argparse.ArgumentParser:
    about = "turn a data set into z-scored shards with a manifest and a voxel bundle"
    verb = _add_verb(
        verbs, "prepare", _prepare, about, "mindeye prepare nsd ROOT --subject 1 --out prepared"
    )
    verb.add_argument("dataset", choices=["nsd"])
    verb.add_argument("root", type=Path)
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--subject", type=int, default=1)
    verb.add_argument("--roi", default="nsdgeneral", help="e.g. prf-visualrois:V1v+V1d")
    verb.add_argument("--sessions", type=int, nargs="+", help="default: all that are there")
    verb.add_argument("--betas", default="b3", help="b1, b2 or b3")
    verb.add_argument("--source", default="auto", help="auto, hdf5 or nii.gz")
    verb.add_argument("--zscore", default="session-train", help="session-train, session-all, none")
    verb.add_argument("--seed", type=int, default=0, help="chooses the validation images")
    return verb


def _prepare(options: argparse.Namespace) -> None:
    from mindeye.data.prepare import prepare_nsd

    stages = Stages()
    prepare_nsd(
        options.root,
        subject=options.subject,
        out=options.out,
        roi=options.roi,
        sessions=options.sessions,
        beta_version=options.betas,
        source=options.source,
        zscore=options.zscore,
        seed=options.seed,
        progress=stages,
    )
    stages.close()
    print(f"prepared: {options.out}")


def _add_train(verbs) -> argparse.ArgumentParser:
    about = "train a decoder; run again after a kill, it goes on to the same result"
    example = "mindeye train train/configs/simulated.yaml --out runs/one --schedule.num-epochs 20"
    verb = _add_verb(verbs, "train", _train, about, example)
    verb.add_argument("config", type=Path, help="YAML file; all keys: `--keys`")
    verb.add_argument("--out", type=Path, required=True, help="the run folder")
    verb.add_argument("--dry-run", action="store_true", help="print parameters, memory and steps")
    verb.add_argument("--keys", action="store_true", help="list every key that can be overridden")
    verb.set_defaults(takes_overrides=True)
    return verb


def _train(options: argparse.Namespace) -> None:
    from mindeye.config import load_yaml, with_command_line
    from mindeye.training.experiment import ExperimentConfig
    from mindeye.training.loop import train
    from mindeye.training.plan import plan_of

    config = load_yaml(ExperimentConfig, options.config)
    overrides = ["--help"] if options.keys else options.overrides
    config = with_command_line(config, overrides, f"mindeye train {options.config}")
    if options.dry_run:
        _print_plan(plan_of(config))
        return
    bar = Bar("train")
    run = train(config, options.out, progress=bar.with_losses, embed_progress=watch("embed images"))
    bar.close()
    last = run.read_log()[-1]
    print(" ".join(f"{name} {value:.4g}" for name, value in last.items()))
    print(f"run: {run.path}")


def _print_plan(plan) -> None:
    for name, count in plan.parameters_of.items():
        print(f"{name:18}{count:>15,} parameters")
    print(f"{'all':18}{plan.num_parameters:>15,} parameters")
    print(f"{plan.num_bytes / 1e9:.2f} GB for weights, gradients and AdamW; activations on top")
    images = ", ".join(f"subject {one}: {count}" for one, count in plan.images_of.items())
    print(f"{plan.num_steps:,} steps; training images {images}. Nothing was written.")


def _add_reconstruct(verbs) -> argparse.ArgumentParser:
    about = "draw what a run's test scans saw"
    example = "mindeye reconstruct runs/one --out runs/one/reconstructions --images 100"
    verb = _add_verb(verbs, "reconstruct", _reconstruct, about, example)
    verb.add_argument("out_of_run", metavar="run", type=Path)
    verb.add_argument("--out", type=Path, required=True)
    verb.add_argument("--images", type=int, help="test images drawn at random; default: all")
    verb.add_argument("--candidates", type=int, default=4)
    verb.add_argument("--steps", type=int, default=8)
    verb.add_argument("--prior-steps", type=int, default=10)
    verb.add_argument("--prior-guidance", type=float, default=2.0)
    verb.add_argument("--guidance", type=float, default=2.0, help="of the generator")
    verb.add_argument("--strength", type=float, default=0.85, help="of img2img; 1: from noise")
    verb.add_argument("--seed", type=int, default=0)
    _add_run_options(verb)
    return verb


def _reconstruct(options: argparse.Namespace) -> None:
    from mindeye.reconstruction.pipeline import ReconstructionConfig
    from mindeye.verbs.reconstruct import reconstruct_run

    reconstruct_run(
        options.out_of_run,
        options.out,
        ReconstructionConfig(
            candidates=options.candidates,
            steps=options.steps,
            prior_steps=options.prior_steps,
            prior_guidance=options.prior_guidance,
            guidance=options.guidance,
            strength=options.strength,
            seed=options.seed,
        ),
        subject=options.subject,
        data=options.data,
        num_images=options.images,
        device=options.device,
        progress=watch("reconstruct"),
    )
    print(f"pictures: {options.out / 'pictures'}")


def _add_retrieve(verbs) -> argparse.ArgumentParser:
    about = "image retrieval and brain retrieval among a run's test images"
    verb = _add_verb(verbs, "retrieve", _retrieve, about, "mindeye retrieve runs/one --pools 100")
    verb.add_argument("out_of_run", metavar="run", type=Path)
    verb.add_argument("--pools", type=int, nargs="+", help="pool sizes; default: 2 to all")
    verb.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    _add_run_options(verb)
    return verb


def _retrieve(options: argparse.Namespace) -> None:
    from mindeye.report.tables import format_rows
    from mindeye.verbs.retrieve import retrieve_run

    result = retrieve_run(
        options.out_of_run,
        subject=options.subject,
        data=options.data,
        pool_sizes=options.pools,
        seed=options.seed,
        device=options.device,
    )
    print(format_rows(result.rows))
    print(f"rows: {options.out_of_run / 'retrieval.json'}")


def _add_evaluate(verbs) -> argparse.ArgumentParser:
    about = "score a folder of reconstructions, with floors and ceiling"
    example = "mindeye evaluate runs/one/reconstructions"
    verb = _add_verb(verbs, "evaluate", _evaluate, about, example)
    verb.add_argument("folder", type=Path)
    verb.add_argument("--data", type=Path, help="the prepared folder, where it has moved")
    verb.add_argument("--seed", type=int, default=0, help="of bootstrap and shuffling")
    return verb


def _evaluate(options: argparse.Namespace) -> None:
    from mindeye.report.tables import format_rows
    from mindeye.verbs.evaluate import evaluate_folder

    result = evaluate_folder(
        options.folder,
        data=options.data,
        seed=options.seed,
        progress=watch("draw true tokens"),
    )
    print(format_rows(result.rows))
    print(f"rows: {options.folder / 'evaluation.json'}")


def _add_report(verbs) -> argparse.ArgumentParser:
    about = "one self-contained page of a run: pictures, curves, tables, provenance"
    verb = _add_verb(verbs, "report", _report, about, "mindeye report runs/one")
    verb.add_argument("out_of_run", metavar="run", type=Path)
    verb.add_argument("--out", type=Path, help="the page (default: RUN/report.html)")
    verb.add_argument("--reconstructions", type=Path, help="default: RUN/reconstructions")
    verb.add_argument("--seed", type=int, default=0, help="chooses the images that are shown")
    _add_run_options(verb)
    return verb


def _report(options: argparse.Namespace) -> None:
    from mindeye.verbs.report import ReportParts, report_run

    run = options.out_of_run
    parts = ReportParts(
        run=run,
        reconstructions=options.reconstructions or run / "reconstructions",
        seed=options.seed,
        subject=options.subject,
        data=options.data,
    )
    print(f"report: {report_run(parts, options.out or run / 'report.html')}")


def _add_run_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--subject", type=int, help="default: the run's first")
    verb.add_argument("--data", type=Path, help="the prepared folder, where it has moved")
    verb.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps ...")
