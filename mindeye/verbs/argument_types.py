"""What a command line's words stand for; argparse tells what is wrong with one."""

import argparse
import re

from mindeye.seeds import LARGEST_SEED

_BYTES_OF = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def seed_number(text: str) -> int:
    """A number that every generator of random numbers takes."""
    if not re.fullmatch(r"-?\d+", text):
        raise argparse.ArgumentTypeError(f"{text} is no whole number")
    seed = int(text)
    if seed < 0:
        raise argparse.ArgumentTypeError(f"{seed} is negative; choose 0 or more")
    if seed > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{seed} is too large; choose at most {LARGEST_SEED}")
    return seed


def from_one(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1")
    return int(text)


def num_bytes(text: str) -> int:
    """8G, 800M, 1.5GB or plain bytes, also as 8e9; in powers of a thousand."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?(?:E\+?\d+)?)([KMGT]?)B?", text.strip().upper())
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no size; write it like 8G or 800M")
    return int(float(found[1]) * _BYTES_OF[found[2]])
