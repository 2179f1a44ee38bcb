import json
import shutil

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.data.bundle import VoxelBundle
from mindeye.data.scans.results import CHECKS
from mindeye.verbs.decoding.scans_check import bundle_of_model

TRIALS, VOXELS = 40, 60


@pytest.fixture
def bundle(tmp_path):
    """A model of 60 voxels that lie along a row, in tmp_path/run."""
    rng = np.random.default_rng(0)
    mean = rng.normal(1, 1, VOXELS).astype(np.float32)
    std = rng.uniform(1, 2, VOXELS).astype(np.float32)
    coordinates = np.argwhere(np.ones((1, 5, 12), dtype=bool)).astype(np.int16)
    made = VoxelBundle(
        subject=1,
        space="func1pt8mm",
        roi="nsdgeneral",
        beta_version="b3",
        zscore="session-train",
        sessions=(1,),
        shape=(1, 5, 12),
        affine=np.eye(4),
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


@pytest.fixture
def scan(bundle, tmp_path):
    """A good one."""
    noise = np.random.default_rng(1).normal(size=(TRIALS, VOXELS))
    np.save(tmp_path / "betas.npy", bundle.mean_map + bundle.std[0] * noise)
    return tmp_path / "betas.npy"


def check(capsys, *arguments):
    """Exit code, what was printed, and what was complained of."""
    code = 0
    try:
        main(["scans", "check", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_good_scan_gets_one_line_a_check_and_exit_code_0(scan, tmp_path, capsys):
    code, out, err = check(capsys, scan, "--run", tmp_path / "run")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == len(CHECKS) == 12
    assert all(name in line for name, line in zip(CHECKS, lines))
    assert {line.split()[0] for line in lines} == {"passed", "skipped"}


def test_a_bad_scan_gets_its_line_and_exit_code_2(scan, tmp_path, capsys):
    np.save(scan, np.load(scan) * 300)
    code, out, _ = check(capsys, scan, "--run", tmp_path / "run")
    assert code == 2
    (failed,) = [line for line in out.splitlines() if line.startswith("failed")]
    assert "Pass --units nsd-int16" in failed
    assert len(out.splitlines()) == 12
    assert check(capsys, scan, "--run", tmp_path / "run", "--units", "nsd-int16")[0] == 0


def test_json_holds_the_same_checks(scan, tmp_path, capsys):
    folder = tmp_path / "run" / "bundle" / "subj01"
    code, out, _ = check(capsys, scan, "--bundle", folder, "--json")
    content = json.loads(out)
    assert (code, content["ok"], content["form"]) == (0, True, "array in npy")
    assert [one["name"] for one in content["checks"]] == list(CHECKS)
    assert content["files"] == [str(scan)]
    np.save(scan, np.load(scan)[:, ::-1])
    code, out, _ = check(capsys, scan, "--bundle", folder, "--json")
    content = json.loads(out)
    failed = [one["name"] for one in content["checks"] if one["status"] == "failed"]
    assert (code, content["ok"], failed) == (2, False, ["mean map"])


def test_a_scan_that_cannot_be_read_is_one_sentence_and_exit_code_2(scan, tmp_path, capsys):
    scan.write_bytes(scan.read_bytes()[:500])
    code, out, err = check(capsys, scan, "--run", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err.startswith("mindeye: ")
    assert "betas.npy cannot be read" in err
    assert "Traceback" not in err


def test_checking_writes_nothing_so_that_read_only_places_will_do(scan, tmp_path, capsys, contents):
    before = contents(tmp_path)
    (tmp_path / "run").chmod(0o555)
    check(capsys, scan, "--run", tmp_path / "run", "--json")
    (tmp_path / "run").chmod(0o755)
    assert contents(tmp_path) == before


def test_either_a_run_or_a_bundle_is_needed(scan, tmp_path, capsys):
    for arguments in ([], ["--run", tmp_path / "run", "--bundle", tmp_path]):
        code, _, err = check(capsys, scan, *arguments)
        assert code == 2
        assert "Give either --run RUN or --bundle DIR" in err


def test_a_run_without_bundle_or_with_several_subjects_says_so(bundle, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no voxel bundle"):
        bundle_of_model(tmp_path / "absent", None)
    folders = tmp_path / "run" / "bundle"
    shutil.copytree(folders / "subj01", folders / "subj02")
    with pytest.raises(LookupError, match=r"has subj01, subj02\. Pick one with --subject"):
        bundle_of_model(tmp_path / "run", None)
    assert bundle_of_model(tmp_path / "run", None, 2).voxel_hash == bundle.voxel_hash
    with pytest.raises(LookupError, match="not subj03"):
        bundle_of_model(tmp_path / "run", None, 3)
