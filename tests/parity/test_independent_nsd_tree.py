"""An NSD tree by a second writer, from the letter of NSD's manual, loads to what was planted.

Nothing of `mindeye.simulate` or `mindeye.nsd_layout` stands here: paths, shapes, units, signs and
bases are written out. Source: NSD Data Manual (cvnlab.slite.page); cvnlab/nsddatapaper
`main/export.m`, `main/analysis_surfaceroistovolume.m`; cvnlab/nsdcode `nsd_savenifti.m`.
"""

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io

from mindeye.data.design import read_design
from mindeye.data.nsd import NSDTree
from mindeye.data.stim_info import read_stim_info

SUBJECT, SESSIONS, GRID = 3, (1, 2), (7, 5, 6)
FUNCTIONAL = Path("nsddata/ppdata/subj03/func1pt8mm")
BETAS = Path("nsddata_betas/ppdata/subj03/func1pt8mm/betas_fithrf_GLMdenoise_RR")
EXPERIMENT = Path("nsddata/experiments/nsd")
RESPONSES = """
SUBJECT SESSION RUN TRIAL 73KID 10KID TIME ISOLD ISCORRECT RT CHANGEMIND MEMORYRECENT MEMORYFIRST
ISOLDCURRENT ISCORRECTCURRENT TOTAL1 TOTAL2 BUTTON MISSINGDATA
"""
V1V, V1D = 1, 2


class Planted(NamedTuple):
    """A tree and what was put into it."""

    root: Path
    percent: np.ndarray
    """(sessions, x, y, z, trials); NaN where there was no data."""
    general: np.ndarray
    areas: np.ndarray
    ncsnr: np.ndarray
    masterordering: np.ndarray
    """Trial -> place in the subject's own list, from 1."""
    subjectim: np.ndarray
    """(subjects, places) -> image of 73,000, from 1."""


def as_matlab_int16(values: np.ndarray) -> np.ndarray:
    """int16(x) of MATLAB: halves away from zero, saturated, NaN to 0."""
    whole = np.sign(values) * np.floor(np.abs(values) + 0.5)
    return np.nan_to_num(whole, nan=0.0).clip(-32767, 32767).astype(np.int16)


def write_nifti(path: Path, values: np.ndarray, order: str = "<", level: int = 6) -> None:
    """Header byte for byte as the NIfTI toolbox makes it: placeholder sform, no scale."""
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(values.dtype)
    header.set_data_shape(values.shape)
    header["pixdim"][1:4] = 1.8
    header["pixdim"][4] = 4 / 3
    header["vox_offset"], header["magic"] = 352, b"n+1"
    header["qform_code"], header["sform_code"] = 0, 1
    shift = [-(side - 1) / 2 * 1.8 for side in values.shape[:3]]
    for axis, row in enumerate(("srow_x", "srow_y", "srow_z")):
        header[row] = [1.8 if axis == column else 0 for column in range(3)] + [shift[axis]]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = values.astype(values.dtype.newbyteorder(order)).tobytes(order="F")
    with gzip.open(path, "wb", compresslevel=level) as stream:
        stream.write(header.binaryblock + bytes(4) + content)


def write_hdf5(path: Path, stored: np.ndarray) -> None:
    """[X Y Z 750] of MATLAB with chunks [1 1 1 750] is (750, Z, Y, X) to h5py."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=stored.T, chunks=(stored.shape[3], 1, 1, 1))


def design(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Every image three times in 30,000 trials; 1000 shared images first, ascending."""
    ids = 1 + rng.permutation(73000)
    shared, own = np.sort(ids[:1000]), ids[1000:73000].reshape(8, 9000)
    order = rng.permutation(np.repeat(np.arange(1, 10001), 3))
    return order, np.hstack([np.tile(shared, (8, 1)), own])


