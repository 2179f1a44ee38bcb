"""Captions that are kept with pictures: of a file, or written from the tokens that were drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mindeye.files import sha256_of
from mindeye.models.caption_converter import CaptionConverter, load_converter
from mindeye.reconstruction.choices import add_to_choices
from mindeye.reconstruction.opening import OpenRun
from mindeye.reconstruction.picture_folder import Reconstruction
from mindeye.targets.captioner import Captioner, load_captioner
from mindeye.verbs.captions.caption import (
    BATCH,
    FIT_IMAGES,
    fitting_converter,
    origin_of,
    require_words,
    save_captions,
)
from mindeye.verbs.evaluation.caption_part import read_captions

CAPTIONS = "captions.tsv"


@dataclass(frozen=True, kw_only=True)
class CaptionsAsked:
    """Where captions come from: a file of `mindeye caption`, or a captioner."""

    file: Path | None = None
    captioner: str | None = None
    """See `load_captioner`."""
    converter: Path | None = None
    """None fits one to the run, as `mindeye caption` does."""
    fit_images: int = FIT_IMAGES


@dataclass(frozen=True, kw_only=True)
class OpenedCaptions:
    """Captions that are there, or everything that writes them."""

    texts: Mapping[int, str] | None
    about: Mapping[str, Any]
    writer: Captioner | None = None
    converter: CaptionConverter | None = None

    def of(self, drawn: Reconstruction) -> dict[int, str]:
        """A caption of each picture."""
        ids = drawn.image_ids.tolist()
        if self.texts is not None:
            return {image_id: self.texts[image_id] for image_id in ids}
        tokens = drawn_tokens(drawn)
        device, texts = next(self.converter.parameters()).device, []
        with torch.inference_mode():
            for block in tokens.split(BATCH):
                texts += self.writer.captions(self.converter(block.to(device)))
        require_words(ids, texts)
        return dict(zip(ids, texts, strict=True))


def opened_captions(
    asked: CaptionsAsked, run: OpenRun, image_ids: Sequence[int], device: str
) -> OpenedCaptions:
    """Reads the file, or opens captioner and converter, before anything is drawn.

    Raises:
        FileNotFoundError: no file, captioner or converter there.
        LookupError: the file lacks images that are drawn.
        ValueError: not a file of captions, or a converter of other tokens.
    """
    if asked.file is None:
        writer = load_captioner(asked.captioner, device)
        given = load_converter(asked.converter) if asked.converter else None
        made, origin = fitting_converter(run, writer, given, asked.converter, asked.fit_images)
        about = origin_of(writer, origin)
        return OpenedCaptions(texts=None, about=about, writer=writer, converter=made.to(device))
    found = read_captions(asked.file)
    absent = [one for one in image_ids if one not in found]
    if absent:
        raise LookupError(
            f"{asked.file} has no caption of {len(absent)} of {len(image_ids)} images, first id "
            f"{absent[0]}. Write them for the same split with `mindeye caption`."
        )
    several = [one for one in image_ids if len(found[one]) > 1]
    if several:
        raise ValueError(
            f"{asked.file} has {len(found[several[0]])} captions of image {several[0]}. "
            "Choose the one that was decoded."
        )
    origin = {"path": str(asked.file.resolve()), "sha256": sha256_of(asked.file)}
    return OpenedCaptions(
        texts={one: found[one][0] for one in image_ids}, about={"captions": origin}
    )


def save_beside(out: Path, texts: Mapping[int, str], about: Mapping[str, Any]) -> None:
    """Writes captions.tsv, which `mindeye evaluate --captions` reads, and into choices.jsonl."""
    save_captions(out / CAPTIONS, dict(texts), dict(about))
    add_to_choices(out, {image_id: {"caption": text} for image_id, text in texts.items()})


def kept_captions(out: Path) -> dict[int, str]:
    """Captions of a folder of reconstructions; none where none were asked for."""
    path = out / CAPTIONS
    if not path.is_file():
        return {}
    return {image_id: texts[0] for image_id, texts in read_captions(path).items()}


def drawn_tokens(drawn: Reconstruction) -> torch.Tensor:
    """(images, tokens, width): what the picture of each image was drawn from.

    Raises:
        ValueError: an older folder, which kept no tokens.
    """
    if drawn.image_tokens is None:
        raise ValueError(
            "These pictures were drawn before their tokens were kept. Draw them into another "
            "folder, or write captions with `mindeye caption` and give the file to --captions."
        )
    tokens = torch.from_numpy(drawn.image_tokens.astype(np.float32))
    if tokens.shape[1] != drawn.candidates.shape[1]:  # one picture of the mean of all
        return tokens.mean(1)
    return tokens[torch.arange(len(tokens)), torch.from_numpy(drawn.chosen)]
