"""Indexes of galleries beside faiss called bare: build time, memory, bytes, recall, search time.

python eval/benchmarks/gallery.py --folder NEW --vectors 1000000 --keep
python eval/benchmarks/gallery.py --folder NEW --kills 10          # of `gallery index`
python eval/benchmarks/gallery.py --folder NEW --kills-build 10    # of `gallery build`

Vectors are simulated: clustered, of unit length, with a power-law spectrum; queries are others of
the same distribution. Each build and each search is a process of its own, whose memory is told.
With --keep, shards and index stay, and the next run takes the shards; the folder is removed
otherwise. 10 million vectors take 15.4 GB of disk, and up to 2.5 GB for the index as it is built.
"""

import argparse
import json
import shutil
from pathlib import Path

from mindeye.verbs.argument_types import from_one
from mindeye.verbs.benchmarks.gallery_build_kills import build_kills
from mindeye.verbs.benchmarks.gallery_index import benchmark, kills, work_of


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="a new folder, or one that was kept")
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--lists", type=int, help="default: by size")
    parser.add_argument("--recall", type=float, default=0.97, help="that is tuned for")
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="leave the shards and the index")
    parser.add_argument("--no-bare", action="store_true", help="without faiss called bare")
    parser.add_argument(
        "--kills", type=from_one, help="only kill so many small indexes, and resume"
    )
    builds = "the same of `gallery build`, so many of pictures and of embeddings"
    parser.add_argument("--kills-build", type=from_one, metavar="KILLS", help=builds)
    figures = "append what was measured, a line of JSON, for `mindeye gallery plan`"
    parser.add_argument("--figures", type=Path, metavar="FILE", help=figures)
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        name, settings = arguments.work
        print(work_of(name, json.loads(settings)))
        return
    folder = arguments.folder
    if folder is None or (folder.exists() and not arguments.keep):
        parser.error(f"--folder {folder}: name a new folder, or one that was kept with --keep.")
    if arguments.kills_build:
        lines = build_kills(folder, number=arguments.kills_build, seed=arguments.seed)
    elif arguments.kills:
        num_vectors = min(arguments.vectors, 40_000)
        number, seed = arguments.kills, arguments.seed
        lines = kills(folder, num_vectors=num_vectors, number=number, seed=seed)
    else:
        lines = benchmark(
            Path(__file__),
            folder,
            num_vectors=arguments.vectors,
            width=arguments.width,
            lists=arguments.lists,
            recall=arguments.recall,
            num_queries=arguments.queries,
            threads=arguments.threads,
            seed=arguments.seed,
            bare=not arguments.no_bare,
            figures=arguments.figures,
        )
    try:
        for line in lines:
            print(line, flush=True)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
