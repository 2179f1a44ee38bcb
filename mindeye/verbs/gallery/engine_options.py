"""Options of the actions that search a gallery by one engine or another."""

import argparse
import json
import os
from typing import Any

from mindeye.retrieval.gallery.engine_choice import ENGINES, EngineChoice

TOKEN = "MILVUS_TOKEN"


def add_engine(
    action: argparse._ActionsContainer, *, builds: bool = False, searches: bool | None = None
) -> None:
    """Adds --engine and what belongs to it.

    Args:
        builds: whether the action brings vectors to the engine.
        searches: whether it looks for some there; None: where it brings none.
    """
    engine = f"{' or '.join(ENGINES)} (default: {ENGINES[0]}, on this machine)"
    action.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help=engine)
    uri = f"of Milvus: http://HOST:PORT, with the variable {TOKEN}, or a .db file"
    action.add_argument("--uri", default="", help=uri)
    action.add_argument("--collection", help="of Milvus (default: mindeye)")
    kind = "of Milvus (default: AUTOINDEX in a file, DISKANN on a server)"
    action.add_argument("--index-type", metavar="KIND", help=kind)
    if builds:
        build = """of Milvus, as JSON: '{"nlist": 4096}'"""
        action.add_argument("--index-parameters", type=parameters, metavar="JSON", help=build)
    if not builds if searches is None else searches:
        search = """of Milvus, as JSON: '{"nprobe": 64}'"""
        action.add_argument("--search-parameters", type=parameters, metavar="JSON", help=search)


def engine_of(options: argparse.Namespace) -> EngineChoice:
    """What the options say.

    Raises:
        ValueError: options of Milvus without --engine milvus.
    """
    fields = {
        "collection": "collection",
        "index_type": "index",
        "index_parameters": "parameters",
        "search_parameters": "search",
    }
    given = {fields[name]: getattr(options, name, None) for name in fields}
    given = {name: value for name, value in given.items() if value is not None}
    if given and options.engine != "milvus":
        raise ValueError(
            "--collection, --index-type and the parameters are of Milvus. Add --engine milvus and "
            "--uri, or leave them out."
        )
    return EngineChoice(
        engine=options.engine,
        uri=options.uri,
        token=os.environ.get(TOKEN, "") if options.engine == "milvus" else "",
        settings=given,
    )


def parameters(text: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not JSON") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text} is no JSON object")
    return value
