"""`mindeye caption`: a run's scans -> image tokens -> a captioner's tokens -> captions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.data.batches import PreparedSubject
from mindeye.files import sha256_of, write_json, write_text
from mindeye.models.caption_converter import (
    CaptionConverter,
    fitted_converter,
    load_converter,
    save_converter,
)
from mindeye.pictures import as_images
from mindeye.reconstruction.candidate_noise import candidate_generators, noises
from mindeye.reconstruction.converted_run import require_held_out
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.image_tokens import tokens_of
from mindeye.reconstruction.opening import OpenRun, open_run, open_training
from mindeye.reconstruction.prior_sampler import prior_sampler
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.targets.captioner import Captioner, load_captioner
from mindeye.verbs.device import require_device
from mindeye.verbs.drawing.scans import scans_of, settled_config

BATCH = 16
FIT_IMAGES = 1000
HEADER = "image_id\tcaption"


@dataclass(frozen=True, kw_only=True)
class Captions:
    """What was written, and where."""

    path: Path
    captions: dict[int, str]
    about: dict[str, Any]


def caption_run(
    run_path: Path,
    out: Path,
    config: ReconstructionConfig,
    *,
    captioner: str | None = None,
    converter: Path | None = None,
    fit_images: int = FIT_IMAGES,
    subject: int | None = None,
    data: Path | None = None,
    split: str = "test",
    num_images: int | None = None,
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    given: GivenNetworks = NONE_GIVEN,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Captions:
    """Writes a caption for each image of a split, as `mindeye evaluate --captions` reads them.

    Args:
        config: of it the prior's sampler, steps and guidance, quirks and seed count.
        captioner: see `load_captioner`.
        converter: None fits one to `fit_images` of the run's training images, and keeps it in the
            run folder beside the captioner's name.
        given: the CLIP of a converted run, which does not name it.

    Raises:
        FileNotFoundError: no run, captioner or converter there.
        ValueError: a converter of other tokens, a caption without words, or `out` is taken; or see
            `open_run`.
    """
    require_device(device)
    if out.exists():
        raise ValueError(f"{out} exists. Remove it, or choose another file.")
    config = settled_config(run_path, config, compat, quirk_settings)
    writer = load_captioner(captioner, device)
    ready = load_converter(converter) if converter else None
    opening = {"subject": subject, "data": data, "device": device}
    run = open_run(run_path, **opening, given=given, needs_vae=False)
    require_held_out(run_path, run.provenance, split)
    scans = scans_of(run.prepared, split, num_images, config.seed)
    made, origin = fitting_converter(run, writer, ready, converter, fit_images)
    decoded = decode(run.decoder, scans, averaged_outputs="averaged_outputs" in config.quirks)
    texts = written_captions(decoded, run, writer, made.to(device), config, progress)
    about = {
        **run.about,
        "split": split,
        **origin_of(writer, origin),
        "sampler": config.sampler,
        "prior_steps": config.prior_steps,
        "prior_guidance": config.prior_guidance,
        "seed": config.seed,
        "quirks": list(config.quirks),
    }
    captions = dict(zip(scans.image_ids.tolist(), texts, strict=True))
    return save_captions(out, captions, about)


def save_captions(out: Path, captions: dict[int, str], about: dict[str, Any]) -> Captions:
    """Writes the captions, and OUT.json about them."""
    lines = [f"{image_id}\t{text}" for image_id, text in captions.items()]
    write_json(out.with_name(f"{out.name}.json"), about)
    write_text(out, "\n".join([HEADER, *lines]) + "\n")
    return Captions(path=out, captions=captions, about=about)


def origin_of(writer: Captioner, converter: Path) -> dict[str, Any]:
    """What wrote captions: provenance."""
    found = {"path": str(converter.resolve()), "sha256": sha256_of(converter)}
    return {"captioner": writer.identity, "converter": found}


def fitting_converter(
    run: OpenRun,
    writer: Captioner,
    given: CaptionConverter | None,
    path: Path | None,
    fit_images: int,
) -> tuple[CaptionConverter, Path]:
    """The converter that was given, if it fits, or the run's own."""
    if given is None:
        return kept_converter(run, writer, fit_images)
    require_fit(given, path, run.decoder.architecture.token_shape, writer)
    return given, path