def write_design(path: Path, order: np.ndarray, images: np.ndarray, as_version: str) -> None:
    """Doubles in a plain file of version 5, or small integers in a compressed one of 7."""
    pattern = np.zeros((40, 12, 75))
    for run in range(12):
        pattern[:, run, 4 : 4 + (63, 62)[run % 2]] = 1
    arrays = {
        "masterordering": order[None],
        "subjectim": images,
        "sharedix": images[:1, :1000],
        "stimpattern": pattern,
        "basiccnt": np.zeros((3, 40)),
    }
    types = {"masterordering": np.uint16, "subjectim": np.uint32, "sharedix": np.uint32}
    small = as_version == "7"
    arrays = {
        name: one.astype(types.get(name, np.uint8) if small else np.float64)
        for name, one in arrays.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, arrays, format="5", do_compression=small, oned_as="row")


def write_image_table(path: Path, order: np.ndarray, images: np.ndarray) -> None:
    """41 columns, the first one without a name; trials from 1, 0 where an image is not shown."""
    trials = np.zeros((8, 3, 73001), dtype=int)
    by_place = np.argsort(order, kind="stable").reshape(10000, 3) + 1
    for subject in range(8):
        trials[subject][:, images[subject]] = by_place.T
    shared = set(images[0, :1000].tolist())
    repeats = [f"subject{s}_rep{r}" for s in range(1, 9) for r in range(3)]
    header = ["", "cocoId", "cocoSplit", "cropBox", "loss", "nsdId", "flagged", "BOLD5000"]
    header += ["shared1000", *(f"subject{s}" for s in range(1, 9)), *repeats]
    table = trials.reshape(24, -1).T
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for nsd_id in range(73000):
            rows = table[nsd_id + 1].tolist()
            seen = [int(rows[3 * subject] > 0) for subject in range(8)]
            crop = "(0, 0, 0.125, 0.125)"
            start = [nsd_id, 9 * nsd_id, "train2017", crop, 0.1, nsd_id, False, False]
            writer.writerow([*start, nsd_id + 1 in shared, *seen, *rows])


