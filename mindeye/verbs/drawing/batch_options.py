"""How much is drawn at once, on the command line; imports nothing that is slow."""

import argparse
import re
from typing import Any

from mindeye.reconstruction.settings import BatchAsked

_BYTES_OF = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def add_batch(verb: argparse.ArgumentParser) -> None:
    """Pictures at once, or the memory that says how many."""
    group = verb.add_mutually_exclusive_group()
    pictures = "pictures drawn at once, candidates counted (default: those of 20 images)"
    group.add_argument("--batch", type=picture_count, metavar="PICTURES", help=pictures)
    limit = "draw as many at once as fit, by measuring one: such as 8G (of the GPU with cuda)"
    group.add_argument("--max-memory", type=memory_size, metavar="SIZE", help=limit)


def given_batch(options: argparse.Namespace) -> dict[str, Any]:
    """What `opened_drawing` takes of it."""
    return {"batch": BatchAsked(pictures=options.batch, max_memory=options.max_memory)}


def picture_count(text: str) -> int:
    """One picture or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of pictures; choose 1 or more")
    return int(text)


def memory_size(text: str) -> float:
    """`8G`, `1.5GB` or `900M` in bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", text.upper())
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no size; write it like 8G or 900M")
    return float(found[1]) * _BYTES_OF[found[2]]
