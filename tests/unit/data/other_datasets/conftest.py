"""Files of other data sets by the letter of their descriptions, independent of the simulator."""

import shutil
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
from PIL import Image

GRAYORDINATES = 91282


class Mosaic(NamedTuple):
    """A subject's file, the table, the pictures, and what was written."""

    file: Path
    table: Path
    pictures: Path
    betas: dict[str, np.ndarray]
    """Name of a trial -> its values."""


def trial(stimulus: str, phase: str, repeat: int, subject: str = "sub-02_GOD") -> str:
    return f"{subject}_stimulus-{stimulus}_phase-{phase}_rep-{repeat}"


def add_trial(group: h5py.Group, name: str, values: np.ndarray, picture: str, phase: str) -> None:
    stored = group.create_dataset(name, data=values, compression="gzip", compression_opts=1)
    stored.attrs.create("nan_indices", np.flatnonzero(~np.isfinite(values)))
    stored.attrs.create("phase", phase)
    stored.attrs.create("repetition", int(name.rsplit("-", 1)[1]))
    stored.attrs.create("presented_stimulus_filename", picture)


def write_mosaic(folder: Path) -> Mosaic:
    """Eight training pictures once, two test pictures three times and one of a letter twice."""
    generator = np.random.default_rng(11)
    train = [f"n0{number}_{number * 7}" for number in range(8)]
    rows = [(f"{name}.JPEG", "ImageNet", "train", 1) for name in train]
    rows += [("n09_1.JPEG", "ImageNet", "test", 3), ("a_test.JPEG", "ImageNet", "test", 3)]
    rows += [("black_+.tiff", "Artificial", "test", 2), ("unseen.JPEG", "ImageNet", "train", 0)]
    pictures = folder / "pictures"
    (pictures / "below").mkdir(parents=True)
    betas = {}
    with h5py.File(folder / "sub-02_GOD.hdf5", "w") as file:
        file.attrs.create("subjectID", "sub-02")
        file.attrs.create("dataset_name", "GenericObjectDecoding")
        file.attrs.create("beta_pipeline", "GLMsinglev1.2")
        file.attrs.create("visual_angle", 12)
        ceiling = np.zeros(GRAYORDINATES)
        ceiling[:6] = [5, 20, 0, 50, 80, np.nan]
        ceiling[60_000] = 90
        group = file.create_group("noiseceilings", track_order=True)
        group.create_dataset("sub-02_GOD_phase-test_n-1_noiseceiling", data=ceiling)
        group.create_dataset("sub-02_GOD_phase-test_n-avg_noiseceiling", data=ceiling + 1)
        group = file.create_group("betas", track_order=True)
        for number, (picture, _, phase, reps) in enumerate(rows):
            for repeat in range(reps):
                values = np.zeros(GRAYORDINATES)
                values[:6] = generator.normal(size=6)
                values[60_000] = number
                values[3] = np.nan if number == 2 else values[3]
                name = trial(picture.rsplit(".", 1)[0], phase, repeat)
                add_trial(group, name, values, picture, phase)
                betas[name] = values
    lines = ["filename\talias\tsource\ttest_train\tsub-01_reps\tsub-02_reps"]
    for number, (picture, source, phase, reps) in enumerate(rows):
        lines.append(f"{picture}\tn/a\t{source}\t{phase}\t0\t{reps}")
        place = pictures / "below" if number % 2 else pictures
        colour = (10 * number, 200, 100)
        Image.new("RGB", (8, 6), colour).save(place / f"{picture.rsplit('.', 1)[0]}.png")
    (folder / "god_stiminfo.tsv").write_text("\n".join(lines) + "\n")
    return Mosaic(folder / "sub-02_GOD.hdf5", folder / "god_stiminfo.tsv", pictures, betas)


@pytest.fixture(scope="session")
def mosaic(tmp_path_factory) -> Mosaic:
    """Shared: read only."""
    return write_mosaic(tmp_path_factory.mktemp("mosaic") / "toy")


@pytest.fixture
def own_mosaic(mosaic, tmp_path) -> Mosaic:
    """A copy that a test may break."""
    folder = Path(shutil.copytree(mosaic.file.parent, tmp_path / "toy"))
    places = (folder / one.name for one in (mosaic.file, mosaic.table, mosaic.pictures))
    return Mosaic(*places, mosaic.betas)
