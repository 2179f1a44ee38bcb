"""A second writer of NSD trees, independent of `mindeye.simulate` and of `mindeye.nsd_layout`."""

import shutil
from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io

GRID = (9, 8, 7)
SESSIONS = 2
TRIALS = 750
SIDE = 12
FUNCTIONAL = "nsddata/ppdata/subj01/func1pt8mm"
BETAS = "nsddata_betas/ppdata/subj01/func1pt8mm/betas_fithrf_GLMdenoise_RR"


class WrittenTree(NamedTuple):
    """A tree on disk and the arrays that it was made of."""

    root: Path
    raw: np.ndarray
    """(sessions, x, y, z, trials) int16."""
    image_ids: np.ndarray
    """(30000,), counted from 0."""
    is_shared: np.ndarray
    atlases: dict[str, np.ndarray]
    betas: Path
    functional: Path

    def mask(self) -> np.ndarray:
        return self.atlases["nsdgeneral"] == 1


def write_volume(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([1.8, 1.8, 1.8, 1.0])
    affine[:3, 3] = -(np.array(values.shape[:3]) - 1) / 2 * 1.8
    image = nibabel.Nifti1Image(values, affine)
    image.set_qform(None, code=0)
    image.set_sform(affine, code=1)
    nibabel.save(image, path)


def write_betas(folder: Path, session: int, raw: np.ndarray) -> None:
    """Both forms; h5py sees MATLAB's axes in reverse, and one chunk holds one voxel."""
    write_volume(folder / f"betas_session{session:02d}.nii.gz", raw)
    with h5py.File(folder / f"betas_session{session:02d}.hdf5", "w") as file:
        stored = raw.transpose(3, 2, 1, 0)
        file.create_dataset("betas", data=stored, chunks=(raw.shape[3], 1, 1, 1))


def _design(generator: np.random.Generator, sessions: int) -> dict[str, np.ndarray]:
    """The first sessions show 250 images each three times, a tenth of them shared."""
    ids = generator.permutation(73000)[: 1000 + 8 * 9000] + 1
    shared = np.sort(ids[:1000])
    own = ids[1000:].reshape(8, 9000)
    shown = generator.permutation(1000)[: 25 * sessions]
    first = np.r_[shown, 1000 + generator.permutation(9000)[: 225 * sessions]]
    rest = np.setdiff1d(np.arange(10000), first)
    order = [generator.permutation(np.repeat(half, 3)) for half in (first, rest)]
    pattern = np.zeros((40, 12, 75))
    for run in range(12):
        pattern[:, run, : 63 if run % 2 == 0 else 62] = 1
    return {
        "masterordering": (np.concatenate(order) + 1)[None].astype(np.uint16),
        "subjectim": np.hstack([np.tile(shared, (8, 1)), own]).astype(np.uint32),
        "sharedix": shared[None].astype(np.uint32),
        "stimpattern": pattern.astype(np.uint8),
    }


def _atlases(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """-1 is most of the brain; labels overlap between atlases."""
    general = np.full(GRID, -1.0)
    general[2:7, 1:7, 1:6] = generator.choice([0.0, 1.0], (5, 6, 5), p=[0.2, 0.8])
    areas = np.where(general < 0, -1.0, generator.integers(0, 8, GRID))
    streams = np.where(general < 0, -1.0, generator.integers(0, 6, GRID))
    return {"nsdgeneral": general, "prf-visualrois": areas, "streams": streams}


def _write_stimuli(path: Path, image_ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        pictures = file.create_dataset(
            "imgBrick", (73000, SIDE, SIDE, 3), np.uint8, chunks=(1, SIDE, SIDE, 3)
        )
        for image_id in np.unique(image_ids):
            pictures[image_id] = picture_of(image_id)


def picture_of(image_id: int) -> np.ndarray:
    """Every pixel tells the id."""
    colours = np.array([image_id // 256 % 256, image_id % 256, 1 + image_id // 65536], np.uint8)
    return np.broadcast_to(colours, (SIDE, SIDE, 3))


def write_tree(root: Path, sessions: int = SESSIONS) -> WrittenTree:
    generator = np.random.default_rng(7)
    design = _design(generator, sessions)
    order = design["masterordering"][0].astype(np.int64)
    ids = design["subjectim"].astype(np.int64)[0, order - 1]
    atlases = _atlases(generator)
    gain = generator.uniform(200, 900, (sessions, *GRID, 1))
    offset = generator.normal(600, 200, (sessions, *GRID, 1))
    noise = generator.normal(size=(sessions, *GRID, TRIALS))
    raw = np.rint(offset + gain * noise).astype(np.int16)
    raw[:, 0] = 0
    for name, values in atlases.items():
        write_volume(root / FUNCTIONAL / "roi" / f"{name}.nii.gz", values)
        write_volume(root / FUNCTIONAL / "roi" / f"lh.{name}.nii.gz", values)
    for session in range(sessions):
        (root / BETAS).mkdir(parents=True, exist_ok=True)
        write_betas(root / BETAS, session + 1, raw[session])
    ncsnr = generator.uniform(0, 1, GRID).astype(np.float32)
    write_volume(root / BETAS / "ncsnr.nii.gz", ncsnr)
    experiment = root / "nsddata/experiments/nsd"
    experiment.mkdir(parents=True)
    scipy.io.savemat(experiment / "nsd_expdesign.mat", design, do_compression=True)
    behaviour = root / "nsddata/ppdata/subj01/behav"
    behaviour.mkdir(parents=True)
    rows = [
        f"1\t{1 + trial // TRIALS}\t{ids[trial]}\t{order[trial]}\tNaN"
        for trial in range(sessions * TRIALS)
    ]
    table = "\n".join(["SUBJECT\tSESSION\t73KID\t10KID\tRT", *rows]) + "\n"
    (behaviour / "responses.tsv").write_text(table)
    stimuli = root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    _write_stimuli(stimuli, ids[: sessions * TRIALS] - 1)
    return WrittenTree(root, raw, ids - 1, order <= 1000, atlases, root / BETAS, root / FUNCTIONAL)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> WrittenTree:
    """Shared by all tests: read only."""
    return write_tree(tmp_path_factory.mktemp("nsd"))


@pytest.fixture(scope="session")
def long_tree(tmp_path_factory: pytest.TempPathFactory) -> WrittenTree:
    """Five sessions that show 1250 images three times, spread over all: read only."""
    return write_tree(tmp_path_factory.mktemp("long"), sessions=5)


@pytest.fixture
def own_tree(written: WrittenTree, tmp_path: Path) -> WrittenTree:
    """A copy that a test may break."""
    root = tmp_path / "nsd"
    shutil.copytree(written.root, root)
    return written._replace(root=root, betas=root / BETAS, functional=root / FUNCTIONAL)


@pytest.fixture(scope="session")
def stim_info_path(written: WrittenTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NSD's table of images for the written design, 41 columns: read only."""
    design = scipy.io.loadmat(written.root / "nsddata/experiments/nsd/nsd_expdesign.mat")
    images = design["subjectim"].astype(np.int64) - 1
    showings = 1 + np.argsort(design["masterordering"][0], kind="stable").reshape(10000, 3)
    columns = {"": np.arange(73000), "cocoId": np.arange(73000) + 9}
    columns |= {"cocoSplit": "val2017", "cropBox": '"(0, 0, 0.1, 0.2)"', "loss": "0.5"}
    columns |= {"nsdId": np.arange(73000), "flagged": "False", "BOLD5000": "False"}
    shared = np.isin(np.arange(73000), design["sharedix"].astype(np.int64) - 1)
    columns |= {"shared1000": np.where(shared, "True", "False")}
    seen = [np.isin(np.arange(73000), own).astype(int) for own in images]
    columns |= {f"subject{subject + 1}": seen[subject] for subject in range(8)}
    for subject in range(8):
        for repeat in range(3):
            trials = np.zeros(73000, dtype=int)
            trials[images[subject]] = showings[:, repeat]
            columns[f"subject{subject + 1}_rep{repeat}"] = trials
    cells = [np.broadcast_to(column, 73000).astype(str) for column in columns.values()]
    path = tmp_path_factory.mktemp("table") / "nsd_stim_info_merged.csv"
    lines = [",".join(columns), *(",".join(row) for row in zip(*cells, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def prepared_path(written: WrittenTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared tree, prepared with the defaults: read only."""
    from mindeye.data.prepare import prepare_nsd

    out = tmp_path_factory.mktemp("prepared") / "subj01"
    return prepare_nsd(written.root, subject=1, out=out)


@pytest.fixture
def own_prepared(prepared_path: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(prepared_path, tmp_path / "prepared"))


@pytest.fixture(scope="session")
def rewrite_betas():
    """(folder, session, raw): replaces both forms of a session."""
    return write_betas


@pytest.fixture(scope="session")
def rewrite_volume():
    """(path, values): replaces a NIfTI."""
    return write_volume


@pytest.fixture
def expected_picture():
    """image id -> its pixels."""
    return picture_of


@pytest.fixture
def contents():
    """Folder -> the bytes of every file in it, by relative path."""

    def of(folder):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    return of


@pytest.fixture(scope="session")
def late_design(tmp_path_factory) -> Path:
    """18 shared and 141 own images are shown in the last three sessions only."""
    generator = np.random.default_rng(5)
    ids = 1 + generator.permutation(73000)
    shared, own = np.sort(ids[:1000]), ids[1000:].reshape(8, 9000)
    late = np.repeat(np.r_[np.arange(18), np.arange(1000, 1141)], 3)
    early = np.setdiff1d(np.arange(10000), late)
    # Their third showing comes last: they count as seen before.
    moved = generator.choice(early, 3 * 750 - len(late), replace=False)
    first = generator.permutation(np.r_[early, early, np.setdiff1d(early, moved)])
    rest = generator.permutation(np.r_[moved, late])
    order = np.concatenate([first, rest])
    assert not np.isin(order[: 37 * 750], late).any()
    path = tmp_path_factory.mktemp("late") / "nsd_expdesign.mat"
    arrays = {
        "masterordering": (order + 1)[None].astype(np.uint16),
        "subjectim": np.hstack([np.tile(shared, (8, 1)), own]).astype(np.uint32),
        "sharedix": shared[None].astype(np.uint32),
    }
    scipy.io.savemat(path, arrays)
    return path
