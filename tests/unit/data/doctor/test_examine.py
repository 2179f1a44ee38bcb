import numpy as np
import pytest

from mindeye import nsd_layout as layout
from mindeye.data.doctor import experiment, subject
from mindeye.data.doctor.check import fetch_line
from mindeye.data.doctor.examine import examine_nsd
from mindeye.data.doctor.sessions import first_area_check
from mindeye.data.nsd import NSDTree


def states(diagnosis):
    return {check.name: check.state for check in diagnosis.checks}


def test_a_whole_tree_has_nothing_wrong_and_lacks_only_other_regions(whole_tree):
    diagnosis = examine_nsd(whole_tree.root)
    found = states(diagnosis)
    assert {name for name, state in found.items() if state != "ok"} == {"regions"}
    assert not any(check.stops for check in diagnosis.checks)
    assert found["betas_session02 b3 func1pt8mm"] == "ok"
    assert found["images: table agrees with the design"] == "ok"
    assert found["meanbeta of b3 over the mean of its sessions"] == "ok"
    assert diagnosis.simulated == {"simulated": True}


def test_progress_counts_the_sessions(whole_tree):
    calls = []
    examine_nsd(whole_tree.root, 1, lambda *call: calls.append(call))
    assert calls == [("sessions", 1, 2), ("sessions", 2, 2)]


def test_a_subject_without_files_is_missing_and_needed_when_asked_for(whole_tree):
    checks = [check for check in examine_nsd(whole_tree.root, 3).checks if check.subject == 3]
    assert [(check.state, check.stops) for check in checks] == [("missing", True)]
    assert checks[0].paths[1].name == "betas_session01.hdf5"
    with pytest.raises(LookupError, match="subjects 1 to 8, not 9"):
        examine_nsd(whole_tree.root, 9)


def test_a_tree_without_any_subject_stops(whole_tree):
    for part in ("nsddata", "nsddata_betas"):
        (whole_tree.root / part / "ppdata").rename(whole_tree.root / part / "elsewhere")
    found = {check.name: check for check in examine_nsd(whole_tree.root).checks}
    assert found["any subject"].stops


def test_files_that_everything_needs_stop_and_others_do_not(whole_tree):
    (whole_tree.root / layout.stimuli_path()).unlink()
    (whole_tree.root / layout.stim_info_path()).unlink()
    (whole_tree.root / layout.responses_path(1)).unlink()
    (whole_tree.root / layout.brainmask_path(1)).unlink()
    missing = {one.name: one for one in examine_nsd(whole_tree.root).checks if one.paths}
    assert {name for name, check in missing.items() if check.stops} == {"pictures"}
    assert missing["pictures"].paths == (layout.stimuli_path(),)
    assert len(missing) == 5


def test_without_design_or_nsdgeneral_the_rest_is_still_looked_at(whole_tree):
    (whole_tree.root / layout.expdesign_path()).unlink()
    found = {check.name: check for check in examine_nsd(whole_tree.root).checks}
    assert found["design"].stops
    assert found["voxels of nsdgeneral"].state == "ok"
    (whole_tree.root / layout.roi_path(1, "nsdgeneral")).unlink()
    found = {check.name: check for check in examine_nsd(whole_tree.root).checks}
    assert found["nsdgeneral"].stops
    assert found["sessions of b3"].seen == "2, last 2"


def test_a_file_is_fetched_from_nsd_s_bucket_to_its_place(tmp_path):
    line = fetch_line(tmp_path / "my nsd", layout.expdesign_path())
    path = "nsddata/experiments/nsd/nsd_expdesign.mat"
    assert line == (
        f"aws s3 cp --no-sign-request s3://natural-scenes-dataset/{path} '{tmp_path}/my nsd/{path}'"
    )


def test_a_tree_that_is_not_made_up_must_have_nsd_s_own_numbers(whole_tree, wrong_lines):
    (whole_tree.root / "SIMULATED.json").unlink()
    wrong = wrong_lines(examine_nsd(whole_tree.root))
    assert wrong["grid"] == ("(9, 8, 7)", "(81, 104, 83)")
    assert wrong["voxels of nsdgeneral"] == (str(whole_tree.mask().sum()), "15724")
    assert wrong["pictures"] == ("(12, 12, 3)", "(425, 425, 3)")
    assert wrong["responses agree with the design"] == ("1500 rows", "30000 rows")
    assert wrong["design: shared images seen 3, 2, 1 times by all"][1] == "(515, 766, 907)"
    assert wrong["design: shared and own images of 37 sessions"][1] == "(982, 8859)"
    assert "first shared images (trial: image id)" in wrong
    # Subject 1 did see all of its images three times.
    assert "images seen 1, 2, 3 times; shared" not in wrong


@pytest.mark.parametrize(("factor", "state"), [(1.0, "ok"), (300.0, "wrong"), (1 / 3, "wrong")])
def test_v1_of_subject_1_must_lie_near_its_known_values(whole_tree, monkeypatch, factor, state):
    areas = whole_tree.atlases["prf-visualrois"]
    v1 = whole_tree.raw[0][(areas == 1) | (areas == 2)] / 300
    known = (float(v1.mean() * factor), float(v1.std() * factor))
    monkeypatch.setattr("mindeye.data.doctor.sessions.V1_OF_SUBJECT_1", known)
    (check,) = first_area_check(NSDTree(whole_tree.root))
    assert check.state == state
    assert check.seen == f"mean {v1.mean():.3f}, SD {v1.std():.3f}"


def test_nsd_s_own_numbers_are_right(whole_tree, wrong_lines, monkeypatch):
    """The written tree as if NSD were of its size: the values come from its own arrays."""
    (whole_tree.root / "SIMULATED.json").unlink()
    ids, shared = whole_tree.image_ids, whole_tree.is_shared
    early = np.arange(30000) < 37 * 750
    old = tuple(len(np.unique(ids[early & one])) for one in (shared, ~shared))
    first = {trial: int(ids[trial]) for trial in np.flatnonzero(shared)[:4].tolist()}
    areas = whole_tree.atlases["prf-visualrois"]
    v1 = whole_tree.raw[0][(areas == 1) | (areas == 2)] / 300
    monkeypatch.setitem(layout.VOLUME_SHAPES, 1, (9, 8, 7))
    monkeypatch.setitem(layout.NSDGENERAL_VOXELS, 1, int(whole_tree.mask().sum()))
    monkeypatch.setitem(layout.SESSIONS, 1, 2)
    monkeypatch.setattr(experiment, "PICTURE_SHAPE", (12, 12, 3))
    monkeypatch.setattr(experiment, "SEEN_IN_37", old)
    monkeypatch.setattr(subject, "FIRST_SHARED_OF_SUBJECT_1", first)
    monkeypatch.setitem(subject.SEEN, 1, (500, 500, 500, 50))
    counts = tuple(int((areas == label).sum()) for label in range(1, 8))
    monkeypatch.setattr(subject, "VISUAL_AREAS_OF_SUBJECT_1", counts)
    known = "mindeye.data.doctor.sessions.V1_OF_SUBJECT_1"
    monkeypatch.setattr(known, (float(v1.mean()), float(v1.std())))
    wrong = wrong_lines(examine_nsd(whole_tree.root, 1))
    # What all eight subjects saw differs by then: seven of them have NSD's numbers of sessions.
    assert wrong.keys() == {
        "design: shared images seen 3, 2, 1 times by all",
        "design: images seen by anyone",
    }
