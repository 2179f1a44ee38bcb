"""A prepared folder -> batches of trials and of repeats, in memory or mapped into it."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8

from mindeye.data.bundle import VoxelBundle
from mindeye.data.mapped_trials import MappedRepeats, map_shards
from mindeye.data.shards import TrialTable, read_image_ids, read_shards
from mindeye.files import read_json, sha256_of
from mindeye.nsd_layout import REPEATS_PER_IMAGE
from mindeye.pictures import SavedPictures
from mindeye.types import RepeatBatch, SubjectBatch

SCHEMA = 1
MANIFEST = "manifest.json"
IMAGE_NAMES = "image_names.json"
_KEYS = {
    *("schema", "dataset", "subject", "space", "beta_version", "roi", "num_voxels", "voxel_hash"),
    *("protocol", "zscore", "sessions", "transductive", "splits", "files", "sizes", "simulated"),
    *("seed", "mindeye_version"),
}


class PreparedSubject:
    """One subject as `mindeye prepare` wrote it; opening checks the manifest and every file's size.

    Raises:
        FileNotFoundError: no prepared folder, or a file of it is missing.
        ValueError: another schema, or a file of another size than written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / MANIFEST).exists():
            raise FileNotFoundError(
                f"{self.path / MANIFEST} is missing. Make this folder with `mindeye prepare`."
            )
        self.manifest: dict = read_json(self.path / MANIFEST)
        self._require_manifest()
        self.subject: int = self.manifest["subject"]
        self.num_voxels: int = self.manifest["num_voxels"]
        self.image_ids: Int[np.ndarray, images] = np.load(
            self.path / "image_ids.npy", allow_pickle=False
        )

    @cached_property
    def images(self) -> UInt8[np.ndarray, "images side side 3"]:
        """The pictures of `image_ids`, mapped read-only from the disk."""
        return np.load(self.path / "images.npy", mmap_mode="r", allow_pickle=False)

    @cached_property
    def pictures(self) -> SavedPictures:
        """The same file, known by its hash: what caches are made of."""
        return SavedPictures(
            path=self.path / "images.npy",
            sha256=self.manifest["files"]["images.npy"],
            image_ids=self.image_ids,
            rows=np.arange(len(self.image_ids)),
        )

    @cached_property
    def bundle(self) -> VoxelBundle:
        """The voxels.

        Raises:
            ValueError: not those that the manifest promises.
        """
        bundle = VoxelBundle.load(self.path / "bundle")
        if bundle.voxel_hash != self.manifest["voxel_hash"]:
            raise ValueError(
                f"{self.path}: bundle has voxel hash {bundle.voxel_hash[:12]}, the manifest "
                f"{self.manifest['voxel_hash'][:12]}. Prepare the subject again."
            )
        return bundle

    @cached_property
    def captions(self) -> dict[int, str]:
        """Caption of each image, where the tree had them."""
        path = self.path / "captions.json"
        captions = read_json(path) if path.exists() else {}
        return {int(image_id): caption for image_id, caption in captions.items()}

    @cached_property
    def image_names(self) -> dict[int, str]:
        """Name of each image in the tables of its data set; none where ids are NSD's own."""
        path = self.path / IMAGE_NAMES
        names = read_json(path) if path.exists() else {}
        return {int(image_id): name for image_id, name in names.items()}

    @property
    def is_test_only(self) -> bool:
        """Whether nothing here can be trained on: it tests runs that were trained elsewhere."""
        return not self.manifest["splits"]["train"]["num_trials"]

    def roi_of_voxels(self) -> dict[str, Bool[np.ndarray, "voxels"]]:
        """V1, V2, V3, hV4, ventral, lateral, parietal, where they have a voxel here."""
        return self.bundle.roi_of_voxels()

    def rows_of(self, image_ids: Int[np.ndarray, "images"]) -> Int[np.ndarray, "images"]:
        """Where some images stand in `images`.

        Raises:
            LookupError: an image that was not prepared.
        """
        rows = np.searchsorted(self.image_ids, image_ids).clip(max=len(self.image_ids) - 1)
        unknown = np.asarray(image_ids)[self.image_ids[rows] != image_ids]
        if len(unknown):
            raise LookupError(
                f"{self.path} has no image {unknown[:5].tolist()}. Was it shown in another session?"
            )
        return rows

    def table(self, split: str) -> TrialTable:
        """Trials of one split, in the order shown, read from the shards at each call.

        Raises:
            LookupError: no such split.
            ValueError: a damaged shard.
        """
        return read_shards(
            self._shards_of(split),
            num_trials=self.manifest["splits"][split]["num_trials"],
            num_voxels=self.num_voxels,
        )

    def image_ids_of(self, split: str) -> Int[np.ndarray, "images"]:
        """Ascending image ids of one split, without reading its betas.

        Raises:
            LookupError: no such split.
            ValueError: a damaged shard.
        """
        return read_image_ids(self._shards_of(split))

    def trials(self, split: str) -> SubjectBatch:
        """All trials of one split as one batch, float16, in the order shown."""
        table = self.table(split)
        return SubjectBatch(
            subject=self.subject,
            betas=torch.from_numpy(table.betas),
            image_ids=torch.from_numpy(table.image_ids),
        )

    def repeats(self, split: str) -> RepeatBatch:
        """All images of one split, ascending, with their repeats (NSD: up to three), float16."""
        mapped = self.mapped_repeats(split)
        return mapped.take(torch.arange(len(mapped.image_ids)))

    def mapped_repeats(self, split: str) -> MappedRepeats:
        """The same, but betas stay on the disk until some images are taken.

        Raises:
            LookupError: no such split.
            ValueError: a damaged shard.
        """
        manifest = self.manifest
        of_all = manifest.get("repeats_per_image", REPEATS_PER_IMAGE)
        trials = map_shards(
            self._shards_of(split),
            subject=self.subject,
            num_trials=manifest["splits"][split]["num_trials"],
            num_voxels=self.num_voxels,
        )
        return MappedRepeats(
            self.subject,
            trials,
            num_voxels=self.num_voxels,
            repeats_per_image=manifest["splits"][split].get("repeats_per_image", of_all),
        )

    def verify(self, splits: Sequence[str] | None = None) -> None:
        """Reads every file and compares its SHA-256 with the manifest.

        Args:
            splits: only the shards of these are looked at; others are not opened. Their trials
                and the voxels must then be this subject's, whatever the manifest's hashes say.

        Raises:
            ValueError: names the first file that changed, or is of another subject.
        """
        names = self.manifest["files"] if splits is None else self._names_of(splits)
        for name in names:
            expected = self.manifest["files"][name]
            actual = sha256_of(self.path / name)
            if actual != expected:
                raise ValueError(
                    f"{self.path / name} has SHA-256 {actual[:12]}, the manifest says "
                    f"{expected[:12]}. It changed since it was written: prepare the subject again."
                )
        if splits is not None:
            _ = self.bundle, [self.mapped_repeats(split) for split in splits]

    def _names_of(self, splits: Sequence[str]) -> list[str]:
        return [name for split in splits for name in self.manifest["splits"][split]["shards"]]

    def _shards_of(self, split: str) -> list[Path]:
        splits = self.manifest["splits"]
        if split not in splits:
            raise LookupError(f"There is no split `{split}`. Pick one of {', '.join(splits)}.")
        return [self.path / name for name in splits[split]["shards"]]

    def _require_manifest(self) -> None:
        path, manifest = self.path / MANIFEST, self.manifest
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            found = manifest.get("schema") if isinstance(manifest, dict) else None
            raise ValueError(
                f"{path} has schema {found}, this version reads {SCHEMA}. "
                "Prepare the subject again."
            )
        absent = sorted(_KEYS - manifest.keys())
        if absent:
            raise ValueError(f"{path} lacks {', '.join(absent)}. Prepare the subject again.")
        for name, size in manifest["sizes"].items():
            file = self.path / name
            if not file.exists():
                raise FileNotFoundError(f"{file} is missing. Prepare the subject again.")
            if file.stat().st_size != size:
                raise ValueError(
                    f"{file} has {file.stat().st_size} bytes, but {size} were written. "
                    "Was it cut off? Prepare the subject again."
                )


def epoch_order(
    num_rows: int, batch_size: int, seed: int, epoch: int
) -> Int[np.ndarray, "batches rows"]:
    """Which rows make each batch of an epoch: a function of its arguments alone.

    Rows are trials, or images with their repeats. Batches are full; up to `batch_size - 1` rows
    sit out, other ones in each epoch.

    Raises:
        ValueError: fewer rows than one batch takes.
    """
    if not 1 <= batch_size <= num_rows:
        raise ValueError(
            f"Batches of {batch_size} cannot be made of {num_rows} training images or trials. "
            "Choose a smaller batch size, or prepare more sessions."
        )
    order = np.random.default_rng([seed, epoch]).permutation(num_rows)
    num_batches = num_rows // batch_size
    return order[: num_batches * batch_size].reshape(num_batches, batch_size)