def written_captions(
    decoded, run: OpenRun, writer: Captioner, converter: CaptionConverter, config, progress
) -> list[str]:
    """Captions of decoded scans, whose noise does not depend on the batch."""
    device, texts = next(run.decoder.parameters()).device, []
    sample = prior_sampler(run.decoder.prior, config)
    image_ids = decoded.image_ids.tolist()
    for start in range(0, len(image_ids), BATCH):
        rows = slice(start, start + BATCH)
        brain = decoded.brain_tokens[rows]
        generators = candidate_generators(config.seed, image_ids[rows], 1)
        with torch.inference_mode():
            tokens = sample(brain, (one.to(device) for one in noises(generators, brain.shape[1:])))
            texts += writer.captions(converter(tokens))
        if progress:
            progress(len(texts), len(image_ids))
    require_words(image_ids, texts)
    return texts


def require_words(image_ids: Sequence[int], texts: Sequence[str]) -> None:
    """Refuses captions without words.

    Raises:
        ValueError: says how many, and the first image.
    """
    without = [image_id for image_id, text in zip(image_ids, texts, strict=True) if not text]
    if without:
        raise ValueError(
            f"The captioner wrote no word about {len(without)} of {len(texts)} images, first id "
            f"{without[0]}. Does the converter belong to this captioner and this CLIP?"
        )


def kept_converter(
    run: OpenRun, writer: Captioner, fit_images: int
) -> tuple[CaptionConverter, Path]:
    """The run's own converter for this captioner, fitted where it is not there yet."""
    # Of a converted run the CLIP is part of the name: another one may be given the next time.
    between = [run.provenance["networks"]["clip"]] if "given" in run.provenance else []
    name = "-".join([writer.identity, *between, str(fit_images)])
    path = run.folder.path / "captions" / f"{name}.safetensors"
    if not path.exists():
        save_converter(fitted_converter(*_examples(run, writer, fit_images)), path)
    converter = load_converter(path)
    require_fit(converter, path, run.decoder.architecture.token_shape, writer)
    return converter, path


def require_fit(
    converter: CaptionConverter, path: Path, token_shape: tuple[int, int], writer: Captioner
) -> None:
    """Refuses a converter between other networks."""
    ours, theirs = tuple(token_shape), writer.token_shape
    if (converter.shape_in, converter.shape_out) != (ours, theirs):
        raise ValueError(
            f"{path} makes {converter.shape_out} of {converter.shape_in} tokens, but the run's are "
            f"{ours} and the captioner's {theirs}. Leave --converter out: one is fitted to both."
        )


def _examples(
    run: OpenRun, writer: Captioner, count: int
) -> tuple[
    Float[Tensor, "images tokens width"], Float[Tensor, "images vision_tokens vision_width"]
]:
    """Of training images: tokens of the run's CLIP, and what the captioner's encoder makes."""
    if "given" in run.provenance:
        ids = _training_ids(run.prepared, count)
        prepared, tokens = run.prepared, tokens_of(run, ids.numpy())
    else:
        prepared, targets = open_training(run)
        ids, tokens = _training_ids(prepared, count), targets.tokens
    wanted = _wanted(prepared, ids, writer)
    return tokens(ids).to(wanted.device), wanted


def _training_ids(prepared: PreparedSubject, count: int) -> Int[Tensor, "images"]:
    """Training images at equal distances; none of validation or test."""
    ids = prepared.mapped_repeats("train").image_ids
    if count < 2:
        raise ValueError(f"--fit-images is {count}. Choose 2 or more.")
    places = np.unique(np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int))
    return ids[torch.from_numpy(places)]


def _wanted(
    prepared: PreparedSubject, ids: Int[Tensor, "images"], writer: Captioner
) -> Float[Tensor, "images vision_tokens vision_width"]:
    """What the captioner's encoder makes of the pictures; half precision, for there are many."""
    device = next(writer.encoder.parameters()).device
    blocks = []
    for block in ids.split(BATCH):
        pictures = as_images(prepared.images[prepared.rows_of(block.numpy())]).to(device)
        blocks.append(writer.vision_tokens(pictures).half())
    return torch.cat(blocks)
