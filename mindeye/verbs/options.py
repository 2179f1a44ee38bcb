"""Options of the verbs, with help and an example; imports nothing that is slow."""

import argparse
from pathlib import Path

from mindeye.verbs.argument_types import seed_number
from mindeye.verbs.drawing.batch_options import add_batch
from mindeye.verbs.drawing.drawing_options import SWEEP, add_beside, strength_or_sweep
from mindeye.verbs.shared_options import (
    add_data,
    add_device,
    add_generator,
    add_networks,
    add_quirks,
    add_run,
    add_seed,
    add_settings,
    add_subject,
    add_verb,
)

# What `convert` makes a folder of, and no run.
GENERATOR = "unclip"
PRESETS = "nsd-like, hard, tiny or no-signal"
PROTOCOLS = "nsd-40-new_test, nsd-37-avg, nsd-special515 or nsd-session-heldout"
TEST_PROTOCOLS = "that only test a run: nsd-synthetic, nsd-imagery"


def demo_options(verbs) -> argparse.ArgumentParser:
    """`mindeye demo`."""
    about = "the whole road on a simulated subject (or a real recording): scans to report"
    verb = add_verb(verbs, "demo", about, "mindeye demo --out mindeye-demo --seed 0")
    verb.add_argument("--out", type=Path, help="folder of all results (default: mindeye-demo)")
    # No defaults here: what is given together with --recording is refused, not ignored.
    verb.add_argument("--preset", help=f"{PRESETS} (default: nsd-like)")
    verb.add_argument("--images", type=int, help="test images to reconstruct (default: 100)")
    verb.add_argument("--recording", help="a real human recording instead: miyawaki2008-figures")
    add_seed(verb, "of simulation, training and drawing")
    return verb


def require_no_simulation(options: argparse.Namespace) -> None:
    """Refuses what `demo --recording` would ignore.

    Raises:
        ValueError: --preset or --images was given.
    """
    given = [f"--{name}" for name in ("preset", "images") if getattr(options, name) is not None]
    if given:
        raise ValueError(
            f"--recording {options.recording} decodes every trial of a real recording and takes no "
            f"{' and no '.join(given)}. Leave out one or the other."
        )


def simulate_options(verbs) -> argparse.ArgumentParser:
    """`mindeye simulate`."""
    about = "write a simulated subject in the on-disk layout of NSD, or of another data set"
    verb = add_verb(verbs, "simulate", about, "mindeye simulate --out nsd-sim --preset tiny")
    verb.add_argument("--out", type=Path, required=True, help="the tree to write")
    layouts = ["nsd", "laion-fmri", "mosaic", "things-fmri"]
    verb.add_argument("--layout", default="nsd", choices=layouts, help="whose (default: nsd)")
    verb.add_argument("--preset", default="nsd-like", help=f"{PRESETS} (default: nsd-like)")
    verb.add_argument("--subject", type=int, default=1, help="its number (default: 1)")
    verb.add_argument("--sessions", type=int, help="acquired sessions, instead of the preset's")
    more = "nsdsynthetic, nsdimagery or both, beside the main one"
    verb.add_argument("--experiments", nargs="+", default=(), metavar="NAME", help=more)
    add_seed(verb, "of pictures, brain and noise")
    return verb


def prepare_options(verbs) -> argparse.ArgumentParser:
    """`mindeye prepare`."""
    about = "turn a data set into z-scored shards with a manifest and a voxel bundle"
    example = "mindeye prepare nsd ROOT --subject 1 --out prepared"
    verb = add_verb(verbs, "prepare", about, example)
    layouts = ["nsd", "mindeye1", "mindeye2", "laion-fmri", "mosaic", "things-fmri"]
    what = "NSD's layout, what a peer published, or another data set"
    verb.add_argument("dataset", choices=layouts, help=what)
    holds = (
        "its folder; of NSD, that which holds nsddata, of LAION-fMRI derivatives, of THINGS-fMRI "
        "betas_csv; of MOSAIC, the subject's file or its folder"
    )
    verb.add_argument("root", type=Path, help=holds)
    verb.add_argument("--out", type=Path, required=True, help="the prepared folder to write")
    verb.add_argument("--subject", type=int, default=1, help="its number (default: 1)")
    # Without values of their own: what is given is refused where a data set leaves no choice.
    for name, about in (
        (
            "--roi",
            "e.g. prf-visualrois:V1v+V1d (default: nsdgeneral; laiongeneral; of "
            "MOSAIC cortex, of THINGS-fMRI visual)",
        ),
        ("--source", "auto, hdf5 or nii.gz (default: auto)"),
        ("--zscore", "session-train, session-all, train-global or none (default: session-train)"),
        (
            "--protocol",
            f"{PROTOCOLS} (default: nsd-40-new_test); {TEST_PROTOCOLS}; "
            "of MOSAIC mosaic-natural (default) or mosaic-all",
        ),
        ("--task", "of nsd-imagery: imagery or vision (default: imagery)"),
        ("--peer", "prepare NSD exactly as this published system did: takagi"),
    ):
        verb.add_argument(name, help=about)
    split = "of LAION-fMRI: tau, ood, shared/tau, ... (default: all shared images are the test)"
    verb.add_argument("--split", help=split)
    pictures = "folder of the pictures of another data set (default of LAION-fMRI: ROOT/stimuli)"
    verb.add_argument("--stimuli", type=Path, help=pictures)
    table = "MOSAIC's table of the data set's pictures, such as god_stiminfo.tsv"
    verb.add_argument("--stimulus-table", type=Path, help=table)
    ceiling = "of MOSAIC, THINGS-fMRI: only voxels whose single-trial noise ceiling exceeds P %%"
    verb.add_argument("--noise-ceiling-above", type=float, metavar="P", help=ceiling)
    verb.add_argument("--betas", dest="beta_version", help="b1, b2 or b3 (default: b3)")
    verb.add_argument("--sessions", type=int, nargs="+", help="default: as the protocol says")
    verb.add_argument("--seed", type=seed_number, help="chooses the validation images (default: 0)")
    return verb


