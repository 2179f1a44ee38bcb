"""What a test cannot be made of, each with its own sentence; nothing is left behind."""

import numpy as np
import pytest
import scipy.io
from PIL import Image

from mindeye.data.prepare import prepare_nsd
from mindeye.data.transfer.prepare import prepare_transfer


@pytest.fixture
def refused(transfer_tree, tmp_path):
    """(error, match, settings): preparing raises, and writes nothing."""

    def check(error, match, **settings) -> None:
        given = {"subject": 1, "protocol": "nsd-imagery", **settings}
        with pytest.raises(error, match=match):
            prepare_transfer(transfer_tree.root, out=tmp_path / "out", **given)
        assert not (tmp_path / "out").exists()
        assert not [path for path in tmp_path.iterdir() if path.name not in ("nsd", "tree")]

    return check


@pytest.mark.parametrize("protocol", ["nsd-synthetic", "nsd-imagery"])
@pytest.mark.parametrize("zscore", ["session-train", "train-global"])
def test_there_are_no_training_trials_to_scale_by(refused, protocol, zscore):
    match = f"{protocol} only tests: it has no training trials that {zscore} could take"
    refused(ValueError, match, protocol=protocol, zscore=zscore)


def test_scopes_tasks_and_protocols_are_known_by_name(refused):
    synthetic = {"protocol": "nsd-synthetic"}
    refused(ValueError, "run-all would remove how they differ", zscore="run-all", **synthetic)
    refused(LookupError, "Unknown z-score scope `session`. There are session-t", zscore="session")
    refused(LookupError, "Unknown task `dreaming`. Pick one of imagery, vision", task="dreaming")
    refused(LookupError, "attention has two betas, of a letter and of a series", task="attention")
    refused(ValueError, "nsd-synthetic has no tasks to choose from", task="vision", **synthetic)
    refused(LookupError, "`nsd-37-avg` is no protocol that only tests", protocol="nsd-37-avg")
    refused(LookupError, "no betas b1 of nsdimagery. Take b2 or b3", beta_version="b1")
    refused(LookupError, "Unknown source `zip`", source="zip")


def test_the_main_experiment_s_function_knows_where_these_protocols_are(transfer_tree, tmp_path):
    with pytest.raises(LookupError, match=r"only tests: see .*prepare_transfer"):
        prepare_nsd(transfer_tree.root, subject=1, out=tmp_path / "out", protocol="nsd-imagery")


@pytest.mark.parametrize(
    ("experiment", "count", "wanted"), [("nsdsynthetic", 743, 744), ("nsdimagery", 719, 720)]
)
def test_another_number_of_betas_is_refused(
    refused, transfer_tree, rewrite_other, experiment, count, wanted
):
    rewrite_other(transfer_tree, experiment, transfer_tree.raw[experiment][..., :count])
    match = f"holds {count} trials, but the design has {wanted}"
    for source in ("hdf5", "nii.gz"):
        refused(ValueError, match, protocol=experiment.replace("nsd", "nsd-"), source=source)


def test_a_missing_part_is_named(refused, transfer_tree):
    root = transfer_tree.root
    for protocol, name in (
        ("nsd-synthetic", "nsddata/experiments/nsdsynthetic/nsdsynthetic_expdesign.mat"),
        ("nsd-synthetic", "nsddata_stimuli/stimuli/nsdsynthetic/nsdsynthetic_stimuli.hdf5"),
        ("nsd-imagery", "nsddata/bdata/nsdimagery/nsdimagery_subj01_imgB_2.tsv"),
        ("nsd-imagery", "nsddata/experiments/nsdimagery/B_pair_list.mat"),
        ("nsd-imagery", "nsddata/experiments/nsdimagery/rawtargetimages/setA/bar_3.png"),
    ):
        hidden = (root / name).rename(root / "hidden")
        refused(FileNotFoundError, f"{name} is missing", protocol=protocol)
        hidden.rename(root / name)


def test_another_subject_has_its_own_colours_and_tables(refused):
    colours = "nsdsynthetic_colorstimuli_subj02.hdf5 is missing"
    refused(FileNotFoundError, colours, subject=2, protocol="nsd-synthetic")
    refused(FileNotFoundError, "nsdimagery_subj02_imgA_1.tsv is missing", subject=2)
    refused(LookupError, "NSD has subjects 1 to 8, not 9", subject=9)


