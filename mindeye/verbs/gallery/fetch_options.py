"""Options of verbs that show a gallery's pictures; imports nothing that is slow."""

import argparse
from pathlib import Path
from typing import Any


def add_fetching(verb: argparse._ActionsContainer) -> None:
    """Of pictures of which only the address is known."""
    verb.add_argument("--no-fetch", action="store_true", help="fetch no picture from the web")
    place = "folder that keeps fetched pictures (default: GALLERY/downloads)"
    verb.add_argument("--cache", type=Path, metavar="FOLDER", help=place)
    private = "also fetch from the own machine and network, which a stranger's table may name"
    verb.add_argument("--private-addresses", action="store_true", help=private)


def given_fetching(options: argparse.Namespace) -> dict[str, Any]:
    """What `open_reader` takes of them."""
    return {
        "fetch": not options.no_fetch,
        "cache": options.cache,
        "private_addresses": options.private_addresses,
    }
