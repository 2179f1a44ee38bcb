"""An engine's answers in a gallery beside exact search of the same: import, shares found, time.

python eval/benchmarks/gallery_engines.py gallery --run RUN --text "a dog on a beach" \\
    --engine milvus --uri lite.db
python eval/benchmarks/gallery_engines.py gallery --run RUN                # our index

Queries are the first 64 test scans of a run, decoded, and the texts. Vectors that are in Milvus
already are not sent again: name a new --collection, or a new .db file, to time an import.
"""

import argparse
import json
import os
from pathlib import Path

from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.verbs.benchmarks.gallery_engines import engine_beside_exact, import_work
from mindeye.verbs.gallery.engine_options import TOKEN, add_engine, engine_of


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("gallery", type=Path, nargs="?", help="of `mindeye gallery build`")
    parser.add_argument("--run", type=Path, help="that learned the gallery's CLIP")
    parser.add_argument("--text", nargs="+", default=[], metavar="TEXT")
    add_engine(parser, builds=True, searches=True)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work = json.loads(options.work)
        token, folder = os.environ.get(TOKEN, ""), Path(work.pop("folder"))
        print(import_work(folder, EngineChoice(engine="milvus", token=token, **work)))
        return
    if options.gallery is None or options.run is None:
        parser.error("name a gallery, and the run of its queries with --run.")
    told = engine_beside_exact(
        Path(__file__), options.gallery, engine_of(options), options.run, options.text
    )
    for line in told:
        print(line, flush=True)


if __name__ == "__main__":
    main()