def write_responses(path: Path, order: np.ndarray, images: np.ndarray) -> None:
    """A row for every acquired trial; many cells are NaN."""
    path.parent.mkdir(parents=True)
    names = RESPONSES.split()
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter="\t")
        writer.writerow(names)
        for trial in range(750 * len(SESSIONS)):
            place = int(order[trial])
            row = dict.fromkeys(names, "NaN")
            row |= {"SUBJECT": SUBJECT, "SESSION": trial // 750 + 1, "10KID": place}
            row |= {"73KID": int(images[SUBJECT - 1, place - 1]), "TIME": 0.505 + trial * 4 / 86400}
            writer.writerow([row[name] for name in names])


def write_tree(root: Path, *, order: str, level: int, as_version: str) -> Planted:
    rng = np.random.default_rng(11)
    general = np.full(GRID, -1.0)
    general[1:6, 1:, 1:5] = rng.integers(0, 2, (5, 4, 4))
    areas = np.where(general < 0, -1.0, rng.integers(0, 8, GRID))
    is_left = np.arange(GRID[0])[:, None, None] < 3
    for name, both in {"nsdgeneral": general, "prf-visualrois": areas}.items():
        sides = {"lh.": np.where(is_left, both, -1), "rh.": np.where(is_left, -1, both)}
        for prefix, values in {"": both, **sides}.items():
            write_nifti(root / FUNCTIONAL / f"roi/{prefix}{name}.nii.gz", values, order)
    percent = rng.normal(1, 2, (len(SESSIONS), *GRID, 750))
    percent[0, 3, 2, 2, :5] = [200, -200, 1.5 / 300, -1.5 / 300, np.nan]  # saturates, rounds
    general[3, 2, 2] = general[4, 3, 3] = 1
    percent[1, 4, 3, 3] = np.nan  # left the slab in session 2
    write_nifti(root / FUNCTIONAL / "roi/nsdgeneral.nii.gz", general, order)
    for session, values in zip(SESSIONS, percent):
        stored = as_matlab_int16(300 * values)
        stem = root / BETAS / f"betas_session{session:02d}"
        write_nifti(stem.with_suffix(".nii.gz"), stored, order, level)
        write_hdf5(stem.with_suffix(".hdf5"), stored)
    ncsnr = rng.uniform(0, 1, GRID).astype(np.float32)
    ncsnr[4, 3, 3] = np.nan
    write_nifti(root / BETAS / "ncsnr.nii.gz", ncsnr, order)
    ordering, images = design(rng)
    write_design(root / EXPERIMENT / "nsd_expdesign.mat", ordering, images, as_version)
    write_responses(root / "nsddata/ppdata/subj03/behav/responses.tsv", ordering, images)
    return Planted(root, percent, general, areas, ncsnr, ordering, images)


@pytest.fixture(scope="module", params=[("<", 6, "7"), (">", 1, "5")], ids=["usual", "unusual"])
def planted(request, tmp_path_factory) -> Planted:
    """Little and big endian, well and hardly compressed, a design of both versions."""
    order, level, as_version = request.param
    root = tmp_path_factory.mktemp("second") / "nsd"
    return write_tree(root, order=order, level=level, as_version=as_version)


def expected(planted: Planted, session: int, mask: np.ndarray) -> np.ndarray:
    """Trial by trial, voxel by voxel, x slowest."""
    places = [
        (x, y, z)
        for x in range(GRID[0])
        for y in range(GRID[1])
        for z in range(GRID[2])
        if mask[x, y, z]
    ]
    stored = as_matlab_int16(300 * planted.percent[session - 1])
    columns = [stored[place] for place in places]
    return np.stack(columns, axis=1).astype(np.float32) / np.float32(300)


@pytest.mark.parametrize("source", ["hdf5", "nii.gz"])
@pytest.mark.parametrize("session", SESSIONS)
def test_betas_are_the_planted_array(planted, source, session):
    betas = NSDTree(planted.root).betas(SUBJECT, session, source=source)
    np.testing.assert_array_equal(betas, expected(planted, session, planted.general == 1))
    assert betas.dtype == np.float32
    assert np.isfinite(betas).all()


@pytest.mark.parametrize("source", ["hdf5", "nii.gz"])
def test_a_region_by_name_is_the_planted_array(planted, source):
    betas = NSDTree(planted.root).betas(SUBJECT, 1, "prf-visualrois:V1v+V1d", source=source)
    mask = (planted.areas == V1V) | (planted.areas == V1D)
    np.testing.assert_array_equal(betas, expected(planted, 1, mask))


@pytest.mark.parametrize("session", SESSIONS)
def test_image_ids_are_those_that_were_shown_counted_from_zero(planted, session):
    trials = range(750 * (session - 1), 750 * session)
    wanted = [
        int(planted.subjectim[SUBJECT - 1, planted.masterordering[trial] - 1]) - 1
        for trial in trials
    ]
    image_ids = NSDTree(planted.root).image_ids(SUBJECT, session)
    assert image_ids.tolist() == wanted
    assert max(wanted) > 65535


def test_noise_ceilings_keep_their_nan_and_their_places(planted):
    tree = NSDTree(planted.root)
    mask = tree.mask(SUBJECT)
    np.testing.assert_array_equal(mask, planted.general == 1)
    np.testing.assert_array_equal(tree.ncsnr(SUBJECT, mask), planted.ncsnr[planted.general == 1])
    assert np.isnan(tree.ncsnr(SUBJECT, mask)).sum() == 1


def test_the_table_of_images_tells_every_showing(tmp_path):
    order, images = design(np.random.default_rng(2))
    write_design(tmp_path / "nsd_expdesign.mat", order, images, "7")
    write_image_table(tmp_path / "nsd_stim_info_merged.csv", order, images)
    info = read_stim_info(tmp_path / "nsd_stim_info_merged.csv")
    shown = read_design(tmp_path / "nsd_expdesign.mat", SUBJECT).image_ids
    for trial in (0, 1, 749, 29_999):
        repeat, image = np.argwhere(info.trials[SUBJECT - 1] == trial)[0]
        assert (image, repeat) == (shown[trial], (shown[:trial] == image).sum())
    assert np.flatnonzero(info.is_shared).tolist() == (images[0, :1000] - 1).tolist()
