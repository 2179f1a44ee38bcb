"""`mindeye refine`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import (
    add_device,
    add_generator,
    add_quirks,
    add_verb,
    given_generator,
    given_quirks,
)


def refine_options(verbs) -> argparse.ArgumentParser:
    """`mindeye refine`."""
    about = "let SDXL draw over reconstructions, led by captions of them (MindEye2's last step)"
    example = (
        "mindeye refine runs/one/reconstructions --captions captions.tsv "
        "--generator-source sdxl --out runs/one/refined"
    )
    verb = add_verb(verbs, "refine", about, example)
    verb.add_argument("reconstructions", type=Path, help="a folder of `mindeye reconstruct`")
    texts = "a file of `mindeye caption`"
    verb.add_argument("--captions", type=Path, required=True, help=texts)
    verb.add_argument("--out", type=Path, required=True, help="folder of the refined pictures")
    for name, kind, text in (
        ("steps", int, "of the schedule (default: 25)"),
        ("strength", float, "share of them that are run (default: 0.48, the last 12)"),
        ("guidance", float, "how far the caption leads (default: 5)"),
        ("negative-prompt", str, "what is led away from (default: MindEye2's)"),
        ("side", int, "of the pictures in pixels (default: 768)"),
    ):
        verb.add_argument(f"--{name}", type=kind, help=text)
    add_generator(verb, required="an SDXL checkpoint in diffusers' layout, with text encoders")
    add_quirks(verb, "refined_through_256=on", "ours, at full size")
    add_device(verb)
    return verb


def perform_refine(options: argparse.Namespace) -> Iterator[str]:
    """Refines the pictures; gives lines for the screen."""
    from mindeye.report.banner import SIMULATED, lines_of_test
    from mindeye.verbs.refine import RefinementConfig, refine_folder
    from mindeye.verbs.saved_results import read_manifest

    names = ("steps", "strength", "guidance", "negative_prompt", "side")
    given = {name: getattr(options, name) for name in names}
    refine_folder(
        options.reconstructions,
        options.out,
        options.captions,
        RefinementConfig(**{name: one for name, one in given.items() if one is not None}),
        **given_generator(options),
        **given_quirks(options),
        device=options.device,
        progress=watch("refine"),
    )
    yield f"pictures: {options.out / 'pictures'}"
    about = read_manifest(options.out).about
    yield from lines_of_test(about)
    if about["simulated"] is not None:
        yield SIMULATED
