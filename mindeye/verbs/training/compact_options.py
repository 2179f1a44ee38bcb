"""`mindeye compact`: its options, and what it says; imports nothing that is slow."""

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import add_verb


def compact_options(verbs) -> argparse.ArgumentParser:
    """`mindeye compact`."""
    about = "a trained run with a token head of low rank in the place of its dense one"
    verb = add_verb(verbs, "compact", about, "mindeye compact runs/one --rank 600 --out runs/small")
    verb.add_argument("run", type=Path, help="a finished run with a dense token head")
    rank = "numbers that all tokens are made from; fewer are smaller and say less"
    verb.add_argument("--rank", type=int, required=True, help=rank)
    out = "folder of the compacted run; its tuning.yaml trains on from there (`mindeye train`)"
    verb.add_argument("--out", type=Path, required=True, help=out)
    moved = "prepared folders of the training's subjects, where they have moved"
    verb.add_argument("--data", type=Path, nargs="+", default=(), help=moved)
    return verb


def perform_compact(options: argparse.Namespace) -> Iterator[str]:
    """Compacts the run; gives lines for the screen."""
    from mindeye.report.banner import SIMULATED
    from mindeye.verbs.training.compact import TUNING_FILE, compact_run

    given = {"data": options.data, "progress": watch("hidden states")}
    run = compact_run(options.run, options.out, options.rank, **given)
    before, after = (
        path.stat().st_size / 1e6
        for path in (options.run / "weights.safetensors", run.weights_path)
    )
    yield f"weights: {before:.1f} MB before, {after:.1f} MB after"
    yield f"run: {run.path}"
    tuning = shlex.join(["mindeye", "train", str(run.path / TUNING_FILE), "--out"])
    yield f"to make up for what it lost: {tuning} NEW"
    if run.provenance()["simulated"] is not None:
        yield SIMULATED
