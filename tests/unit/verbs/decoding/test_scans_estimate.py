"""`mindeye scans estimate`, and decoding a folder of time series in one go."""

import gzip
import json
import struct

import nibabel
import numpy as np
import pytest

from mindeye.cli import main
from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.scan import read_scan
from mindeye.data.scans.series.estimate import estimate, open_series
from mindeye.data.scans.series.request import SeriesRequest
from mindeye.verbs.decoding.scans_estimate import estimate_scan

NAME = "sub-01_task-nsd_space-T1w"


def command(capsys, *arguments):
    """Exit code, what was printed, and what was complained of."""
    code = 0
    try:
        main([str(one) for one in arguments])
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def bundle(recording, tmp_path):
    """A model of all voxels, in tmp_path/run."""
    coordinates = np.argwhere(np.ones((5, 4, 3), dtype=bool)).astype(np.int16)
    betas = recording.betas.reshape(24, 60)
    mean, std = betas.mean(0).astype(np.float32), betas.std(0).astype(np.float32)
    made = VoxelBundle(
        subject=1,
        space="T1w",
        roi="all",
        beta_version="b3",
        zscore="session-train",
        sessions=(1,),
        shape=(5, 4, 3),
        affine=nibabel.load(recording.file(1, "desc-brain_mask.nii.gz")).affine,
        coordinates=coordinates,
        mean=mean[None],
        std=std[None],
        mean_map=mean,
        ncsnr=std,
        label_of_voxel={},
        label_names={},
    )
    made.save(tmp_path / "run" / "bundle" / "subj01")
    return made


def save_mask(path, recording, inside):
    affine = nibabel.load(recording.file(1, "desc-brain_mask.nii.gz")).affine
    nibabel.save(nibabel.Nifti1Image(inside.astype(np.uint8), affine), path)
    return path


def test_kept_betas_are_the_scan_that_the_folder_is(recording, bundle, tmp_path, capsys):
    out = tmp_path / "betas"
    code, said, _ = command(capsys, "scans", "estimate", recording.root, "--out", out)
    assert code == 0
    assert "24 trials of 60 voxels: LSS by nilearn" in said
    kept = read_scan(
        [out / f"{NAME}_betas.nii.gz"],
        bundle,
        mask=out / f"{NAME}_mask.nii.gz",
        trials=out / "trials.tsv",
    )
    direct = read_scan([recording.root], bundle)
    np.testing.assert_array_equal(kept.betas, direct.betas)
    assert kept.trials.rows == direct.trials.rows
    about = json.loads((out / "about.json").read_text())
    assert about["units"] == "percent signal change at the peak of the response"
    assert (about["voxels"], about["repetition_times_s"]) == (60, [1.5, 1.5])


def test_what_is_said_at_the_end_is_a_command_that_works(recording, bundle, tmp_path, capsys):
    _, said, _ = command(capsys, "scans", "estimate", recording.root, "--out", tmp_path / "betas")
    (line,) = [line for line in said.splitlines() if line.startswith("decode: mindeye decode ")]
    words = line.removeprefix("decode: mindeye decode ").split()
    words = words[: words.index("--run")]
    code, checks, _ = command(capsys, "scans", "check", *words, "--run", tmp_path / "run")
    assert code == 0
    assert "passed   voxel identity" in checks


def test_the_file_is_a_nifti_to_the_letter_and_the_same_twice(recording, tmp_path):
    for name in ("one", "two"):
        estimate_scan(recording.root, tmp_path / name, SeriesRequest())
    files = [tmp_path / name / f"{NAME}_betas.nii.gz" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
    image = nibabel.load(files[0])
    assert (image.shape, image.get_data_dtype()) == ((5, 4, 3, 24), np.float32)
    assert image.header.get_xyzt_units()[0] == "mm"
    content = gzip.decompress(files[0].read_bytes())
    size, offset = struct.unpack_from("<i", content)[0], struct.unpack_from("<f", content, 108)[0]
    assert (size, offset, content[344:348]) == (348, 352, b"n+1\0")
    assert len(content) == 352 + 5 * 4 * 3 * 24 * 4
    expected = estimate(open_series(recording.root, SeriesRequest()), np.arange(60))
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32).reshape(60, 24).T, expected)


