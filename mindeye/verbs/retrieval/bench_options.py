"""`mindeye bench`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.report.banner import SIMULATED
from mindeye.verbs.argument_types import from_one
from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import add_device, add_quirks, add_seed, add_verb


def bench_options(verbs) -> argparse.ArgumentParser:
    """`mindeye bench`."""
    about = "measure retrieval as the field does and as it should: intervals, nulls, hubs, floors"
    example = "mindeye bench retrieval runs/one ridge=runs/two --out bench --pools 300 all"
    verb = add_verb(verbs, "bench", about, example)
    verb.add_argument("what", choices=["retrieval"], help="what is measured")
    runs = "runs of `mindeye train`, all their subjects; those of one name make a group"
    verb.add_argument("runs", nargs="*", metavar="[NAME=]RUN", help=runs)
    files = "or safetensors or npz with brain, images and image_ids of anybody's model"
    verb.add_argument("--embeddings", nargs="+", default=(), metavar="[NAME=]FILE", help=files)
    verb.add_argument("--out", type=Path, help="folder of the results (default: RUN/bench)")
    pools = "sizes, and `all`; default: 2, 50, 100, 300 and all, as far as they go"
    verb.add_argument("--pools", type=pool_size, nargs="+", help=pools)
    tops = "count a hit among so many (default: 1 5 10)"
    verb.add_argument("--tops", type=from_one, nargs="+", default=(1, 5, 10), help=tops)
    draws = "drawn pools beside the exact expectation (default: 30, as published)"
    verb.add_argument("--draws", type=from_one, default=30, help=draws)
    for name, about in (("--bootstrap", "resamples"), ("--permute", "permutations of the null")):
        text = f"{about} (default: 10000)"
        verb.add_argument(name, type=from_one, default=10_000, metavar="N", help=text)
    null = "exchange single images, or whole runs of the scanner, in which neighbours keep what "
    null += "they have in common (default: labels)"
    verb.add_argument("--null", choices=["labels", "blocks"], default="labels", help=null)
    protocol = "refuse runs of another protocol, and name that of files"
    verb.add_argument("--protocol", help=protocol)
    add_quirks(verb, "exchanged_labels=on")
    add_seed(verb, "of resamples, permutations and drawn pools")
    verb.add_argument("--subject", type=int, help="of each run (default: all)")
    moved = "prepared folders, where they have moved; converted runs always need theirs"
    verb.add_argument("--data", type=Path, nargs="+", default=(), help=moved)
    clips = "CLIPs of converted runs, which do not name them; all pictures are embedded once"
    verb.add_argument("--clip", nargs="+", default=(), metavar="[NAME=]FOLDER", help=clips)
    add_device(verb)
    return verb


def perform_bench(options: argparse.Namespace) -> Iterator[str]:
    """Measures, saves, and says what was found."""
    from mindeye.verbs.retrieval.retrieval_benchmark import benchmark, save_benchmark
    from mindeye.verbs.retrieval.retrieval_pairing import BenchmarkSettings
    from mindeye.verbs.retrieval.retrieval_sources import SourceSettings, retrieval_sources
    from mindeye.verbs.retrieval.retrieval_table import table_lines
    from mindeye.verbs.saved_results import require_folder_of

    out = options.out or default_out(options)
    require_folder_of(out, "retrieval.json", "benchmark of retrieval")
    settings = BenchmarkSettings(
        pools=None if options.pools is None else tuple(options.pools),
        tops=tuple(sorted(set(options.tops))),
        draws=options.draws,
        resamples=options.bootstrap,
        permutations=options.permute,
        null=options.null,
        seed=options.seed,
    )
    opening = SourceSettings(
        subject=options.subject,
        data=tuple(options.data),
        protocol=options.protocol,
        compat=options.compat,
        quirk_settings=tuple(options.quirks),
        clips=tuple(options.clip),
        device=options.device,
        watch=watch,
    )
    found = benchmark(retrieval_sources(options.runs, options.embeddings, opening), settings)
    save_benchmark(found, out)
    yield from table_lines(found)
    yield f"rows: {out / 'retrieval.json'}"
    yield f"page: {out / 'report.html'}"
    if found.simulated is not None:
        yield SIMULATED


def default_out(options: argparse.Namespace) -> Path:
    """RUN/bench of a single run.

    Raises:
        ValueError: several sources, or none.
    """
    from mindeye.verbs.retrieval.named_paths import named_path
    from mindeye.verbs.retrieval.retrieval_sources import BENCH

    if not options.runs and not options.embeddings:
        raise ValueError("There is nothing to measure. Give a run, or a file with --embeddings.")
    if len(options.runs) != 1 or options.embeddings:
        total = len(options.runs) + len(options.embeddings)
        raise ValueError(
            f"Results of {total} sources, files among them or not, belong to no single run. "
            "Give their folder with --out."
        )
    return named_path(options.runs[0])[1] / BENCH


def pool_size(text: str) -> int | str:
    """A number, or `all`."""
    if text == "all":
        return text
    size = int(text)
    if size < 2:
        raise argparse.ArgumentTypeError(f"a pool of {size} holds no choice; give 2 or more")
    return size
