"""Embeddings of anybody's model, in a safetensors or npz file, for the retrieval benchmark.

| array | shape | |
|---|---|---|
| `brain` | (images, ...) | one embedding for each test image, repeats averaged |
| `images` | (images, ...) | of the pictures, of the same shape |
| `image_ids` | (images,) | of the rows of `images`, and of `brain` unless it has `brain_ids` |
| `brain_ids` | (images,) | optional |
| `runs` | (images,) | optional: the scanner's run of each `brain`, in the order of the scan |
| `training_images` | (candidates, ...) | optional, with `training_ids`: for floor and audit |
| `subject`, `simulated` | one number | optional |
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mindeye.retrieval.embedding_pairs import (
    EmbeddingPairs,
    ScanOrder,
    TrainingEmbeddings,
    matched_pairs,
)

REQUIRED = ("brain", "images", "image_ids")
OPTIONAL = ("brain_ids", "runs", "training_images", "training_ids", "subject", "simulated")


@dataclass(frozen=True, kw_only=True)
class EmbeddingFile:
    """What a file of embeddings says."""

    pairs: EmbeddingPairs
    scan: ScanOrder | None
    subject: int | None
    simulated: bool


def read_embedding_file(path: Path) -> EmbeddingFile:
    """Reads and checks a file of embeddings.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another form, a damaged file, or arrays that do not fit together.
    """
    arrays = _read_arrays(path)
    absent = [name for name in REQUIRED if name not in arrays]
    unknown = sorted(arrays.keys() - {*REQUIRED, *OPTIONAL})
    if absent or unknown:
        what = f"lacks {', '.join(absent)}" if absent else f"holds an unknown `{unknown[0]}`"
        raise ValueError(
            f"{path} {what}. It needs {', '.join(REQUIRED)} and may have {', '.join(OPTIONAL)}."
        )
    numbered = [name for name in arrays if name == "runs" or name.endswith("_ids")]
    ids = {name: _ids(path, name, arrays) for name in numbered}
    for name in ("brain", "images", "training_images"):
        if name in arrays and not arrays[name].is_floating_point():
            raise ValueError(f"{path}: `{name}` holds {arrays[name].dtype}, not embeddings.")
    training = None
    if ("training_images" in arrays) != ("training_ids" in arrays):
        raise ValueError(f"{path}: give `training_images` and `training_ids` together, or neither.")
    if "training_images" in arrays:
        candidates = arrays["training_images"]
        if candidates.shape[1:] != arrays["images"].shape[1:]:
            raise ValueError(
                f"{path}: training images have embeddings of shape {tuple(candidates.shape[1:])}, "
                f"test images of {tuple(arrays['images'].shape[1:])}. Embed both alike."
            )
        training = TrainingEmbeddings(
            image_ids=ids["training_ids"], read=lambda rows: candidates[torch.from_numpy(rows)]
        )
    brain_ids = ids.get("brain_ids", ids["image_ids"])
    pairs = matched_pairs(arrays["brain"], brain_ids, arrays["images"], ids["image_ids"], training)
    scan = None
    if "runs" in ids:
        scan = ScanOrder(rows=np.argsort(np.argsort(brain_ids)), runs=ids["runs"])
    subject = arrays.get("subject")
    return EmbeddingFile(
        pairs=pairs,
        scan=scan,
        subject=None if subject is None else int(_one(path, "subject", subject)),
        simulated=bool(_one(path, "simulated", arrays.get("simulated", torch.zeros(())))),
    )


def _read_arrays(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file. Give a safetensors or npz file.")
    if path.suffix not in (".safetensors", ".npz"):
        raise ValueError(
            f"{path} ends neither in .safetensors nor in .npz. Save it as one of them."
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays.files}
    except (SafetensorError, zipfile.BadZipFile, ValueError, TypeError, EOFError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}). It must hold plain arrays of numbers: save it again."
        ) from error


def _ids(path: Path, name: str, arrays: dict[str, Tensor]) -> np.ndarray:
    ids = arrays[name]
    owner = {"training_ids": "training_images", "brain_ids": "brain", "runs": "brain"}.get(
        name, "images"
    )
    rows = len(arrays[owner]) if owner in arrays and arrays[owner].ndim else 0
    if ids.ndim != 1 or len(ids) != rows or ids.is_floating_point():
        raise ValueError(
            f"{path}: `{name}` is {ids.dtype} of shape {tuple(ids.shape)}, but `{owner}` has "
            f"{rows} rows. Give one whole number a row."
        )
    return ids.numpy().astype(np.int64)


def _one(path: Path, name: str, value: Tensor) -> float:
    if value.numel() != 1:
        raise ValueError(f"{path}: `{name}` has shape {tuple(value.shape)}. Give one number.")
    return value.item()
