"""Captions in `mindeye evaluate`: files of them, matched by image id, and their scores."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mindeye.files import sha256_of

NEEDS = "Scores of captions need nltk, which is not installed: pip install 'mindeye[captions]'."
_FORMS = "JSON {image id: caption}, or lines of image id, tab and caption"


@dataclass(frozen=True, kw_only=True)
class MatchedCaptions:
    """Decoded captions beside those that people wrote, in the order of the evaluated images."""

    decoded: tuple[str, ...]
    written: tuple[tuple[str, ...], ...]
    about: Mapping[str, Any]


def matched_captions(
    decoded: Path, shown: Path, image_ids: Int[np.ndarray, "images"]
) -> MatchedCaptions:
    """Reads both files and matches them by image id.

    Args:
        shown: may hold more images, and a list of captions for each.

    Raises:
        FileNotFoundError: no such file.
        LookupError: captions of images that are not evaluated, or images without caption.
        ValueError: another form, an image id twice, an empty caption, or nltk is absent.
    """
    require_scores()
    ours, theirs = read_captions(decoded), read_captions(shown)
    several = [image_id for image_id, texts in ours.items() if len(texts) > 1]
    if several:
        raise ValueError(
            f"{decoded} has {len(ours[several[0]])} captions of image {several[0]}. "
            "Choose the one that was decoded."
        )
    ids = image_ids.tolist()
    unknown = sorted(ours.keys() - set(ids))
    if unknown:
        raise LookupError(
            f"{decoded} has captions of {len(unknown)} images that are not evaluated, first id "
            f"{unknown[0]}. Are these captions of other pictures? Ids are NSD's own, from 0."
        )
    for path, captions in ((decoded, ours), (shown, theirs)):
        absent = [image_id for image_id in ids if image_id not in captions]
        if absent:
            raise LookupError(
                f"{path} has no caption of {len(absent)} of {len(ids)} images, first id "
                f"{absent[0]}. Give one for each image that is evaluated."
            )
    files = {"decoded": decoded, "shown": shown}
    return MatchedCaptions(
        decoded=tuple(ours[image_id][0] for image_id in ids),
        written=tuple(theirs[image_id] for image_id in ids),
        about={
            name: {"path": str(path.resolve()), "sha256": sha256_of(path)}
            for name, path in files.items()
        },
    )


def caption_part(
    captions: MatchedCaptions, order: Int[np.ndarray, "images"]
) -> tuple[dict[str, Float[np.ndarray, "images"]], dict[str, Float[np.ndarray, "images"]], str]:
    """Values of the captions, of the same dealt to other images, and why METEOR is absent."""
    from mindeye.metrics.captions import METEOR, caption_scores

    found = caption_scores(captions.decoded, captions.written)
    dealt = [captions.decoded[place] for place in order.tolist()]
    floor = caption_scores(dealt, captions.written)
    return dict(found.scores), dict(floor.scores), found.absent.get(METEOR, "")


def require_scores() -> None:
    """Refuses early where the extra is absent.

    Raises:
        ValueError: says how to install it.
    """
    try:
        import mindeye.metrics.captions  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "nltk":
            raise
        raise ValueError(NEEDS) from error


def read_captions(path: Path) -> dict[int, tuple[str, ...]]:
    """Image id -> its captions, from JSON or from lines with a tab.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another form, an id twice, an empty caption, or no caption at all.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. Captions are {_FORMS}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = json.loads(text, object_pairs_hook=list) if text.lstrip()[:1] == "{" else None
    except ValueError as error:
        raise ValueError(f"{path} cannot be read ({error}). Captions are {_FORMS}.") from error
    captions: dict[int, tuple[str, ...]] = {}
    for image_id, found in _pairs_of_lines(path, text) if pairs is None else pairs:
        number = _image_id(path, image_id)
        if number in captions:
            raise ValueError(f"{path} has image {number} twice. Keep one of both.")
        texts = found if isinstance(found, list) else [found]
        if not texts or not all(isinstance(one, str) and _has_words(one) for one in texts):
            raise ValueError(
                f"{path} has an empty caption of image {number}, or one that is no text. "
                "Leave the image out of the evaluation, or look at what made it."
            )
        captions[number] = tuple(texts)
    if not captions:
        raise ValueError(f"{path} holds no caption. Captions are {_FORMS}.")
    return captions


def _pairs_of_lines(path: Path, text: str) -> list[tuple[str, str]]:
    """A first line that begins with `image_id` names the columns; a # begins a comment."""
    lines = [line for line in text.splitlines() if line.strip() and line[:1] != "#"]
    pairs = []
    for line in lines[1:] if lines and lines[0].split("\t")[0] == "image_id" else lines:
        image_id, tab, caption = line.partition("\t")
        if not tab:
            raise ValueError(f"{path} has the line {line[:40]!r}. Captions are {_FORMS}.")
        pairs.append((image_id, caption))
    return pairs


def _image_id(path: Path, text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError(f"{path} has the image id {text!r}. Ids are whole numbers from 0.")
    return int(text)


def _has_words(caption: str) -> bool:
    from mindeye.metrics.captions import words_of

    return bool(words_of(caption))
