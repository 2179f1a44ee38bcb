"""Options of `mindeye reconstruct` beside those of its settings; imports nothing that is slow."""

import argparse
from pathlib import Path
from typing import Any

# As in `mindeye.reconstruction.uncertainty` and `mindeye caption`, which take long to import.
TRUST, FIT_IMAGES = 0.8, 1000
SWEEP = "FIRST:LAST:STEP"
# Generators have as many noise levels; further strengths would be the same.
MOST_STRENGTHS = 1000


def add_beside(verb: argparse.ArgumentParser) -> None:
    """Trust and captions."""
    folder = "trust in pictures, by a folder of validation images drawn with the same settings"
    verb.add_argument("--calibration", type=Path, metavar="FOLDER", help=folder)
    trust = (
        f"pictures of which less two-way identification is expected are marked (default: {TRUST})"
    )
    verb.add_argument("--trust", type=float, metavar="SHARE", help=trust)
    captions = "keep captions: of a FILE of `mindeye caption`, or written from the drawn tokens"
    verb.add_argument("--captions", nargs="?", const=True, metavar="FILE", help=captions)
    for name, kind, about in (
        ("captioner", str, "folder or hub repository (default: microsoft/git-large-coco)"),
        ("converter", Path, "as in `mindeye caption` (default: fitted to the run, and kept)"),
        ("fit-images", int, f"training images that it is fitted to (default: {FIT_IMAGES})"),
    ):
        verb.add_argument(f"--{name}", type=kind, help=f"of --captions: {about}")


def strength_or_sweep(text: str) -> float | tuple[float, ...]:
    """`0.7`, or `0.5:1.0:0.05` for all strengths from 0.5 to 1.0."""
    if ":" not in text:
        return float(text)
    try:
        first, last, step = (float(part) for part in text.split(":"))
        count = int((last - first) / step + 1e-6) + 1
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        wrong = f"{text} is no sweep. Write {SWEEP}, such as 0.5:1.0:0.05"
        raise argparse.ArgumentTypeError(wrong) from error
    if not (0 < first < last <= 1 and 0 < step <= last - first):
        wrong = f"{text} does not rise within (0, 1]. Write {SWEEP}, such as 0.5:1.0:0.05"
        raise argparse.ArgumentTypeError(wrong)
    if count > MOST_STRENGTHS:
        wrong = (
            f"{text} has {count:,} strengths; choose a step that gives {MOST_STRENGTHS} or fewer"
        )
        raise argparse.ArgumentTypeError(wrong)
    return tuple(round(first + place * step, 6) for place in range(count))


def beside_of(options: argparse.Namespace) -> Any:
    """What is asked for beside the pictures.

    Raises:
        ValueError: an option that would be ignored.
    """
    from mindeye.verbs.drawing.beside import BesideAsked
    from mindeye.verbs.drawing.captions_beside import CaptionsAsked

    of_captioner = {
        name: getattr(options, name) for name in ("captioner", "converter", "fit_images")
    }
    given = {name: value for name, value in of_captioner.items() if value is not None}
    if given and options.captions is not True:
        name = next(iter(given)).replace("_", "-")
        raise ValueError(
            f"--{name} is of use with --captions that are to be written. Give --captions without "
            f"a file, or leave --{name} out."
        )
    if options.trust is not None and options.calibration is None:
        raise ValueError("--trust is of no use without --calibration. Give both.")
    if "converter" in given and "fit_images" in given:
        raise ValueError(
            "--converter is there already, so --fit-images would change nothing. Leave one out."
        )
    captions = None
    if options.captions is not None:
        file = None if options.captions is True else Path(options.captions)
        captions = CaptionsAsked(file=file, **given)
    return BesideAsked(
        calibration=options.calibration,
        trust=TRUST if options.trust is None else options.trust,
        captions=captions,
    )
