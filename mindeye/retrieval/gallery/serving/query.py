"""clip-retrieval's query JSON, read with suspicion.

| field | |
|---|---|
| `text`, `image` (base64), `embedding_input` | one of them; `image_url` is refused |
| `row`, `brain_image` | ours: a gallery row, or a test image of the run whose scans were decoded |
| `num_images`, `num_result_ids` | results with metadata, results at all; by default as many |
| `indice_name` | the one name that `/indices-list` gives, or null |
| `modality` | `image`; there are no texts to find |
| `deduplicate` | leaves the best of results that are near-duplicates of each other |
| `use_mclip` | refused when true |
| `use_safety_model`, `use_violence_detector`, `aesthetic_score`, `aesthetic_weight` | without |
| | effect, as in clip-retrieval where these models are absent; filters act when building |

Source: rom1504/clip-retrieval, clip_back.py and clip_client.py; differs: embeddings are brought to
unit length, so that `similarity` is always a cosine, and two queries in one are refused.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Float32

from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.retrieval.gallery.serving.refusal import QueryError

WAYS = ("text", "image", "image_url", "embedding_input", "row", "brain_image")
# What clip-retrieval's server gives a client that names no number.
DEFAULT_RESULTS = 100


@dataclass(frozen=True, kw_only=True)
class KnnQuery:
    """What is looked for, in one of five ways, and what is to come back."""

    text: str | None = None
    image: bytes | None = None
    vector: Float32[np.ndarray, "width"] | None = None
    row: int | None = None
    brain_image: int | None = None
    num_images: int
    """Results with metadata."""
    num_results: int
    deduplicate: bool


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        QueryError: anything else, NaN, numbers of thousands of digits, or brackets in brackets
            without end.
    """
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
    except QueryError:
        raise
    except RecursionError as error:
        raise QueryError("The JSON is nested too deeply.") from error
    except ValueError as error:
        raise QueryError("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise QueryError("The JSON is not an object. Send {...} with the fields of a query.")
    return content


def read_query(content: dict[str, Any], *, name: str, width: int, limits: ServeLimits) -> KnnQuery:
    """The fields of a query.

    Raises:
        QueryError: a field has another type, is out of bounds, or cannot be served.
    """
    given = [way for way in WAYS if content.get(way) not in (None, "")]
    if len(given) != 1:
        raise QueryError(f"Give one of {', '.join(WAYS)}, not {' and '.join(given) or 'none'}.")
    require_name(content, name)
    _require_served(content)
    (way,) = given
    num_images = whole_number(
        content.get("num_images", min(DEFAULT_RESULTS, limits.max_k)), "num_images"
    )
    num_results = content.get("num_result_ids")
    num_results = num_images if num_results is None else whole_number(num_results, "num_result_ids")
    for field, value in (("num_images", num_images), ("num_result_ids", num_results)):
        if not 1 <= value <= limits.max_k:
            raise QueryError(f"{field} is {_shown(value)}. Choose from 1 to {limits.max_k}.")
    readers = {
        "text": lambda value: {"text": _text(value, limits)},
        "image": lambda value: {"image": _image_bytes(value)},
        "embedding_input": lambda value: {"vector": _vector(value, width)},
        "row": lambda value: {"row": whole_number(value, "row")},
        "brain_image": lambda value: {"brain_image": whole_number(value, "brain_image")},
    }
    return KnnQuery(
        **readers[way](content[way]),
        num_images=num_images,
        num_results=num_results,
        deduplicate=_switch(content, "deduplicate"),
    )


def require_name(content: dict[str, Any], name: str) -> None:
    """Refuses another index than ours.

    Raises:
        QueryError: tells ours.
    """
    if content.get("indice_name") not in (None, name):
        raise QueryError(f"There is one index here, `{name}`. Give it as indice_name.")


def whole_number(value: Any, field: str) -> int:
    """An int; neither a bool nor a float nor a string of digits.

    Raises:
        QueryError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise QueryError(f"{field} must be a whole number.")
    return value


def _require_served(content: dict[str, Any]) -> None:
    if content.get("image_url") not in (None, ""):
        raise QueryError(
            "image_url is not fetched by this server. Fetch the picture and send it as image."
        )
    if content.get("modality", "image") != "image":
        raise QueryError("modality must be `image`: this gallery has no index of texts.")
    if _switch(content, "use_mclip"):
        raise QueryError("use_mclip is not served: there is one network of texts here.")


def _switch(content: dict[str, Any], field: str) -> bool:
    value = content.get(field, False)
    if not isinstance(value, bool):
        raise QueryError(f"{field} must be true or false.")
    return value


def _text(value: Any, limits: ServeLimits) -> str:
    if not isinstance(value, str):
        raise QueryError("text must be a string.")
    if not value.strip():
        raise QueryError("text is blank. Describe a picture.")
    if len(value) > limits.max_text:
        raise QueryError(f"The text has {len(value)} characters, more than {limits.max_text}.")
    return value


def _image_bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise QueryError("image must be a string of base64.")
    # Pages that read a file get `data:image/png;base64,...`.
    start = value.find(",") + 1 if value.startswith("data:") else 0
    try:
        return base64.b64decode(value[start:], validate=True)
    except (binascii.Error, ValueError) as error:
        raise QueryError("image is not base64.") from error


def _vector(value: Any, width: int) -> Float32[np.ndarray, "width"]:
    """A list of numbers -> a unit vector."""
    if not isinstance(value, list):
        raise QueryError("embedding_input must be a list of numbers.")
    if len(value) != width:
        raise QueryError(
            f"embedding_input has {len(value)} numbers, the vectors of this gallery {width}."
        )
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        raise QueryError("embedding_input must be a list of numbers.")
    try:
        numbers = np.array(value, dtype=np.float64)
    except OverflowError as error:
        raise QueryError("embedding_input holds a number that is too large.") from error
    # Divided by the largest first: squares of large numbers would not be finite.
    largest = np.abs(numbers).max()
    if not np.isfinite(largest) or largest == 0:
        raise QueryError("embedding_input must be finite and not all zero.")
    numbers /= largest
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


def _shown(value: int) -> str:
    """A number that a client has sent, short."""
    return str(value) if abs(value) < 10**18 else "too large"


def _refuse_constant(name: str) -> NoReturn:
    raise QueryError(f"The JSON holds {name}, which is no number.")
