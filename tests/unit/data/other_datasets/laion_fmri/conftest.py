"""A small subject, written here by the letter of the published descriptions, and its folder."""

import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel
import numpy as np
import pytest
from PIL import Image

from mindeye import laion_layout as layout
from mindeye.data.batches import PreparedSubject
from mindeye.data.other_datasets.laion_fmri.prepare import prepare_laion_fmri

GRID, TRIALS, SUBJECT, SIDE = (6, 5, 4), 24, 3, 8
AFFINE = np.array([[1.778, 0, 0, -9], [0, 1.778, 0, 4], [0, 0, 1.778, 2], [0, 0, 0, 1]])
OWN = tuple(f"unique_LAION_new_cluster_{number}_i0_p04.jpg" for number in range(20))
SHARED = ("shared_12rep_LAION_a.jpg", "shared_4rep_OOD_gabor_b.png", "shared_4rep_NSD_c.jpg")


class Tree(NamedTuple):
    """What was written: two sessions of subject 3."""

    root: Path
    betas: dict[int, np.ndarray]
    """Session -> (x, y, z, trials)."""
    labels: dict[int, list[str]]
    mask: np.ndarray
    pictures: dict[str, np.ndarray]
    affine: np.ndarray = AFFINE
    num_trials: int = TRIALS
    """Of each session."""
    own_names: tuple[str, ...] = OWN
    shared_names: tuple[str, ...] = SHARED

    def expected_z(self, session: int, train_names: set[str]) -> np.ndarray:
        """(trials, voxels) by the definition, from the training trials of that session."""
        betas = self.betas[session][self.mask].T.astype(np.float64)
        train = betas[[name in train_names for name in self.labels[session]]]
        return (betas - train.mean(0)) / train.std(0, ddof=1)

    def write_roi(self, label: str, values: np.ndarray, affine: np.ndarray = AFFINE) -> None:
        folder = self.root / layout.roi_folder(SUBJECT) / "laion"
        write_volume(folder / layout.roi_name(SUBJECT, label), values, affine)

    def write_session(self, session: int, betas: np.ndarray, labels: Sequence[str]) -> None:
        write_session(self.root, session, betas, labels)

    def write_split(self, train: Sequence[str], test: Sequence[str]) -> None:
        """The published split `tau`."""
        path = self.root / "splits" / layout.subject_name(SUBJECT) / "tau.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"variants": [{"train_ids": train, "test_ids": test}]}))

    def write_archive(self, folder: Path, order: Sequence[str]) -> Path:
        """The published archive of pictures and its table."""
        folder.mkdir()
        with h5py.File(folder / "task-images_stimuli.h5", "w") as file:
            stored = file.create_dataset("images", (len(order),), dtype=h5py.vlen_dtype(np.uint8))
            for row, name in enumerate(order):
                stream = io.BytesIO()
                Image.fromarray(self.pictures[name]).save(stream, "PNG")
                stored[row] = np.frombuffer(stream.getvalue(), dtype=np.uint8)
        rows = "\n".join(["image_name,dataset", *(f"{name},made up" for name in order), ""])
        (folder / "task-images_metadata.csv").write_text(rows)
        return folder


def write_volume(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def write_session(root: Path, session: int, betas: np.ndarray, labels: Sequence[str]) -> None:
    write_volume(root / layout.betas_path(SUBJECT, session), betas)
    rows = [f"ses-{session:02d}\t{1 + n // 12}\t{n}\t{name}" for n, name in enumerate(labels)]
    path = root / layout.trials_path(SUBJECT, session)
    path.write_text("\n".join(["session\trun\tbeta_index\tlabel", *rows, ""]))


def write_tree(root: Path) -> Tree:
    generator = np.random.default_rng(5)
    mask = generator.random(GRID) < 0.5
    folder = root / layout.roi_folder(SUBJECT)
    write_volume(folder / "laion" / layout.roi_name(SUBJECT, "laiongeneral"), mask.astype(np.uint8))
    for label in ("V1v", "V1d"):
        half = np.zeros(GRID, dtype=np.uint8)
        half[: GRID[0] // 2] = 1
        values = half if label == "V1v" else 1 - half
        write_volume(folder / "retinotopy" / layout.roi_name(SUBJECT, label), values)
    betas, labels = {}, {}
    for session in (1, 2):
        gain, offset = generator.normal(3, 0.3, (*GRID, 1)), generator.normal(1, 1, (*GRID, 1))
        noise = generator.standard_normal((*GRID, TRIALS))
        betas[session] = (offset + gain * noise).astype(np.float32)
        num_shared = 10 - 2 * session  # sessions weigh differently in means over all of them
        own = generator.choice(OWN, TRIALS - num_shared).tolist()
        labels[session] = [*own, *(SHARED * 3)[:num_shared]]
        generator.shuffle(labels[session])
        write_session(root, session, betas[session], labels[session])
    pictures = {}
    (root / "stimuli").mkdir()
    for name in (*OWN, *SHARED):
        pictures[name] = generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pictures[name]).save(root / "stimuli" / name, format="PNG")
    return Tree(root, betas, labels, mask, pictures)


@pytest.fixture(scope="session", name="write_volume")
def write_volume_fixture():
    """(path, values, affine) -> the path, now a NIfTI; without an affine, on the subject's."""
    return write_volume


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Tree:
    """Shared: read only."""
    return write_tree(tmp_path_factory.mktemp("laion"))


@pytest.fixture
def own(tree, tmp_path) -> Tree:
    """A copy that a test may break."""
    return tree._replace(root=Path(shutil.copytree(tree.root, tmp_path / "own")))


@pytest.fixture(scope="session")
def prepare():
    """(root, out, settings) -> the prepared folder, with enough images for the validation."""

    def prepared_with(root, out, **settings):
        given = {"subject": SUBJECT, "validation_share": 0.25} | settings
        return prepare_laion_fmri(root, out=out, **given)

    return prepared_with


@pytest.fixture(scope="session")
def prepared(tree, prepare, tmp_path_factory) -> PreparedSubject:
    """Shared: read only."""
    return PreparedSubject(prepare(tree.root, tmp_path_factory.mktemp("prepared") / "sub-03"))


@pytest.fixture(scope="session")
def named_trials():
    """(prepared, split) -> (session, run, name, repeat, trial, betas) of every trial."""

    def listed(prepared, split):
        table = prepared.table(split)
        names = [prepared.image_names[image_id] for image_id in table.image_ids.tolist()]
        columns = (table.sessions.tolist(), table.runs.tolist(), names, table.repeats.tolist())
        return list(zip(*columns, table.trials.tolist(), table.betas, strict=True))

    return listed
