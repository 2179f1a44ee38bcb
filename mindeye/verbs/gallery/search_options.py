"""`mindeye gallery search`: its options, and what it says; imports nothing that is slow."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.gallery.engine_options import add_engine, engine_of
from mindeye.verbs.gallery.fetch_options import add_fetching, given_fetching
from mindeye.verbs.shared_options import add_device, add_verb

ALIKE = 0.97


def search_options(actions) -> argparse.ArgumentParser:
    """`mindeye gallery search`."""
    about = "find the pictures of a gallery that are most like a picture, a text or a vector"
    example = 'mindeye gallery search gallery --text "a red bus on a street" --k 16 --out found'
    action = add_verb(actions, "search", about, example)
    action.add_argument("gallery", type=Path, help="a folder of `mindeye gallery build`")
    pictures = "pictures to search for"
    action.add_argument("--image", type=Path, nargs="+", default=(), help=pictures)
    action.add_argument("--text", nargs="+", default=(), help="words to search for")
    vectors = "an .npy file of vectors, one a row, of the gallery's network"
    action.add_argument("--embedding", type=Path, metavar="FILE", help=vectors)
    action.add_argument("--k", type=int, default=16, help="results of each (default: 16)")
    alike = f"show results once whose cosine to each other is above this (without value: {ALIKE})"
    action.add_argument("--deduplicate", type=float, nargs="?", const=ALIKE, help=alike)
    clip = "folder of the network that embedded the gallery (default: the offline CLIP)"
    action.add_argument("--clip", type=Path, metavar="FOLDER", help=clip)
    out = "folder of results.tsv, results.json and sheet.png (default: a table on the screen)"
    action.add_argument("--out", type=Path, help=out)
    action.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_fetching(action)
    add_engine(action)
    add_device(action)
    return action


def perform_search(options: argparse.Namespace) -> Iterator[str]:
    """Searches, saves, and says what was found."""
    from mindeye.retrieval.gallery.pictures.outcomes import counted_reasons
    from mindeye.verbs.gallery.search import SearchRequest, as_json, save_search, search_gallery
    from mindeye.verbs.gallery.searchable import COLUMNS, Fetching
    from mindeye.verbs.saved_results import require_folder_of

    if options.out is not None:
        require_folder_of(options.out, "results.tsv", "results of a search")
    request = SearchRequest(
        images=options.image,
        texts=options.text,
        embedding=options.embedding,
        k=options.k,
        distinct_below=options.deduplicate,
        clip=options.clip,
        device=options.device,
        engine=engine_of(options),
    )
    search = search_gallery(options.gallery, request)
    missing = []
    if options.out is not None:
        missing = save_search(search, options.out, Fetching(**given_fetching(options)))
    if options.json:
        yield json.dumps(as_json(search), indent=1)
        return
    yield "\t".join(COLUMNS)
    for found in search.found:
        for one in found:
            cells = ("" if one[name] is None else str(one[name]) for name in COLUMNS)
            yield "\t".join(" ".join(cell.split()) for cell in cells)
    yield from (f"# {note}" for note in search.notes)
    if missing:
        reasons = [one.partition(": ")[2] for one in missing]
        yield f"# no picture of {len(missing)} results: " + counted_reasons(
            {reason: reasons.count(reason) for reason in reasons}
        )
    if options.out is not None:
        yield f"# sheet: {options.out / 'sheet.png'}"
    if search.simulated is not None:
        yield "# SIMULATED pictures: drawn scenes, no photographs."
