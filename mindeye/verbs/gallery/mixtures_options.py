"""`mindeye gallery mixtures`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import add_seed, add_verb


def mixtures_options(actions) -> argparse.ArgumentParser:
    """`mindeye gallery mixtures`."""
    about = "make up vectors between those of a gallery's pictures, to try galleries of millions"
    example = "mindeye gallery mixtures gallery --out mixtures --vectors 1000000"
    action = add_verb(actions, "mixtures", about, example)
    action.add_argument("gallery", type=Path, help="of pictures; it stays as it is")
    out = "folder for embeddings and metadata in LAION's layout"
    action.add_argument("--out", type=Path, required=True, help=out)
    count = "how many; a tenth has made-up scores that `gallery build` takes for unsafe"
    action.add_argument("--vectors", type=int, required=True, metavar="N", help=count)
    shard = "vectors of a file (default: 100000)"
    action.add_argument("--per-shard", type=int, default=100_000, metavar="N", help=shard)
    add_seed(action, "of the mixtures")
    return action


def perform_mixtures(options: argparse.Namespace) -> Iterator[str]:
    """Writes what is not there yet."""
    from mindeye.report.banner import SIMULATED
    from mindeye.verbs.gallery.mixtures import write_mixtures

    gallery = write_mixtures(
        options.gallery,
        options.out,
        options.vectors,
        per_shard=options.per_shard,
        seed=options.seed,
        progress=watch("mixtures"),
    )
    yield f"{options.vectors:,} made-up vectors of {gallery.width} numbers in {options.out}"
    yield SIMULATED
    add = f"mindeye gallery build {options.out} --out {options.gallery}"
    yield f"{add} --network '{gallery.network}' adds them"
