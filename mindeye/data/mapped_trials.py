"""Trials of shards whose betas stay on the disk, mapped into memory: copied only when taken.

A tar keeps its members as they are, one after the other, and an .npy is its numbers after a header:
so the shards themselves are the arrays, and no second copy is needed on the disk or in memory.
"""

import io
import json
import mmap
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float16, Int
from torch import Tensor

from mindeye.data.shards import damaged
from mindeye.files import require_whole_map
from mindeye.types import RepeatBatch

_LENGTH_AT, _HEADER_AT = 8, 10  # of the first version of .npy, which is all that shards hold


class MappedTrials(NamedTuple):
    """Trials in the order of their shards."""

    betas: list[Float16[np.ndarray, "voxels"]]
    """Read-only views of the mapped shards."""
    image_ids: Int[np.ndarray, "trials"]
    repeats: Int[np.ndarray, "trials"]
    """How often the image had been shown before."""
    shards: Sequence[tuple[Path, mmap.mmap]]
    """The files that the views look into."""

    def require_whole(self) -> None:
        """Refuses shards that were cut since they were mapped.

        Raises:
            ValueError: names the first one.
        """
        for path, content in self.shards:
            require_whole_map(content, path)


class MappedRepeats:
    """All repeats of some images of one subject, like `RepeatBatch`, but read when taken."""

    def __init__(
        self, subject: int, trials: MappedTrials, *, num_voxels: int, repeats_per_image: int
    ) -> None:
        self.subject, self.num_voxels = subject, num_voxels
        image_ids, rows = np.unique(trials.image_ids, return_inverse=True)
        self._trials = trials
        self._trial_of: Int[np.ndarray, "images repeats"] = np.full(
            (len(image_ids), repeats_per_image), -1
        )
        self._trial_of[rows, trials.repeats] = np.arange(len(rows))
        self.image_ids: Int[Tensor, images] = torch.from_numpy(image_ids)
        """Ascending."""

    def take(self, rows: Int[Tensor, "images"]) -> RepeatBatch:
        """Some images in the order asked for, float16 as stored; copies these and no others.

        Raises:
            ValueError: a shard was cut off since it was mapped; one that was deleted stays mapped.
        """
        self._trials.require_whole()
        trial_of = self._trial_of[rows.numpy()]
        betas = np.zeros((*trial_of.shape, self.num_voxels), dtype=np.float16)
        for image, repeat in np.argwhere(trial_of >= 0).tolist():
            betas[image, repeat] = self._trials.betas[trial_of[image, repeat]]
        return RepeatBatch(
            subject=self.subject,
            betas=torch.from_numpy(betas),
            present=torch.from_numpy(trial_of >= 0),
            image_ids=self.image_ids[rows],
        )


def map_shards(
    paths: Sequence[Path], *, subject: int, num_trials: int, num_voxels: int
) -> MappedTrials:
    """Maps all trials of some shards; reads what stands around the betas, and none of them.

    Raises:
        FileNotFoundError: a shard is missing.
        ValueError: a shard is damaged, or its trials are not those that the manifest promises.
    """
    betas, entries, shards = [], [], []
    for path in paths:
        try:
            content, parts_of = _mapped(path)
            shards.append((path, content))
            for view, entry in _trials_of(content, parts_of):
                if view.shape != (num_voxels,) or view.dtype != np.float16:
                    raise ValueError(
                        f"a trial is {view.dtype} of shape {view.shape}, but the manifest "
                        f"promises {num_voxels} voxels in float16"
                    )
                betas.append(view)
                entries.append([entry[name] for name in ("image_id", "repeat", "subject")])
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{path} is missing. Prepare the subject again.") from error
        except (tarfile.TarError, OSError, KeyError, ValueError) as error:
            raise damaged(path, error) from error
    if len(betas) != num_trials:
        raise ValueError(
            f"{', '.join(path.name for path in paths)} in {paths[0].parent} hold {len(betas)} "
            f"trials, but the manifest promises {num_trials}. Prepare the subject again."
        )
    image_ids, repeats, subjects = np.array(entries, dtype=np.int64).reshape(-1, 3).T
    if others := set(subjects.tolist()) - {subject}:
        raise ValueError(
            f"{', '.join(path.name for path in paths)} in {paths[0].parent} hold trials of subject "
            f"{min(others)}, but the manifest is of subject {subject}. "
            "Were folders mixed up? Prepare the subject again."
        )
    return MappedTrials(betas, image_ids, repeats, shards)


def _mapped(path: Path) -> tuple[mmap.mmap, dict[str, dict[str, tarfile.TarInfo]]]:
    """The whole file, and where the parts of each of its trials stand."""
    parts_of: dict[str, dict[str, tarfile.TarInfo]] = {}
    with path.open("rb") as stream:
        # The mapping outlives the file's handle.
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                key, _, part = member.name.partition(".")
                parts_of.setdefault(key, {})[part] = member
    return content, parts_of


def _trials_of(
    content: mmap.mmap, parts_of: Mapping[str, Mapping[str, tarfile.TarInfo]]
) -> Iterator[tuple[np.ndarray, dict]]:
    """A view of the betas, and the entry, of every trial of one shard."""
    for parts in parts_of.values():
        array, entry = parts["betas.npy"], parts["json"]
        end = entry.offset_data + entry.size
        yield _view(content, array.offset_data), json.loads(content[entry.offset_data : end])


def _view(content: mmap.mmap, start: int) -> np.ndarray:
    """The array of an .npy that begins at `start`."""
    length = int.from_bytes(content[start + _LENGTH_AT : start + _HEADER_AT], "little")
    numbers_at = start + _HEADER_AT + length
    shape, dtype = _layout(content[start:numbers_at])
    return np.frombuffer(content, dtype, int(np.prod(shape)), numbers_at).reshape(shape)


@lru_cache(maxsize=8)
def _layout(header: bytes) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type that an .npy's header tells; the same for all trials of a shard."""
    stream = io.BytesIO(header)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"an array is of version {version} of .npy, not (1, 0)")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if is_fortran or dtype.hasobject:
        raise ValueError("an array is no plain row of numbers")
    return shape, dtype
