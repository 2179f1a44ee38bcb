"""How like a decoded caption is to those that people wrote: words, word order, meaning.

Each score is that of one image, best over its references where there are several (BLEU takes all
references together, as it is defined). Needs the extra `captions` (nltk).
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from nltk.corpus import wordnet
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from nltk.translate.meteor_score import meteor_score
from torch import Tensor
from torch.nn.functional import cosine_similarity

PerImage = Float[np.ndarray, "images"]
Embed = Callable[[list[str]], Float[Tensor, "texts width"]]
METEOR, METEOR_WITHOUT = "METEOR", "METEOR without synonyms"
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, kw_only=True)
class CaptionScores:
    """Per-image values by name, and what is absent with the reason."""

    scores: Mapping[str, PerImage]
    absent: Mapping[str, str]


def caption_scores(
    decoded: Sequence[str], written: Sequence[Sequence[str]], embed: Embed | None = None
) -> CaptionScores:
    """BLEU-4, METEOR, ROUGE-1 and ROUGE-L (F1), and with `embed` the CLIP score of texts.

    Words are runs of letters and digits in lower case. METEOR needs WordNet; where nltk does not
    find it, exact and stemmed words alone are matched and the score bears another name.

    Args:
        written: references of each image, at least one.
        embed: texts -> unit vectors or others, as `ClipTarget.text_embeddings` gives them; the
            score is the cosine of the decoded caption with a written one.

    Raises:
        ValueError: other counts, no image, an image without reference, or an empty caption.
    """
    _require_captions(decoded, written)
    pairs = [
        (words_of(one), [words_of(reference) for reference in references])
        for one, references in zip(decoded, written, strict=True)
    ]
    has_synonyms = _has_wordnet()
    name = METEOR if has_synonyms else METEOR_WITHOUT
    synonyms = wordnet if has_synonyms else _NoSynonyms()
    functions: dict[str, Callable[[list[str], list[list[str]]], float]] = {
        "BLEU-4": bleu4,
        name: lambda one, references: meteor_score(references, one, wordnet=synonyms),
        "ROUGE-1": lambda one, references: max(rouge1(one, each) for each in references),
        "ROUGE-L": lambda one, references: max(rouge_l(one, each) for each in references),
    }
    scores = {
        name: np.array([function(*pair) for pair in pairs], dtype=np.float64)
        for name, function in functions.items()
    }
    absent = {} if has_synonyms else {METEOR: _NO_WORDNET}
    if embed is None:
        absent["CLIP score"] = "CLIP score: no CLIP was given that embeds texts"
    else:
        scores["CLIP score"] = _clip_score(decoded, written, embed)
    return CaptionScores(scores=scores, absent=absent)


_NO_WORDNET = (
    "METEOR: nltk finds no WordNet; fetch it with `python -m nltk.downloader wordnet`. "
    f"`{METEOR_WITHOUT}` matches exact and stemmed words alone and is lower"
)


def words_of(caption: str) -> list[str]:
    """Letters and digits in lower case, as the tokenizer of Google's rouge-score takes them."""
    return _WORD.findall(caption.lower())


def bleu4(one: list[str], references: list[list[str]]) -> float:
    """Up to four words in a row; short captions get nltk's first smoothing (Chen, Cherry 2014)."""
    return float(sentence_bleu(references, one, smoothing_function=SmoothingFunction().method1))


def rouge1(one: list[str], reference: list[str]) -> float:
    """F1 of single words (Lin 2004), not stemmed."""
    return _f1(sum((Counter(one) & Counter(reference)).values()), one, reference)


def rouge_l(one: list[str], reference: list[str]) -> float:
    """F1 of the longest common subsequence of words (Lin 2004), not stemmed."""
    lengths = [0] * (len(reference) + 1)
    for word in one:
        before = 0
        for place, other in enumerate(reference, start=1):
            longer = before + 1 if word == other else max(lengths[place], lengths[place - 1])
            before, lengths[place] = lengths[place], longer
    return _f1(lengths[-1], one, reference)


def _f1(common: int, one: list[str], reference: list[str]) -> float:
    return 2 * common / (len(one) + len(reference))


def _clip_score(decoded: Sequence[str], written: Sequence[Sequence[str]], embed: Embed) -> PerImage:
    ours = embed(list(decoded))
    theirs = embed([text for references in written for text in references])
    owner = torch.arange(len(decoded)).repeat_interleave(
        torch.tensor([len(references) for references in written])
    )
    cosines = cosine_similarity(ours[owner].double(), theirs.double())
    best = torch.full((len(decoded),), -torch.inf, dtype=torch.float64)
    return best.scatter_reduce(0, owner, cosines, "amax").cpu().numpy()


class _NoSynonyms:
    """A WordNet that knows no word."""

    def synsets(self, word: str) -> list:
        return []


def _has_wordnet() -> bool:
    try:
        wordnet.ensure_loaded()
    except LookupError:
        return False
    return True


def _require_captions(decoded: Sequence[str], written: Sequence[Sequence[str]]) -> None:
    if len(decoded) != len(written) or not decoded:
        raise ValueError(
            f"{len(decoded)} decoded captions but references of {len(written)} images. "
            "Match them by image id before comparing."
        )
    if any(isinstance(references, str) for references in written):
        raise ValueError("References are lists of captions. Put a single one into a list.")
    for place, (one, references) in enumerate(zip(decoded, written, strict=True)):
        texts = [one, *references]
        if len(texts) == 1 or not all(words_of(text) for text in texts):
            raise ValueError(
                f"Image {place} has an empty caption or no reference. "
                "Leave it out on purpose, or look at what made it."
            )
