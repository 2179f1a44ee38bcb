"""`mindeye caption`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

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


def caption_options(verbs) -> argparse.ArgumentParser:
    """`mindeye caption`."""
    about = "say in words what test scans show, through a captioner of the hub"
    example = "mindeye caption runs/one --out captions.tsv --captioner microsoft/git-large-coco"
    verb = add_verb(verbs, "caption", about, example)
    add_run(verb)
    verb.add_argument("--out", type=Path, required=True, help="the file to write")
    where = "folder, or repository in the hub's cache (default: microsoft/git-large-coco)"
    verb.add_argument("--captioner", help=where)
    converter = "MindEye2's bigG_to_L_epoch8.pth, or another (default: fitted to the run, and kept)"
    verb.add_argument("--converter", type=Path, help=converter)
    fit = "training images that it is fitted to (default: 1000)"
    verb.add_argument("--fit-images", type=int, help=fit)
    splits = ("test", "validation")
    verb.add_argument("--split", choices=splits, default="test", help="default: test")
    verb.add_argument("--images", type=int, help="how many, drawn by seed (default: all)")
    add_quirks(verb, "averaged_outputs=on")
    add_subject(verb)
    add_data(verb)
    add_clip(verb)
    add_seed(verb, "of the prior's noise")
    add_device(verb)
    return verb


def perform_caption(options: argparse.Namespace) -> Iterator[str]:
    """Writes the captions; gives lines for the screen."""
    from mindeye.report.banner import SIMULATED, lines_of_test
    from mindeye.verbs.captions.caption import FIT_IMAGES, caption_run
    from mindeye.verbs.drawing.chosen_settings import settings_for

    if options.converter is not None and options.fit_images is not None:
        raise ValueError(
            "--converter is there already, so --fit-images would change nothing. Leave one out."
        )
    given = options.fit_images
    written = caption_run(
        options.run,
        options.out,
        settings_for(options.run, options.compat, {"seed": options.seed}),
        captioner=options.captioner,
        converter=options.converter,
        fit_images=FIT_IMAGES if given is None else given,
        subject=options.subject,
        data=options.data,
        split=options.split,
        num_images=options.images,
        **given_quirks(options),
        **given_networks(options),
        device=options.device,
        progress=watch("caption"),
    )
    for image_id, text in list(written.captions.items())[:3]:
        yield f"{image_id}: {text}"
    yield f"captions: {written.path}"
    yield from lines_of_test(written.about)
    if written.about["simulated"] is not None:
        yield SIMULATED
