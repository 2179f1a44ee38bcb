"""Trials as webdataset tar shards: written in the order shown, read back whole."""

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float16, Int
from webdataset.tariterators import group_by_keys, tar_file_expander

TRIALS_PER_SHARD = 2000
_FIELDS = ("image_id", "subject", "session", "run", "trial", "repeat")


class TrialTable(NamedTuple):
    """Trials with z-scored betas; sessions and runs count from 1, everything else from 0."""

    betas: Float16[np.ndarray, "trials voxels"]
    image_ids: Int[np.ndarray, "trials"]
    subjects: Int[np.ndarray, "trials"]
    sessions: Int[np.ndarray, "trials"]
    runs: Int[np.ndarray, "trials"]
    trials: Int[np.ndarray, "trials"]
    """Position in the whole experiment."""
    repeats: Int[np.ndarray, "trials"]
    """How often the image had been shown before."""


class ShardWriter:
    """Writes one split to SPLIT-000000.tar, SPLIT-000001.tar, ... of one folder."""

    def __init__(self, folder: Path, split: str, trials_per_shard: int = TRIALS_PER_SHARD) -> None:
        self.folder, self.split, self.trials_per_shard = folder, split, trials_per_shard
        self.names: list[str] = []
        self.num_trials = 0
        self._tar: tarfile.TarFile | None = None

    def write(self, betas: Float[np.ndarray, "voxels"], **entry: int) -> None:
        """Appends one trial; `entry` holds image_id, subject, session, run, trial, repeat."""
        if self.num_trials % self.trials_per_shard == 0:
            self.close()
            self.names.append(f"{self.split}-{len(self.names):06d}.tar")
            # USTAR as webdataset writes it; its own writer warns of a full disk a second time.
            self._tar = tarfile.open(  # noqa: SIM115
                self.folder / self.names[-1], "w", format=tarfile.USTAR_FORMAT
            )
        key = f"subj{entry['subject']:02d}-{entry['trial']:05d}"
        self._add(f"{key}.betas.npy", _npy_bytes(betas.astype(np.float16)))
        numbers = {name: int(entry[name]) for name in _FIELDS}
        self._add(f"{key}.json", json.dumps(numbers).encode())
        self.num_trials += 1

    def close(self) -> None:
        """Ends the shard that is open."""
        if self._tar:
            self._tar.close()
            self._tar = None

    def _add(self, name: str, content: bytes) -> None:
        """The owner and the time of change are fixed: the same trials give the same bytes."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o444
        self._tar.addfile(member, io.BytesIO(content))


def read_shards(paths: Sequence[Path], *, num_trials: int, num_voxels: int) -> TrialTable:
    """All trials of some shards, in their order. Only arrays and JSON are decoded, never pickles.

    Raises:
        FileNotFoundError: a shard is missing.
        ValueError: a shard is damaged, or its trials are not those that the manifest promises.
    """
    betas = np.empty((num_trials, num_voxels), dtype=np.float16)
    columns = np.empty((len(_FIELDS), num_trials), dtype=np.int64)
    position = 0
    for path in paths:
        for key, array, entry in _samples(path):
            if position == num_trials or array.shape != (num_voxels,):
                raise ValueError(
                    f"{path}: trial {key} is number {position + 1} with shape {array.shape}, but "
                    f"the manifest promises {num_trials} trials of {num_voxels} voxels. "
                    "Prepare the subject again."
                )
            betas[position] = array
            columns[:, position] = [entry[name] for name in _FIELDS]
            position += 1
    if position < num_trials:
        raise ValueError(
            f"{', '.join(path.name for path in paths)} in {paths[0].parent} hold {position} "
            f"trials, but the manifest promises {num_trials}. Prepare the subject again."
        )
    return TrialTable(betas, *columns)


def read_image_ids(paths: Sequence[Path]) -> Int[np.ndarray, "images"]:
    """Ascending ids of the images of some shards; seeks past the betas.

    Raises:
        FileNotFoundError: a shard is missing.
        ValueError: a shard is damaged.
    """
    found: set[int] = set()
    for path in paths:
        try:
            with tarfile.open(path, "r:") as tar:
                found.update(
                    json.load(tar.extractfile(member))["image_id"]
                    for member in tar
                    if member.name.endswith(".json")
                )
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{path} is missing. Prepare the subject again.") from error
        except (tarfile.TarError, OSError, KeyError, ValueError) as error:
            raise damaged(path, error) from error
    return np.array(sorted(found), dtype=np.int64)


def _samples(path: Path) -> Iterator[tuple[str, np.ndarray, dict]]:
    """Key, betas and entry of every trial of one shard."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Prepare the subject again.")
    try:
        with path.open("rb") as stream:
            files = tar_file_expander([{"url": path.name, "stream": stream}])
            for sample in group_by_keys(files):
                content = io.BytesIO(sample["betas.npy"])
                betas = np.lib.format.read_array(content, allow_pickle=False)
                yield sample["__key__"], betas, json.loads(sample["json"])
    except (tarfile.TarError, OSError, EOFError, KeyError, ValueError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> ValueError:
    """What to say of a shard that cannot be read."""
    return ValueError(
        f"{path} cannot be read ({error}). Was it cut off? Prepare the subject again."
    )


def _npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()
