"""`mindeye retrieve`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.retrieval.gallery.engine_choice import ENGINES
from mindeye.verbs.gallery.engine_options import add_engine, engine_of
from mindeye.verbs.gallery.fetch_options import add_fetching, given_fetching
from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import (
    add_clip,
    add_data,
    add_device,
    add_quirks,
    add_run,
    add_seed,
    add_subject,
    add_verb,
    given_networks,
    given_quirks,
)

ALIKE = 0.97
OF_GALLERY = {
    "out": None,
    "k": 16,
    "candidates": 300,
    "by": "embedding",
    "select_by": None,
    "deduplicate": None,
    "benchmark": False,
    "alike": ALIKE,
    "no_fetch": False,
    "cache": None,
    "private_addresses": False,
    "engine": ENGINES[0],
    "uri": "",
    "collection": None,
    "index_type": None,
    "search_parameters": None,
}
"""Options that need --gallery -> what they are when they are not given."""
OF_PICTURES = (
    "k",
    "candidates",
    "select_by",
    "deduplicate",
    "no_fetch",
    "cache",
    "private_addresses",
)
"""Of these, what the benchmark has no use for."""


def retrieve_options(verbs) -> argparse.ArgumentParser:
    """`mindeye retrieve`."""
    about = "image retrieval and brain retrieval among a run's test images, or from a gallery"
    verb = add_verb(verbs, "retrieve", about, "mindeye retrieve runs/one --pools 100")
    add_run(verb)
    verb.add_argument("--pools", type=int, nargs="+", help="pool sizes; default: 2 to all")
    add_quirks(verb, "exchanged_labels=on")
    add_seed(verb, "of the bootstrap, and of drawn pools")
    add_subject(verb)
    add_data(verb)
    add_clip(verb)
    add_device(verb)
    _add_gallery(verb.add_argument_group("from a gallery"))
    return verb


def _add_gallery(group) -> None:
    """What is not given stays None, so that it can be refused without --gallery."""
    where = "a folder of `mindeye gallery build`, whose pictures are found instead"
    group.add_argument("--gallery", type=Path, help=where)
    group.add_argument("--out", type=Path, help="folder of the pictures found, or the benchmark")
    group.add_argument("--k", type=int, help="pictures among which is chosen (default: 16)")
    asked = "neighbours that are asked for; the first k whose pictures can be had (default: 300)"
    group.add_argument("--candidates", type=int, help=asked)
    ways = ("embedding", "tokens")
    by = "what finds: CLIP's first token, or all, where the gallery holds them (default: embedding)"
    group.add_argument("--by", choices=ways, help=by)
    second = "run whose tokens choose among the k, as MindEye1's of 257 tokens (default: RUN)"
    group.add_argument("--select-by", type=Path, metavar="RUN", help=second)
    once = f"take neighbours once whose cosine to each other is above this (without value: {ALIKE})"
    group.add_argument("--deduplicate", type=float, nargs="?", const=ALIKE, metavar="C", help=once)
    planted = "rank the seen pictures among all others instead, over their number"
    group.add_argument("--benchmark", action="store_true", help=planted)
    alike = f"near duplicates of the seen picture have a higher cosine to it (default: {ALIKE})"
    group.add_argument("--alike", type=float, metavar="C", help=alike)
    add_fetching(group)
    add_engine(group)


def perform_retrieve(options: argparse.Namespace) -> Iterator[str]:
    """Retrieves, saves, and says what was found."""
    if options.gallery is None:
        given = [name for name in OF_GALLERY if _is_given(options, name)]
        if given:
            raise ValueError(
                f"--{given[0].replace('_', '-')} belongs to retrieval from a gallery. "
                "Name it with --gallery, or leave that out."
            )
        return _among_test_images(options)
    if options.pools is not None:
        raise ValueError("--pools are of test images alone. Leave it out, or --gallery.")
    if options.out is None:
        raise ValueError("What is found in a gallery needs a folder. Give it with --out.")
    return _benchmark(options) if options.benchmark else _from_gallery(options)


def _among_test_images(options: argparse.Namespace) -> Iterator[str]:
    from mindeye.report.banner import SIMULATED, lines_of_test
    from mindeye.report.tables import format_rows
    from mindeye.verbs.retrieval.retrieve import name_of, retrieve_run

    result = retrieve_run(
        options.run,
        subject=options.subject,
        data=options.data,
        pool_sizes=options.pools,
        seed=options.seed,
        **given_quirks(options),
        **given_networks(options),
        device=options.device,
        progress=watch("test pictures"),
    )
    yield format_rows(result.rows)
    yield f"rows: {options.run / f'{name_of(result.about)}.json'}"
    yield from lines_of_test(result.about)
    if result.about["simulated"] is not None:
        yield SIMULATED


def _opened(options: argparse.Namespace):
    from mindeye.verbs.retrieval.gallery_material import GallerySettings, open_material

    settings = GallerySettings(
        by=_given(options, "by"),
        subject=options.subject,
        data=options.data,
        **given_quirks(options),
        **given_networks(options),
        device=options.device,
        engine=engine_of(options),
    )
    return open_material(options.run, options.gallery, settings)


def _from_gallery(options: argparse.Namespace) -> Iterator[str]:
    from mindeye.report.banner import SIMULATED
    from mindeye.retrieval.gallery.pictures.outcomes import counted_reasons
    from mindeye.verbs.gallery.searchable import Fetching, open_reader
    from mindeye.verbs.retrieval import gallery_retrieval as retrieval
    from mindeye.verbs.retrieval.gallery_selection import selector_of, selector_of_run

    if options.alike is not None:
        raise ValueError("--alike belongs to the benchmark. Add --benchmark, or leave it out.")
    material = _opened(options)
    if options.select_by is None:
        selector = selector_of(material)
    else:
        given = given_networks(options)
        selector = selector_of_run(options.select_by, material, options.device, **given)
    settings = retrieval.RetrievalSettings(
        k=_given(options, "k"),
        candidates=_given(options, "candidates"),
        distinct_below=options.deduplicate,
    )
    reader = open_reader(material.gallery, Fetching(**given_fetching(options)))
    found = retrieval.retrieve_from_gallery(
        material, selector, reader, settings, options.out, watch("retrieve")
    )
    yield material.index.about
    shares = ", ".join(f"{name} {share:.3f}" for name, share in found.shares().items())
    yield f"the seen picture itself: {shares} (of {len(found.records)} images)"
    if found.reasons:
        missing = sum(found.reasons.values())
        yield f"{missing} candidates have no picture: {counted_reasons(found.reasons)}"
    if found.passing:
        yield f"of {found.passing} the reason may pass: the same command asks for them again"
    if found.without_picture:
        yield f"no picture at all of {len(found.without_picture)} images: {found.without_picture}"
    yield f"pictures: {options.out / retrieval.PICTURES}"
    yield f"sheet: {options.out / 'sheet.png'}"
    yield (
        f"score them: mindeye evaluate {options.out / retrieval.PICTURES} "
        f"--images {material.run.prepared.path} --out SCORES"
    )
    if material.about["simulated"] or material.about["gallery"]["simulated"]:
        yield SIMULATED


def _benchmark(options: argparse.Namespace) -> Iterator[str]:
    from mindeye.report.banner import SIMULATED
    from mindeye.report.tables import format_rows
    from mindeye.verbs.retrieval import gallery_benchmark as benchmark
    from mindeye.verbs.saved_results import require_folder_of

    given = [name for name in OF_PICTURES if _is_given(options, name)]
    if given:
        raise ValueError(
            f"The benchmark takes no --{given[0].replace('_', '-')}: it shows no picture. "
            "Leave it out, or --benchmark."
        )
    require_folder_of(options.out, "benchmark.tsv", "benchmark of a gallery")
    material = _opened(options)
    settings = benchmark.BenchmarkSettings(
        duplicate_above=_given(options, "alike"), seed=options.seed
    )
    found = benchmark.benchmark_gallery(material, settings)
    benchmark.save_benchmark(found, options.out)
    yield format_rows(benchmark.shown_rows(found.rows))
    for one in found.extrapolation.rows:
        yield (
            f"extrapolated: top-{one.top} of {one.distractors:,} distractors "
            f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"
        )
    yield from found.notes()
    yield f"rows, also with near duplicates as rivals and as hits: {options.out / 'benchmark.tsv'}"
    yield f"figure: {options.out / 'benchmark.png'}"
    if found.simulated is not None:
        yield SIMULATED


def _is_given(options: argparse.Namespace, name: str) -> bool:
    value = getattr(options, name)
    # 0 is given, although it equals False.
    return value is not False and value not in (None, "", OF_GALLERY["engine"])


def _given(options: argparse.Namespace, name: str):
    value = getattr(options, name)
    return OF_GALLERY[name] if value is None else value
