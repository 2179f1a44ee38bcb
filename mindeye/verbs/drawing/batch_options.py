"""How much is drawn at once, on the command line; imports nothing that is slow."""

import argparse
from typing import Any

from mindeye.reconstruction.settings import BatchAsked
from mindeye.verbs.argument_types import from_one, num_bytes


def add_batch(verb: argparse.ArgumentParser) -> None:
    """Pictures at once, or the memory that says how many."""
    group = verb.add_mutually_exclusive_group()
    pictures = "pictures drawn at once, candidates counted (default: those of 20 images)"
    group.add_argument("--batch", type=from_one, metavar="PICTURES", help=pictures)
    limit = "draw as many at once as fit, by measuring one: such as 8G (of the GPU with cuda)"
    group.add_argument("--max-memory", type=num_bytes, metavar="SIZE", help=limit)


def given_batch(options: argparse.Namespace) -> dict[str, Any]:
    """What `opened_drawing` takes of it."""
    return {"batch": BatchAsked(pictures=options.batch, max_memory=options.max_memory)}
