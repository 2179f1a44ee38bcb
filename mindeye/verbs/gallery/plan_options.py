"""`mindeye gallery plan`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.argument_types import num_bytes
from mindeye.verbs.shared_options import add_verb


def plan_options(actions) -> argparse.ArgumentParser:
    """`mindeye gallery plan`."""
    about = "what a larger gallery would cost, computed from measured ones"
    example = "mindeye gallery plan --vectors 5.85e9 --figures figures.jsonl"
    action = add_verb(actions, "plan", about, example)
    action.add_argument("--vectors", type=float, required=True, help="how many, such as 5.85e9")
    figures = "lines of JSON that eval/benchmarks/gallery.py wrote with --figures"
    action.add_argument("--figures", type=Path, required=True, metavar="FILE", help=figures)
    for option, kind, metavar, default, text in (
        ("--disk", num_bytes, "BYTES", 8e12, "disk of one machine"),
        ("--memory", num_bytes, "BYTES", 64e9, "memory of one machine"),
        ("--cores", int, "N", 16, "cores of one machine, each as fast as the measured ones"),
        ("--hours", float, "H", 24.0, "that building may take on all machines"),
    ):
        about = f"{text} (default: {default:g})"
        action.add_argument(option, type=kind, default=default, metavar=metavar, help=about)
    return action


def perform_plan(options: argparse.Namespace) -> Iterator[str]:
    """Computes and tells; writes nothing."""
    from mindeye.verbs.gallery.plan import Node, plan_gallery, plan_lines, read_figures

    if not 1 <= options.vectors < 1e15:
        raise ValueError(f"A gallery of {options.vectors:g} vectors cannot be. Give 1 or more.")
    names = ("disk", "memory", "cores", "hours")
    node = Node(**{name: getattr(options, name) for name in names})
    figures = read_figures(options.figures)
    yield from plan_lines(plan_gallery(int(options.vectors), figures, node), figures, node)
