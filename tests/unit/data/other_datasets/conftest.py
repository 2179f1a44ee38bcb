"""Files of other data sets by the letter of their descriptions, independent of the simulator."""

import shutil
from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel
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


class Things(NamedTuple):
    """The tables' folder, the pictures, and what was written."""

    folder: Path
    pictures: Path
    betas: np.ndarray
    """(voxels, trials)."""
    coordinates: np.ndarray
    stimuli: list[str]
    """Of each trial."""


VOXELS, SESSIONS = 40, 3


def write_frame(path: Path, betas: np.ndarray, ids: np.ndarray) -> None:
    """As pandas does through PyTables: labels of mixed types are pickled, and blocks have two."""
    with h5py.File(path, "w") as file:
        group = file.create_group("ResponseData")
        group.attrs["pandas_type"], group.attrs["nblocks"] = np.bytes_("frame"), 2
        pickled = h5py.vlen_dtype(np.uint8)
        for name in ("axis0", "block0_items"):
            stored = group.create_dataset(name, (1,), pickled)
            stored[0] = np.frombuffer(b"cos\nsystem\n(S'false'\ntR.", np.uint8)
        group["axis1"] = np.arange(len(betas))
        group["block0_values"] = betas
        group["block1_items"] = np.array([b"voxel_id"])
        group["block1_values"] = ids[:, None]


def write_things(folder: Path) -> Things:
    """20 training pictures and 2 test pictures, which each of 3 sessions shows."""
    generator = np.random.default_rng(12)
    tables = folder / "betas_csv"
    tables.mkdir(parents=True)
    train = [f"thing{number:02d}_{number}s.jpg" for number in range(24)]
    rows, stimuli = [], []
    for session in range(SESSIONS):
        shown = [*train[session::SESSIONS], "dog_12n.jpg", "ape_01b.jpg"]
        for position, name in enumerate(generator.permutation(shown).tolist()):
            kind = "test" if name[0] in "da" else "train"
            run, concept = 1 + position // 5, name.split("_")[0]
            rows.append(f"{kind},{session + 1},{run},2,{len(rows)},{name},{concept}")
            stimuli.append(name)
    header = "trial_type,session,run,subject_id,trial_id,stimulus,concept"
    (tables / "sub-02_StimulusMetadata.csv").write_text("\n".join([header, *rows]) + "\n")
    mask = np.zeros((5, 6, 7), dtype=np.uint8)
    mask.ravel()[np.sort(generator.permutation(mask.size)[:VOXELS])] = 1
    coordinates = np.argwhere(mask)
    lines = ["voxel_id,subject_id,voxel_x,voxel_y,voxel_z,nc_singletrial,nc_testset,V1,lFFA,g-V2"]
    for voxel, place in enumerate(coordinates.tolist()):
        flags = [int(voxel % 3 == 0), int(voxel % 10 == 1), int(voxel > 30)]
        cells = [voxel, 2, *place, voxel * 2.0, 5.0, *flags]
        lines.append(",".join(str(cell) for cell in cells))
    (tables / "sub-02_VoxelMetadata.csv").write_text("\n".join(lines) + "\n")
    betas = generator.normal(2, 3, (VOXELS, len(rows)))
    write_frame(tables / "sub-02_ResponseData.h5", betas, np.arange(VOXELS))
    (folder / "brainmasks").mkdir()
    affine = np.diag([2.0, 2, 2, 1])
    name = "sub-02_space-T1w_brainmask.nii.gz"
    nibabel.save(nibabel.Nifti1Image(mask, affine), folder / "brainmasks" / name)
    for number, picture in enumerate(sorted(set(stimuli))):
        place = folder / "images" / picture.split("_")[0]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 10), (7 * number, 50, 90)).save(place / f"{picture[:-4]}.png")
    return Things(tables, folder / "images", betas, coordinates, stimuli)


@pytest.fixture(scope="session")
def things(tmp_path_factory) -> Things:
    """Shared: read only."""
    return write_things(tmp_path_factory.mktemp("things") / "toy")


@pytest.fixture
def own_things(things, tmp_path) -> Things:
    """A copy that a test may break."""
    folder = Path(shutil.copytree(things.folder.parent, tmp_path / "toy"))
    return things._replace(folder=folder / "betas_csv", pictures=folder / "images")


@pytest.fixture
def rewrite_frame():
    """(path, betas, ids): replaces the betas."""
    return write_frame
