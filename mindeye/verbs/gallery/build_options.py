"""`mindeye gallery build`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import add_device, add_verb

OF_PICTURES = ("tokens", "max_pixels", "batch_size", "workers", "max_skipped")
OF_VECTORS = ("network", "normalise", "drop_broken", "quick")


def build_options(actions) -> argparse.ArgumentParser:
    """`mindeye gallery build`."""
    about = "make a gallery of pictures or of embeddings, or add to one"
    example = "mindeye gallery build pictures --out gallery --clip ViT-L-14"
    verb = add_verb(actions, "build", about, example)
    holds = "folder of pictures, of webdataset's or img2dataset's tars, or LAION's embeddings"
    verb.add_argument("source", type=Path, help=holds)
    where = "the gallery's folder; what it has keeps its rows, what is new comes behind"
    verb.add_argument("--out", type=Path, required=True, help=where)
    forms = ["folder", "webdataset", "img2dataset", "laion"]
    verb.add_argument("--form", choices=forms, help="of the source (default: recognised)")
    plan = "print shards, bytes and an estimate of hours, write none"
    verb.add_argument("--dry-run", action="store_true", help=plan)
    part = "do only shards I, I + N, I + 2 N, ..., for example in a SLURM array"
    verb.add_argument("--shard-index", type=int, metavar="I", help=part)
    machines = "so many processes divide the shards; the last to end names them all"
    verb.add_argument("--num-shards", type=int, metavar="N", help=machines)
    _add_engine(verb)
    _add_pictures(verb)
    _add_vectors(verb)
    _add_filters(verb)
    add_device(verb)
    return verb


def _add_engine(verb: argparse.ArgumentParser) -> None:
    here = "local, or ray: shards as tasks of workers that share the file system"
    verb.add_argument("--engine", choices=["local", "ray"], default="local", help=here)
    cluster = "of a Ray cluster, such as auto (default: workers on this machine)"
    verb.add_argument("--ray-address", metavar="ADDRESS", help=cluster)
    tasks = "of Ray: shards at once (default: 2)"
    verb.add_argument("--ray-tasks", type=int, metavar="N", help=tasks)


def _add_pictures(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("pictures")
    clip = "CLIP in open_clip's local layout (default: the offline one); of LAION: whose vectors"
    group.add_argument("--clip", type=Path, metavar="FOLDER", help=clip)
    tokens = "keep all tokens too, for second-order selection (of ViT-L/14 395 kB a picture)"
    group.add_argument("--tokens", action="store_true", help=tokens)
    largest = "larger pictures are skipped (default: 100 million; at most 178956970)"
    group.add_argument("--max-pixels", type=int, help=largest)
    refuse = "share of pictures that may be undecodable before it stops (default: 0.1)"
    group.add_argument("--max-skipped", type=float, metavar="SHARE", help=refuse)
    group.add_argument("--batch-size", type=int, help="pictures embedded at once (default: 64)")
    group.add_argument("--workers", type=int, help="threads that decode (default: 4)")


def _add_vectors(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("LAION's embeddings, which stay where they lie")
    name = "name of the network whose vectors they are (default: openai-ViT-L-14)"
    group.add_argument("--network", help=name)
    copies = "write copies at length 1 of files whose vectors have another length"
    group.add_argument("--normalise", action="store_true", help=copies)
    broken = "leave out vectors that are not finite, instead of stopping"
    group.add_argument("--drop-broken", action="store_true", help=broken)
    quick = "for terabytes: check samples of each file, not every vector"
    group.add_argument("--quick", action="store_true", help=quick)


def _add_filters(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("filters on metadata; what has no value is left out")
    keep = "do not look at safety; LAION's embeddings without a column for it need this"
    group.add_argument("--keep-unsafe", action="store_true", help=keep)
    limit = "highest `punsafe` (default: 0.5; of LAION-400M: NSFW must be UNLIKELY)"
    group.add_argument("--max-unsafe", type=float, metavar="P", help=limit)
    group.add_argument("--max-watermark", type=float, metavar="P", help="highest `pwatermark`")
    alike = "lowest `similarity` of picture and caption"
    group.add_argument("--min-similarity", type=float, metavar="COSINE", help=alike)
    group.add_argument("--licence", help="only these, e.g. cc-by,cc0 (column `license`)")


def perform_build(options: argparse.Namespace) -> Iterator[str]:
    """Builds or plans; gives lines for the screen."""
    from mindeye.report.banner import SIMULATED
    from mindeye.verbs.gallery.build_request import request_of

    job = _ray_job(options)
    if options.dry_run:
        from mindeye.verbs.gallery.build_plan import plan_gallery

        yield from plan_gallery(request_of(vars(options)))
        if job is not None:
            yield job.line
        return
    progress = watch("gallery build, MB")
    if job is not None:
        from mindeye.verbs.gallery.build_ray import build_with_ray

        result = build_with_ray(vars(options), job, progress)
    else:
        from mindeye.verbs.gallery.build import build_gallery

        result = build_gallery(request_of(vars(options)), progress)
    yield from result.lines
    if result.simulated:
        yield SIMULATED


def _ray_job(options: argparse.Namespace):
    """Where tasks of Ray run; None without Ray.

    Raises:
        ValueError: options that would be ignored.
        LookupError: the extra `ray` is not installed.
    """
    given = {"address": options.ray_address, "tasks": options.ray_tasks}
    given = {name: value for name, value in given.items() if value is not None}
    if options.engine != "ray":
        if given:
            raise ValueError("--ray-address and --ray-tasks are of Ray. Add --engine ray.")
        return None
    if (options.shard_index, options.num_shards) != (None, None):
        raise ValueError("Ray divides the shards itself. Leave --num-shards and --shard-index out.")
    from mindeye.verbs.gallery.build_ray import RayJob, require_ray

    require_ray()
    return RayJob(**given)