def reconstruct_options(verbs) -> argparse.ArgumentParser:
    """`mindeye reconstruct`."""
    about = "draw what was seen during a run's test scans"
    example = "mindeye reconstruct runs/one --out runs/one/reconstructions --images 100"
    verb = add_verb(verbs, "reconstruct", about, example)
    add_run(verb)
    verb.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    verb.add_argument("--dry-run", action="store_true", help="print counts and bytes, write none")
    purpose = "which images; choose settings on validation (default: test)"
    verb.add_argument("--split", default="test", choices=["test", "validation"], help=purpose)
    verb.add_argument("--images", type=int, help="so many, drawn at random; default: all")
    add_settings(verb, strength_or_sweep, f"; {SWEEP}: a folder for each, and a plot")
    add_beside(verb)
    add_generator(verb)
    add_networks(verb)
    add_batch(verb)
    add_quirks(verb, "shifted_range=on")
    add_seed(verb, "of the noise, and of the choice of images")
    add_subject(verb)
    add_data(verb)
    add_device(verb)
    return verb


def convert_options(verbs) -> argparse.ArgumentParser:
    """`mindeye convert`."""
    about = "a published checkpoint to a run (or MindEye2's unCLIP to a generator), or back"
    example = "mindeye convert mindeye2 last.pth --subjects 1 --out runs/published"
    verb = add_verb(verbs, "convert", about, example)
    what = "`mindeye1`, `mindeye2` or `unclip` and the checkpoint; with --to: a run"
    verb.add_argument("what", nargs="+", metavar="FAMILY FILE | RUN", help=what)
    verb.add_argument("--low-level", type=Path, help="MindEye1's second checkpoint")
    idle = "keep MindEye2's weights that no output depends on (134 million at full size)"
    verb.add_argument("--keep-idle", action="store_true", help=idle)
    verb.add_argument("--subjects", type=int, nargs="+", help="in the order of the ridge layers")
    where = "the run folder; of `unclip` the generator's; with --to: the file"
    verb.add_argument("--out", type=Path, help=where)
    verb.add_argument("--to", choices=["mindeye1", "mindeye2"], help="write RUN in this form")
    return verb


def conversion_of(options: argparse.Namespace) -> tuple[str, Path]:
    """Family and checkpoint, or with --to family and run.

    Raises:
        ValueError: arguments are missing, or too many.
    """
    if len(options.what) != (1 if options.to else 2):
        raise ValueError("Give FAMILY and FILE, or --to FAMILY and RUN. See its --help.")
    family, path = (options.to, *options.what) if options.to else options.what
    if options.to:
        _require_none(options, "A run tells its subjects and weights itself")
    elif family == GENERATOR:
        if not options.out:
            raise ValueError("Give --out FOLDER, where the generator's networks are written.")
        _require_none(options, "A generator knows no subjects and no decoder")
    elif not (options.subjects and options.out):
        raise ValueError("Give --subjects of the checkpoint's ridge layers and --out RUN.")
    return family, Path(path)


def _require_none(options: argparse.Namespace, reason: str) -> None:
    """Refuses what is of a checkpoint alone and would be ignored."""
    given = [name for name in ("subjects", "low_level", "keep_idle") if getattr(options, name)]
    if given:
        raise ValueError(
            f"{reason}: --{given[0].replace('_', '-')} is of no use for it. Leave it out."
        )


def report_options(verbs) -> argparse.ArgumentParser:
    """`mindeye report`."""
    about = "one self-contained page of a run: pictures, curves, tables, provenance"
    verb = add_verb(verbs, "report", about, "mindeye report runs/one")
    add_run(verb)
    verb.add_argument("--out", type=Path, help="the page (default: RUN/report.html)")
    verb.add_argument("--reconstructions", type=Path, help="default: RUN/reconstructions")
    add_seed(verb, "chooses the images that are shown")
    add_subject(verb)
    add_data(verb)
    add_networks(verb)
    return verb