def test_pictures_of_another_number_or_shape_are_refused(refused, transfer_tree):
    screens, chosen = transfer_tree.screens, {"protocol": "nsd-synthetic"}
    transfer_tree.write_screens(screens[:219], screens[219:])
    refused(ValueError, "holds 219 pictures, but nsdsynthetic has 220", **chosen)
    tall = screens.transpose(0, 2, 1, 3)
    transfer_tree.write_screens(tall[:220], tall[220:])
    refused(ValueError, "34 high and 18 wide.*Were height and width exchanged", **chosen)
    folder = transfer_tree.root / "nsddata/experiments/nsdimagery/rawtargetimages/setA"
    Image.new("RGB", (10, 8)).save(folder / "bar_0.png")
    refused(ValueError, "bar_0.png is 10 wide and 8 high, but targets")
    (folder / "bar_0.png").write_bytes(b"no picture")
    refused(ValueError, "bar_0.png cannot be read")


def test_a_table_of_other_trials_is_refused(refused, transfer_tree):
    tree, path = transfer_tree, transfer_tree.table_path("imgA_2")
    right, text = tree.conditions["imgA_2"], path.read_text()
    tree.write_table("imgA_2", right[:47], right[:47])
    refused(ValueError, "has 47 trials, from 1 to 47, but a run has 1 to 48")
    path.write_text("\n".join([text.splitlines()[0], *text.splitlines()[:0:-1]]) + "\n")
    refused(ValueError, "has 48 trials, from 48 to 1, but a run has 1 to 48 in the order shown")
    path.write_text(text.replace("\t", ","))
    refused(ValueError, "has no TRIAL, CONDITION, CUE. Was it converted")
    path.write_text("")
    refused(ValueError, "has no TRIAL, CONDITION, CUE")
    tree.write_table("imgA_2", right, right[1:] + right[:1])
    refused(ValueError, r"condition . and cue ., but .* Is this the table of a vision run\?")
    others = tree.conditions["imgB_2"]
    tree.write_table("imgA_2", others, others)
    refused(ValueError, "each of E, H, L, P, R, V comes 8 times in a run. Is this .* another set")


def test_a_target_that_is_another_image_of_nsd_is_refused(refused, transfer_tree):
    names = [transfer_tree.files[letter] for letter in "WKBCDT"]
    transfer_tree.write_pairs("B", ["shared0385_nsd00001.png", *names[1:]])
    refused(ValueError, "says that it is shared image 385, 73k id 1, but the design of this tree")


def test_a_list_that_is_no_list_of_six_targets_is_refused(refused, transfer_tree):
    path = transfer_tree.root / "nsddata/experiments/nsdimagery/A_pair_list.mat"
    cells = scipy.io.loadmat(path)["pair_list"]
    for rows in ([0, 0, 2, 3, 4, 5], [0, 1, 2, 3, 4]):
        scipy.io.savemat(path, {"pair_list": cells[rows]})
        refused(ValueError, "A set has targets 1 to 6 with a letter each")
    scipy.io.savemat(path, {"other": np.zeros(3)})
    refused(ValueError, "cannot be read as six targets")
    path.write_bytes(b"")
    refused(ValueError, "cannot be read as six targets")


@pytest.mark.parametrize("experiment", ["nsdsynthetic", "nsdimagery"])
@pytest.mark.parametrize("source", ["auto", "nii.gz"])
def test_two_files_of_one_session_that_differ_are_refused(
    refused, transfer_tree, rewrite_volume, experiment, source
):
    folder = f"{experiment}betas_fithrf_GLMdenoise_RR"
    path = transfer_tree.root / f"nsddata_betas/ppdata/subj01/func1pt8mm/{folder}"
    changed = transfer_tree.raw[experiment].copy()
    changed[np.nonzero(transfer_tree.mask)] += 1
    rewrite_volume(path / f"betas_{experiment}.nii.gz", changed)
    protocol = experiment.replace("nsd", "nsd-")
    refused(ValueError, "hold different betas", protocol=protocol, source=source)
