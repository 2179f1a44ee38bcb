"""`mindeye train`: its options, and what it says; imports nothing that is slow."""

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import add_verb
from mindeye.verbs.told_warnings import warn

if TYPE_CHECKING:
    from mindeye.training.experiment import ExperimentConfig
    from mindeye.training.watching import Watcher

TRACKERS = ("tensorboard", "wandb", "trackio")


def train_options(verbs) -> argparse.ArgumentParser:
    """`mindeye train`."""
    about = "train a decoder; run again after a kill, it goes on to the same result"
    example = "mindeye train train/configs/simulated.yaml --out runs/one --schedule.num-epochs 20"
    verb = add_verb(verbs, "train", about, example)
    verb.add_argument("config", type=Path, help="YAML file; all keys: `--keys`")
    verb.add_argument("--out", type=Path, required=True, help="the run folder")
    dry = "print parameters, memory, disk, steps and hours; write nothing"
    verb.add_argument("--dry-run", action="store_true", help=dry)
    verb.add_argument("--json", action="store_true", help="of --dry-run, for scripts")
    tflops = "of --dry-run: another machine's speed (default: this one is measured)"
    verb.add_argument("--tflops", type=float, help=tflops)
    bandwidth = "of --dry-run: how fast that machine reads and writes memory"
    verb.add_argument("--terabytes-per-s", type=float, help=bandwidth)
    verb.add_argument("--keys", action="store_true", help="list every key that can be overridden")
    trackers = "send the log to these too; one that fails is left alone, the training goes on"
    verb.add_argument(
        "--tracker", nargs="+", default=(), choices=TRACKERS, help=trackers, dest="trackers"
    )
    project = "under which wandb and trackio file the run (default: mindeye)"
    verb.add_argument("--project", default="mindeye", help=project)
    samples = "so many validation images, seen and drawn, to RUN/samples; changes no weights"
    verb.add_argument("--samples", type=int, metavar="N", help=samples)
    every = "epochs between two sheets of samples (default: 10); the last one has one too"
    verb.add_argument("--sample-every", type=int, metavar="EPOCHS", help=every)
    purpose = "go on from a checkpoint with another learning rate or other weights of losses"
    verb.add_argument("--accept-changes", action="store_true", help=purpose)
    profile = "measure so many steps (default: 10) into RUN/profile and end there"
    verb.add_argument("--profile", type=int, nargs="?", const=10, metavar="STEPS", help=profile)
    verb.set_defaults(takes_overrides=True)
    return verb


def perform_train(options: argparse.Namespace) -> Iterator[str]:
    """Trains, or counts first."""
    from mindeye.config import load_yaml, with_command_line
    from mindeye.training.experiment import ExperimentConfig

    require_joint_sense(options)
    config = load_yaml(ExperimentConfig, options.config)
    overrides = ["--help"] if options.keys else options.overrides
    config = with_command_line(config, overrides, f"mindeye train {options.config}")
    if options.dry_run:
        yield from counted(config, options)
        return
    if options.profile is not None:
        yield from profiled(config, options)
        return
    from mindeye.training.loop import train

    looking_on = {"embed_progress": watch("embed images"), "watchers": watchers_of(options)}
    run = train(config, options.out, **looking_on, accept_changes=options.accept_changes)
    last = run.read_log()[-1]
    yield " ".join(f"{name} {value:.4g}" for name, value in last.items())
    choice = run.provenance().get("choice", {})
    if choice.get("ended_early"):
        yield f"ended early, after step {choice['last_step']}: validation got no better"
    if choice:
        yield f"kept: the weights of step {choice['step']}"
    yield f"run: {run.path}"


def require_joint_sense(options: argparse.Namespace) -> None:
    """Refuses options that another one would leave without effect.

    Raises:
        ValueError: names both.
    """
    # 0 is given, although it equals False.
    all_options = vars(options).items()
    given = {name for name, value in all_options if value is not False and value not in (None, ())}
    named = {
        **{name: f"--{name.replace('_', '-')}" for name in given},
        "trackers": "--tracker",
    }
    for needing, needed in (
        (("json", "tflops", "terabytes_per_s"), "dry_run"),
        (("sample_every",), "samples"),
    ):
        alone = [named[one] for one in needing if one in given and needed not in given]
        if alone:
            raise ValueError(
                f"{alone[0]} was given without --{needed.replace('_', '-')}, to which it belongs. "
                "Give both, or leave it out."
            )
    ends = next((one for one in ("dry_run", "profile") if one in given), None)
    idle = [named[one] for one in ("profile", "samples", "trackers") if one in given - {ends}]
    if ends and idle:
        raise ValueError(
            f"{named[ends]} was given with {idle[0]}, but ends before that could do anything. "
            "Leave out one of them."
        )


def counted(config: "ExperimentConfig", options: argparse.Namespace) -> Iterator[str]:
    """What the training would cost."""
    from mindeye.training.plan import plan_of
    from mindeye.verbs.training.dry_run import as_lines, as_mapping, hardware_of

    hardware = hardware_of(options, config)
    plan = plan_of(config)
    if options.json:
        yield json.dumps(as_mapping(plan, hardware), indent=1)
    else:
        yield from as_lines(plan, hardware)


def profiled(config: "ExperimentConfig", options: argparse.Namespace) -> Iterator[str]:
    """Trains for a few steps, to see where their time goes.

    Raises:
        ValueError: the run is finished, or has fewer steps left.
    """
    from mindeye.run import RunFolder
    from mindeye.training.loop import train
    from mindeye.verbs.training.step_profile import ProfileDone, StepProfile

    if RunFolder(path=options.out).is_finished:
        raise ValueError(f"{options.out} is finished: no step is left. Profile in a new folder.")
    watcher = StepProfile(options.profile)
    with contextlib.suppress(ProfileDone):
        train(config, options.out, embed_progress=watch("embed images"), watchers=[watcher])
    if watcher.found is None:  # of several processes the first one measures
        return
    yield from watcher.found.lines
    yield f"trace, for https://ui.perfetto.dev: {options.out / 'profile' / 'trace.json'}"
    yield "The same command without --profile trains on."


def watchers_of(options: argparse.Namespace) -> "list[Watcher]":
    """Those who look on, as the command line has them.

    Raises:
        LookupError: a tracker that is not installed.
        ValueError: a number of samples below 1.
    """
    from mindeye.training.trackers import Trackers
    from mindeye.verbs.training.training_bar import TrainingBar

    trackers = Trackers(options.trackers, options.project, warn)
    watchers = [TrainingBar(), trackers]
    if options.samples is not None:
        from mindeye.verbs.training.sample_sheets import SampleSettings, SampleSheets

        given = {} if options.sample_every is None else {"every": options.sample_every}
        settings = SampleSettings(images=options.samples, **given)
        watchers.append(SampleSheets(settings, trackers.show))
    return watchers
