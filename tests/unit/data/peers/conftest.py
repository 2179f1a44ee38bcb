"""Toy copies of what MindEye1 and MindEye2 published, by the letter of their descriptions."""

import io
import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
from PIL import Image

SUBJECT = 7
VOXELS = 12682
"""Of NSD's nsdgeneral of subject 7, the smallest."""
TOY_SIDE = 16


class Toy(NamedTuple):
    """A folder and what was written there."""

    folder: Path
    betas: dict[int, list[np.ndarray]]
    """Image id -> its real repeats."""
    pictures: dict[int, np.ndarray]
    ids: dict[str, list[int]]
    """Published part -> image ids, or those of every trial."""


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def jpg(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=100, subsampling=0)
    return stream.getvalue()


def write_tar(path: Path, samples: list[dict[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number, sample in enumerate(samples):
            for name, content in sample.items():
                member = tarfile.TarInfo(f"sample{number:09d}.{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def one_colour(generator: np.random.Generator) -> np.ndarray:
    """JPEG keeps it but for a shade."""
    return np.broadcast_to(generator.integers(20, 230, 3), (TOY_SIDE, TOY_SIDE, 3)).astype(np.uint8)


def mindeye1_sample(image_id: int, betas: list[np.ndarray], picture: np.ndarray) -> dict:
    """Missing repeats are padded with the first ones, over and over."""
    padded = np.stack([betas[position % len(betas)] for position in range(3)])
    return {
        "coco73k.npy": npy(np.array(image_id)),
        "jpg": jpg(picture),
        "nsdgeneral.npy": npy(padded),
        "num_uniques.npy": npy(np.array(len(betas))),
        "trial.npy": npy(np.arange(3)),
        "wholebrain_3d.npy": npy(np.zeros((3, 4, 4, 4), np.float32)),
    }


def write_mindeye1(folder: Path) -> Toy:
    generator = np.random.default_rng(1)
    drawn = generator.permutation(73000)[:14].tolist()
    ids = {"train": drawn[:8], "val": drawn[8:11], "test": drawn[11:]}
    betas, pictures = {}, {}
    for part, tars in (("train", 2), ("val", 1), ("test", 1)):
        for number in range(tars):
            samples = []
            for position, image_id in enumerate(ids[part][number::tars]):
                count = 1 + position % 3 if part == "test" else 3
                shape = (count, VOXELS)
                betas[image_id] = list(generator.normal(size=shape).astype(np.float32))
                pictures[image_id] = one_colour(generator)
                samples.append(mindeye1_sample(image_id, betas[image_id], pictures[image_id]))
            name = f"{part}_subj{SUBJECT:02d}_{number}.tar"
            write_tar(folder / "webdataset_avg_split" / part / name, samples)
    return Toy(folder, betas, pictures, ids)


def behaviour(image_id: int, session: int, row: int, shared: bool) -> dict:
    """behav.npy with its neighbours; -1 is NSD's NaN."""
    numbers = np.full((1, 17), -1.0)
    numbers[0, :6] = [image_id, SUBJECT, session, 1 + row % 12, 1 + row % 62, row]
    numbers[0, 16] = shared
    other = np.full((15, 17), -1.0)
    return {
        "behav.npy": npy(numbers),
        "future_behav.npy": npy(other),
        "olds_behav.npy": npy(other[:3]),
        "past_behav.npy": npy(other),
    }


def write_mindeye2(folder: Path, sessions: int = 3) -> Toy:
    """22 trials in a session: 20 of own images, most three times, and 2 of shared ones."""
    generator = np.random.default_rng(2)
    drawn = generator.permutation(73000)[:43].tolist()
    own, shared = drawn[:40], drawn[40:]
    order = generator.permutation(np.repeat(own, 2))[: 20 * sessions].tolist()
    table = generator.normal(size=(22 * sessions, VOXELS)).astype(np.float32)
    train, test, betas = [], [], {}
    for row in range(22 * sessions):
        session, position = row // 22, row % 22
        is_shared = position >= 20
        image_id = shared[(row + session) % 2] if is_shared else order[20 * session + position]
        betas.setdefault(image_id, []).append(table[row])
        sample = behaviour(image_id, session + 1, row, is_shared)
        (test if is_shared else train).append((session, sample, image_id))
    place = folder / "wds" / f"subj{SUBJECT:02d}"
    for session in range(sessions):
        samples = [sample for where, sample, _ in train if where == session]
        write_tar(place / "train" / f"{session}.tar", samples)
    write_tar(place / "new_test" / "0.tar", [sample for _, sample, _ in test])
    pictures = {}
    with h5py.File(folder / "coco_images_224_float16.hdf5", "w") as file:
        shape = (73000, 3, TOY_SIDE, TOY_SIDE)
        stored = file.create_dataset("images", shape, np.float16, chunks=(1, *shape[1:]))
        for image_id in betas:
            pictures[image_id] = generator.integers(0, 256, (TOY_SIDE, TOY_SIDE, 3), np.uint8)
            stored[image_id] = pictures[image_id].transpose(2, 0, 1) / 255
    with h5py.File(folder / f"betas_all_subj{SUBJECT:02d}_fp32_renorm.hdf5", "w") as file:
        file["betas"] = table
    ids = {"train": [one for *_, one in train], "new_test": [one for *_, one in test]}
    return Toy(folder, betas, pictures, ids)


@pytest.fixture(scope="session")
def mindeye1(tmp_path_factory) -> Toy:
    """8 training, 3 validation and 3 test images; shared: read only."""
    return write_mindeye1(tmp_path_factory.mktemp("mindeye1"))


@pytest.fixture(scope="session")
def mindeye2(tmp_path_factory) -> Toy:
    """Three sessions; shared: read only."""
    return write_mindeye2(tmp_path_factory.mktemp("mindeye2"))


@pytest.fixture
def own_mindeye1(mindeye1, tmp_path) -> Toy:
    """A copy that a test may break."""
    return mindeye1._replace(folder=Path(shutil.copytree(mindeye1.folder, tmp_path / "toy")))


@pytest.fixture
def own_mindeye2(mindeye2, tmp_path) -> Toy:
    """A copy that a test may break."""
    return mindeye2._replace(folder=Path(shutil.copytree(mindeye2.folder, tmp_path / "toy")))


@pytest.fixture
def rewrite_tar():
    """(path, samples): replaces a tar."""
    return write_tar


@pytest.fixture
def as_npy():
    """An array -> the bytes of its npy file; pickled where it holds objects."""
    return npy


@pytest.fixture
def mindeye1_files():
    """(image id, repeats, picture) -> the files of a sample."""
    return mindeye1_sample


@pytest.fixture
def behaviour_files():
    """(image id, session, row, shared) -> the files of a sample."""
    return behaviour
