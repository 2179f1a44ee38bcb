"""`mindeye evaluate`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.report.banner import SIMULATED, lines_of_test
from mindeye.verbs.drawing.batch_options import add_batch, given_batch
from mindeye.verbs.progress import watch
from mindeye.verbs.shared_options import (
    NOT_GIVEN,
    add_device,
    add_generator,
    add_quirks,
    add_seed,
    add_verb,
    given_generator,
    given_quirks,
)

# Options that only one of the two forms takes.
_OF_PICTURES = (
    "ids",
    "images_ids",
    "order",
    "range",
    "images_range",
    "subject",
    "networks",
    "clip",
    "out",
)
_RANGES = ("0..1", "0..255", "-1..1")


def evaluate_options(verbs) -> argparse.ArgumentParser:
    """`mindeye evaluate`."""
    about = "score reconstructed pictures against the images that were shown"
    example = "mindeye evaluate runs/one/reconstructions"
    verb = add_verb(verbs, "evaluate", about, example)
    verb.description = (
        f"{about}: what `mindeye reconstruct` drew, with floors and ceiling; or with --images "
        "pictures of any origin, for example `mindeye evaluate all_recons.pt --ids shared1000.npy "
        "--images nsd_stimuli.hdf5 --out scores`."
    )
    forms = "a folder of `mindeye reconstruct`; with --images also PNGs, .pt, npz, npy or hdf5"
    verb.add_argument("folder", type=Path, metavar="RECON", help=forms)
    verb.add_argument("--run", type=Path, help="the run that drew it, where it has moved")
    tells = "the prepared folder, where it has moved; with --images: a prepared folder or NSD tree"
    verb.add_argument("--data", type=Path, help=f"{tells} that tells test from training images")
    pictures = verb.add_argument_group("pictures of any origin, matched by image id")
    shown = "what was shown: a prepared folder, an NSD tree or its hdf5, PNGs, .pt, npz, hdf5"
    pictures.add_argument("--images", type=Path, metavar="SHOWN", help=shown)
    pictures.add_argument("--out", type=Path, help="folder of the scores")
    pictures.add_argument("--ids", type=Path, help="image ids of RECON, where it tells none")
    pictures.add_argument("--images-ids", type=Path, help="the same for SHOWN")
    order = "pictures without ids are all test images of this protocol, ascending by 73k id"
    pictures.add_argument("--order", metavar="PROTOCOL", help=f"{order} (as MindEye2's files are)")
    values = "what values of RECON mean, where they are not 8-bit or within 0..1"
    pictures.add_argument("--range", choices=_RANGES, help=values)
    pictures.add_argument("--images-range", choices=_RANGES, help="the same for SHOWN")
    pictures.add_argument("--subject", type=int, help="whose test images an NSD tree should tell")
    networks = "folder of the field's judging networks (default: MINDEYE_NETWORKS)"
    pictures.add_argument("--networks", type=Path, help=networks)
    clip = "folder of a further open_clip model that identifies (simulated: the offline one)"
    pictures.add_argument("--clip", type=Path, help=clip)
    more = verb.add_argument_group("beyond pictures")
    brain = "correlate measured betas with an encoding model's, region by region"
    more.add_argument("--brain", action="store_true", help=f"{brain} (--images: needs --data)")
    forms = "JSON {image id: caption}, or lines of id, tab and caption"
    decoded = f"decoded captions, scored by words: {forms}; needs 'mindeye[captions]'"
    more.add_argument("--captions", type=Path, metavar="FILE", help=decoded)
    written = "captions of what was shown (default: those of the prepared folder)"
    more.add_argument("--captions-shown", type=Path, metavar="FILE", help=written)
    add_generator(verb)
    add_batch(verb)
    add_quirks(verb, "aliased_resizing=on")
    add_seed(verb, "of the bootstrap and the floors")
    add_device(verb)
    return verb


def perform_evaluate(options: argparse.Namespace) -> Iterator[str]:
    """Scores, and says what came of it."""
    from mindeye.report.tables import format_rows

    _require_fitting(options)
    result, out = _of_pictures(options) if options.images else _of_folder(options)
    yield format_rows(result.rows)
    if "test_set" in result.about:
        yield f"test set: {result.about['test_set']['words']}"
    yield from (f"note: {note}" for note in result.about.get("notes", ()))
    yield f"rows: {out / 'evaluation.json'}"
    yield from lines_of_test(result.about)
    if result.about["simulated"] is not None:
        yield SIMULATED


def _of_folder(options: argparse.Namespace):
    from mindeye.verbs.evaluation.evaluate import evaluate_folder

    result = evaluate_folder(
        options.folder,
        run_path=options.run,
        data=options.data,
        seed=options.seed,
        **given_quirks(options),
        **given_generator(options),
        **given_batch(options),
        device=options.device,
        further=_further(options) if options.brain or options.captions else None,
        progress=watch("draw true tokens"),
    )
    return result, options.folder


def _of_pictures(options: argparse.Namespace):
    from mindeye.reconstruction.saved_pictures.pairing import PicturesAsked
    from mindeye.verbs.evaluation.evaluate_pictures import HowToScore, evaluate_pictures

    names = ("images", "ids", "images_ids", "order", "images_range", "data", "subject")
    asked = PicturesAsked(
        reconstructions=options.folder,
        value_range=options.range,
        **{name: getattr(options, name) for name in names},
    )
    settings = {name: getattr(options, name) for name in ("networks", "clip", "seed", "device")}
    how = HowToScore(**given_quirks(options), **settings, further=_further(options))
    return evaluate_pictures(asked, options.out, how, watch), options.out


def _further(options: argparse.Namespace):
    from mindeye.verbs.evaluation.further_metrics import FurtherAsked

    names = ("brain", "captions", "captions_shown")
    return FurtherAsked(**{name: getattr(options, name) for name in names})


def _require_fitting(options: argparse.Namespace) -> None:
    """Refuses what would be ignored.

    Raises:
        ValueError: names it.
    """
    if options.captions_shown is not None and options.captions is None:
        raise ValueError("--captions-shown is of no use without --captions. Give both.")
    if options.images is None:
        given = [name for name in _OF_PICTURES if getattr(options, name) is not None]
        if given:
            raise ValueError(
                f"--{given[0].replace('_', '-')} is for pictures of any origin. Say with --images "
                "what was shown, or leave it out."
            )
        return
    if options.run is not None:
        raise ValueError("--run is of no use with --images, which needs no run. Leave one out.")
    if given_generator(options) != NOT_GIVEN or options.batch or options.max_memory:
        raise ValueError(
            "With --images nothing is drawn: leave --generator-source, --generator-dtype, "
            "--offload, --slicing, --compile, --batch and --max-memory out."
        )
    if options.out is None:
        raise ValueError("--images needs --out, the folder that the scores are written into.")
