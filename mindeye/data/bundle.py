"""What a model must know of its voxels: mask, order, statistics, space."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int16, Int32

from mindeye.data.roi import areas_of_voxels, coordinates_of, read_volume
from mindeye.files import atomic_folder, read_json, write_json

SCHEMA = 1
PERCENT_SIGNAL_CHANGE = "percent signal change"
_ARRAYS = ("mean", "std", "mean_map", "ncsnr")


def voxel_hash(
    space: str,
    shape: tuple[int, int, int],
    affine: Float[np.ndarray, "4 4"],
    coordinates: Int[np.ndarray, "voxels 3"],
) -> str:
    """SHA-256 of space, grid and ordered coordinates: equal means the same voxels in one order."""
    rounded = np.rint(affine * 1000).astype("<i8")
    digest = hashlib.sha256(f"{space}|{tuple(int(n) for n in shape)}|".encode())
    digest.update(rounded.tobytes())
    digest.update(np.ascontiguousarray(coordinates, dtype="<i8").tobytes())
    return digest.hexdigest()


def ordered_hash(
    space: str, num_voxels: int, columns: Int[np.ndarray, "voxels"] | None = None
) -> str:
    """For voxels without coordinates: columns, in order, of the source that `space` names."""
    digest = hashlib.sha256(f"{space}|{num_voxels} voxels without coordinates".encode())
    if columns is not None:
        digest.update(np.ascontiguousarray(columns, dtype="<i8").tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class VoxelBundle:
    """The voxels of one prepared subject; every array keeps their order.

    A recording may come without coordinates: shape, affine and coordinates are None then, and
    checks that need a grid are left out.
    """

    subject: int
    space: str
    roi: str
    beta_version: str
    zscore: str
    """Whose trials gave `mean` and `std`: one of `ZSCORE_SCOPES`."""
    sessions: tuple[int, ...]
    shape: tuple[int, int, int] | None
    affine: Float[np.ndarray, "4 4"] | None
    coordinates: Int16[np.ndarray, "voxels 3"] | None
    mean: Float32[np.ndarray, "sessions voxels"]
    """In `units`, as `std`, which is 0 where a voxel was unusable in a session."""
    std: Float32[np.ndarray, "sessions voxels"]
    mean_map: Float32[np.ndarray, "voxels"]
    """Mean over all training trials, in `units`."""
    ncsnr: Float32[np.ndarray, "voxels"]
    """nan where the tree did not tell."""
    label_of_voxel: dict[str, Int16[np.ndarray, "voxels"]]
    """Atlas -> label of each voxel; 0 or less is none."""
    label_names: dict[str, dict[int, str]]
    columns: Int32[np.ndarray, "voxels"] | None = None
    """Which ones of the source's own voxels these are, where it gives no grid: grayordinates."""
    units: str = PERCENT_SIGNAL_CHANGE
    """Of the betas before z-scoring."""
    provenance: dict = field(default_factory=dict)

    @property
    def num_voxels(self) -> int:
        return len(self.mean_map)

    @property
    def voxel_hash(self) -> str:
        if self.coordinates is None:
            return ordered_hash(self.space, self.num_voxels, self.columns)
        return voxel_hash(self.space, self.shape, self.affine, self.coordinates)

    def mask(self) -> Bool[np.ndarray, "x y z"]:
        """The volume that is true at our voxels.

        Raises:
            ValueError: these voxels have no coordinates.
        """
        if self.coordinates is None:
            raise ValueError(
                f"The {self.num_voxels} voxels of {self.space} have no coordinates. "
                "Only what needs no grid can be done with them."
            )
        mask = np.zeros(self.shape, dtype=bool)
        mask[tuple(self.coordinates.T.astype(np.int64))] = True
        return mask

    def roi_of_voxels(self) -> dict[str, Bool[np.ndarray, "voxels"]]:
        """V1, V2, V3, hV4, ventral, lateral, parietal, where they have a voxel here."""
        return areas_of_voxels(self.label_of_voxel, self.label_names)

    def check_same(self, other: "VoxelBundle") -> None:
        """Refuses other voxels, or the same ones in another order.

        Raises:
            ValueError: names what differs, with both values.
        """
        for name in ("subject", "space", "shape"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise ValueError(
                    f"These voxels are of {name} {mine}, those of {name} {theirs}. "
                    "Prepare both from the same subject and space."
                )
        on_grid = self.coordinates is not None and other.coordinates is not None
        if on_grid and not np.allclose(self.affine, other.affine, atol=1e-3):
            raise ValueError(
                f"The affines differ by up to {np.abs(self.affine - other.affine).max():.3g} "
                "mm. Is an axis flipped, or was the scan resampled?"
            )
        if self.num_voxels != other.num_voxels:
            raise ValueError(
                f"Subject {self.subject} has {self.num_voxels} voxels here but "
                f"{other.num_voxels} there. Was it masked with another ROI "
                f"(`{self.roi}`, `{other.roi}`)?"
            )
        if on_grid:
            _check_coordinates(self, other)
        elif self.voxel_hash != other.voxel_hash:
            raise ValueError(
                f"The {self.num_voxels} voxels here are other ones of {self.space} than there, or "
                f"in another order. Were they chosen in another way (`{self.roi}`, `{other.roi}`)?"
            )

    def save(self, folder: Path) -> None:
        """Writes a new folder, whole or not at all."""
        with atomic_folder(folder) as temporary:
            if self.coordinates is not None:
                image = nibabel.Nifti1Image(self.mask().astype(np.int16), self.affine)
                nibabel.save(image, temporary / "mask.nii.gz")
                np.save(temporary / "coordinates.npy", self.coordinates, allow_pickle=False)
            if self.columns is not None:
                np.save(temporary / "columns.npy", self.columns, allow_pickle=False)
            for name in _ARRAYS:
                np.save(temporary / f"{name}.npy", getattr(self, name), allow_pickle=False)
            labels = [self.label_of_voxel[atlas] for atlas in self.label_of_voxel]
            stacked = np.array(labels, dtype=np.int16).reshape(-1, self.num_voxels)
            np.save(temporary / "roi_labels.npy", stacked, allow_pickle=False)
            write_json(temporary / "meta.json", self._meta())

    @classmethod
    def load(cls, folder: Path) -> "VoxelBundle":
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: no bundle there.
            ValueError: parts that do not belong together.
        """
        if not (folder / "meta.json").exists():
            raise FileNotFoundError(f"{folder / 'meta.json'} is missing. Is this a voxel bundle?")
        meta = read_json(folder / "meta.json")
        if meta.get("schema") != SCHEMA:
            raise ValueError(
                f"{folder} has schema {meta.get('schema')}, this version reads {SCHEMA}. "
                "Prepare the subject again."
            )
        mask, affine, coordinates = None, None, None
        if meta.get("has_coordinates", True):
            mask, affine = read_volume(folder / "mask.nii.gz")
            coordinates = _load_array(folder / "coordinates.npy")
        arrays = {name: _load_array(folder / f"{name}.npy") for name in _ARRAYS}
        if (folder / "columns.npy").exists():
            arrays["columns"] = _load_array(folder / "columns.npy")
        labels = _load_array(folder / "roi_labels.npy")
        bundle = cls(
            **{name: meta[name] for name in ("subject", "space", "roi", "beta_version", "zscore")},
            sessions=tuple(meta["sessions"]),
            shape=None if mask is None else mask.shape,
            affine=affine,
            coordinates=coordinates,
            **arrays,
            label_of_voxel=dict(zip(meta["label_names"], labels, strict=True)),
            label_names={
                atlas: {int(label): name for label, name in names.items()}
                for atlas, names in meta["label_names"].items()
            },
            units=meta["units"],
            provenance=meta["provenance"],
        )
        same_mask = mask is None or np.array_equal(coordinates_of(mask > 0), coordinates)
        if bundle.voxel_hash != meta["voxel_hash"] or not same_mask:
            raise ValueError(
                f"{folder}: mask, coordinates and voxel hash do not belong together. "
                "Was a file replaced? Prepare the subject again."
            )
        return bundle

    def _meta(self) -> dict:
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "space": self.space,
            "roi": self.roi,
            "beta_version": self.beta_version,
            "zscore": self.zscore,
            "sessions": list(self.sessions),
            "num_voxels": self.num_voxels,
            "voxel_hash": self.voxel_hash,
            "has_coordinates": self.coordinates is not None,
            "units": self.units,
            "label_names": {
                atlas: {str(label): name for label, name in self.label_names[atlas].items()}
                for atlas in self.label_of_voxel
            },
            "provenance": self.provenance,
        }


def _load_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was it cut off?") from error


def _check_coordinates(mine: VoxelBundle, theirs: VoxelBundle) -> None:
    """Names the way in which equally many voxels differ."""
    if np.array_equal(mine.coordinates, theirs.coordinates):
        return
    first, second = mine.mask(), theirs.mask()
    if np.array_equal(first, second):
        raise ValueError(
            f"The {mine.num_voxels} voxels are the same but stand in another order. "
            "Put them in C order of the (x, y, z) mask."
        )
    for axis, name in enumerate("xyz"):
        if np.array_equal(np.flip(first, axis), second):
            raise ValueError(
                f"The {name} axis is flipped. Was the scan saved in another orientation?"
            )
    raise ValueError(
        f"{int((first & ~second).sum())} of {mine.num_voxels} voxels lie elsewhere. "
        f"Was it masked with another ROI (`{mine.roi}`, `{theirs.roi}`)?"
    )
