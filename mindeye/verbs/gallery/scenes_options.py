"""`mindeye gallery scenes`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.progress import Stages
from mindeye.verbs.shared_options import add_data, add_seed, add_subject, add_verb


def scenes_options(actions) -> argparse.ArgumentParser:
    """`mindeye gallery scenes`."""
    about = "draw made-up scenes into webdataset tars, to try galleries without photographs"
    example = "mindeye gallery scenes --out scenes --images 100000 --plant mindeye-demo/run"
    action = add_verb(actions, "scenes", about, example)
    action.add_argument("--out", type=Path, required=True, help="folder of the tars")
    count = "how many (default: 100000, which take 1 GB)"
    action.add_argument("--images", type=int, default=100_000, help=count)
    side = "pixels of a side (default: 128, as `mindeye demo` draws)"
    action.add_argument("--side", type=int, default=128, help=side)
    run = "adds the pictures of this run's test scans, so that they can be found"
    action.add_argument("--plant", type=Path, metavar="RUN", help=run)
    action.add_argument("--workers", type=int, help="processes that draw (default: one a core)")
    add_seed(action, "of the scenes")
    add_subject(action)
    add_data(action)
    return action


def perform_scenes(options: argparse.Namespace) -> Iterator[str]:
    """Draws what is not there yet."""
    from mindeye.simulate.scene_tars import NOTE, SceneTars
    from mindeye.verbs.gallery.scenes import draw_gallery

    if options.plant is None and (options.subject is not None or options.data is not None):
        raise ValueError("--subject and --data belong to a run. Name it with --plant.")
    scenes = SceneTars(num_scenes=options.images, seed=options.seed, side=options.side)
    stages = Stages()
    names = ("plant", "subject", "data", "workers")
    given = {name: getattr(options, name) for name in names}
    planted = draw_gallery(options.out, scenes, **given, progress=stages)
    stages.close()
    yield f"scenes: {options.images} in {options.out}, and {planted} planted"
    yield NOTE