def test_a_mask_takes_its_voxels_of_the_brain(recording, tmp_path):
    inside = np.zeros((5, 4, 3), dtype=bool)
    inside[1:3, 1] = True
    mask = save_mask(tmp_path / "mask.nii.gz", recording, inside)
    written = estimate_scan(recording.root, tmp_path / "out", SeriesRequest(), mask=mask)
    assert written.num_voxels == 6
    betas = nibabel.load(written.betas).get_fdata()
    assert (betas[~inside] == 0).all()
    assert (betas[inside] != 0).all()
    np.testing.assert_array_equal(nibabel.load(written.mask).get_fdata(), inside)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Give one fMRIPrep folder and --out DIR"),
        (["--out", "OUT", "--run", "R"], "knows no model and takes no --run"),
        (["--out", "OUT", "--units", "z", "--json"], "takes no --units and no --json"),
        (["--out", "OUT", "--subject", "0"], "takes no --subject"),
        (["--out", "OUT", "--space", "MNI"], "no time series of space MNI. Pick one of T1w"),
        (["--out", "OUT", "--confounds", "csf"], "has no confound `csf`"),
        (["--out", "OUT", "--events", "nowhere"], "nowhere is missing"),
        (["--out", "FULL"], "holds something already"),
    ],
)
def test_what_cannot_be_estimated_is_one_sentence_exit_code_2_and_no_folder(
    recording, tmp_path, capsys, arguments, told
):
    (tmp_path / "FULL").mkdir()
    (tmp_path / "FULL" / "precious").touch()
    arguments = [tmp_path / one if one in ("OUT", "FULL") else one for one in arguments]
    code, out, err = command(capsys, "scans", "estimate", recording.root, *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / "OUT").exists()


def test_a_series_that_is_cut_off_leaves_nothing_behind(recording, tmp_path, capsys):
    path = recording.file(2, "desc-preproc_bold.nii.gz")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    before = sorted(tmp_path.iterdir())
    code, _, err = command(capsys, "scans", "estimate", recording.root, "--out", tmp_path / "out")
    assert code == 2
    assert "Was it cut off?" in err
    assert sorted(tmp_path.iterdir()) == before


def test_check_takes_the_folder_and_no_out(recording, bundle, tmp_path, capsys):
    line = ["scans", "check", recording.root, "--run", tmp_path / "run"]
    code, out, err = command(capsys, *line)
    assert code == 0
    assert "estimate betas: 100%" in err
    assert len(out.splitlines()) == 12
    code, _, err = command(capsys, *line, "--out", tmp_path / "out")
    assert code == 2
    assert "--out is for `scans estimate`" in err


def test_a_folder_is_decoded_in_one_go_as_its_kept_betas_are(
    recording, finished_run, tmp_path, capsys
):
    inside = np.zeros(60, dtype=bool)
    inside[7:27] = True
    mask = save_mask(tmp_path / "mask.nii.gz", recording, inside.reshape(5, 4, 3))
    written = estimate_scan(recording.root, tmp_path / "kept", SeriesRequest())
    few = ["--images", "2", "--candidates", "1", "--steps", "2", "--prior-steps", "2"]
    model = ["--run", finished_run, "--mask", mask, "--statistics", "own", *few]
    for name, scan in (
        ("one", [recording.root, "--space", "T1w"]),
        ("two", [written.betas, "--trials", written.trials]),
    ):
        code, _, err = command(capsys, "decode", *scan, *model, "--out", tmp_path / name)
        assert code == 0, err
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "pictures").iterdir()}
        for name in ("one", "two")
    )
    assert len(one) == 2
    assert one == two


def test_watching_takes_no_word_of_time_series(tmp_path, capsys):
    line = ["decode", "--watch", tmp_path, "--run", tmp_path, "--out", tmp_path / "out"]
    code, _, err = command(capsys, *line, "--space", "T1w", "--high-pass", "0.01")
    assert code == 2
    assert "takes no --space and no --high-pass" in err
