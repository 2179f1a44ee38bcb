"""nsdsynthetic and nsdimagery of a made-up subject, read with programs that are not ours."""

import csv
import dataclasses

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io
from PIL import Image

from mindeye import nsd_layout as nsd
from mindeye.files import read_json
from mindeye.simulate.new_pictures import extrapolated
from mindeye.simulate.nsd_tree import simulate_nsd_tree
from mindeye.simulate.presets import PRESETS
from mindeye.simulate.scenes import draw_scene, scene_of

CONFIG = dataclasses.replace(PRESETS["tiny"], sessions=1)
SEED = 6
EXPERIMENTS = ("nsdsynthetic", "nsdimagery")
VERSION = "betas_fithrf_GLMdenoise_RR"
FOLDER = "nsddata_betas/ppdata/subj01/func1pt8mm"
TARGETS = "nsddata/experiments/nsdimagery"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("experiments") / "nsd"
    simulate_nsd_tree(root, CONFIG, seed=SEED, experiments=EXPERIMENTS)
    return root


def betas_of(root, experiment):
    image = nibabel.load(root / f"{FOLDER}/{experiment}{VERSION}/betas_{experiment}.nii.gz")
    return np.asarray(image.dataobj)


def files_of(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_the_main_experiment_does_not_change_by_a_bit(root, tmp_path):
    simulate_nsd_tree(tmp_path / "alone", CONFIG, seed=SEED)
    alone, both = files_of(tmp_path / "alone"), files_of(root)
    assert all(both[name] == alone[name] for name in alone if name != "SIMULATED.json")
    added = both.keys() - alone.keys()
    assert added
    assert all("nsdsynthetic" in name or "nsdimagery" in name for name in added)
    said = read_json(root / "SIMULATED.json")
    assert said.pop("experiments") == ["nsdimagery", "nsdsynthetic"]
    assert said == read_json(tmp_path / "alone/SIMULATED.json")


def test_the_same_seed_gives_the_same_bytes_and_another_choice_is_refused(root, tmp_path):
    simulate_nsd_tree(tmp_path / "again", CONFIG, seed=SEED, experiments=EXPERIMENTS[::-1])
    assert files_of(tmp_path / "again") == files_of(root)
    before = files_of(root)
    simulate_nsd_tree(root, CONFIG, seed=SEED, experiments=EXPERIMENTS)
    with pytest.raises(
        ValueError, match=r"and nsdimagery and nsdsynthetic, not preset .* seed 6\."
    ):
        simulate_nsd_tree(root, CONFIG, seed=SEED)
    with pytest.raises(LookupError, match=r"Unknown experiment `nsd`\. Choose nsdsynthetic, nsdim"):
        simulate_nsd_tree(tmp_path / "new", CONFIG, seed=SEED, experiments=["nsd"])
    assert files_of(root) == before
    assert not (tmp_path / "new").exists()


def test_betas_are_as_many_as_nsd_s_in_both_forms(root):
    for experiment, count in (("nsdsynthetic", 744), ("nsdimagery", 720)):
        stored = betas_of(root, experiment)
        assert stored.shape == (12, 14, 12, count)
        assert stored.dtype == np.int16
        path = root / f"{FOLDER}/{experiment}{VERSION}/betas_{experiment}.hdf5"
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["betas"][()].transpose(3, 2, 1, 0), stored)
            assert file["betas"].chunks == (count, 1, 1, 1)


def test_the_design_of_nsdsynthetic_repeats_pictures_as_nsd_s(root):
    design = scipy.io.loadmat(root / "nsddata/experiments/nsdsynthetic/nsdsynthetic_expdesign.mat")
    order = design["masterordering"][0]
    assert (order.min(), order.max()) == (1, 284)
    counts = np.bincount(order)[1:]
    assert np.bincount(counts).tolist() == [0, 0, 236, 0, 32, 0, 0, 0, 8, 0, 8]
    assert design["stimpattern"].shape == (1, 8, 107)
    assert design["stimpattern"].sum((0, 2)).tolist() == [93] * 8


def test_screens_are_scenes_squared_in_the_middle_of_gray(root):
    folder = root / "nsddata_stimuli/stimuli/nsdsynthetic"
    for name, count, first in (
        ("nsdsynthetic_stimuli", 220, 1_000_000),
        ("nsdsynthetic_colorstimuli_subj01", 64, 1_001_220),
    ):
        with h5py.File(folder / f"{name}.hdf5") as file:
            assert file["imgBrick"].shape == (count, 64, 122, 3)
            screen = file["imgBrick"][7]
        scene = draw_scene(scene_of(SEED, first + 7), 64)
        np.testing.assert_allclose(screen[:, 29:93], (scene / 255.0) ** 2 * 255, atol=0.5)
        assert (screen[:, :29] == 63).all()
        assert (screen[:, 93:] == 63).all()


def test_targets_of_set_b_are_shared_images_but_for_one(root):
    shared = scipy.io.loadmat(root / nsd.expdesign_path())["sharedix"][0]
    pairs = scipy.io.loadmat(root / f"{TARGETS}/B_pair_list.mat", squeeze_me=True)["pair_list"]
    assert pairs.shape == (6, 3)
    files = [str(file) for file in pairs[:, 1]]
    assert files[5] == "shared0000_nsd00000.png"
    with h5py.File(root / nsd.stimuli_path()) as stimuli:
        for file in files[:5]:
            place, number = int(file[6:10]), int(file[14:19])
            assert shared[place - 1] == number
            picture = np.asarray(Image.open(root / f"{TARGETS}/rawtargetimages/setB/{file}"))
            np.testing.assert_array_equal(picture, stimuli["imgBrick"][number - 1])


def test_tables_show_each_target_eight_times_with_false_cues_in_vision_alone(root):
    for run, false_cues in (("visA", 24), ("attB", 24), ("imgC_1", 0), ("imgB_2", 0)):
        path = root / f"nsddata/bdata/nsdimagery/nsdimagery_subj01_{run}.tsv"
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        assert [int(row["TRIAL"]) for row in rows] == [*range(1, 49)]
        conditions = [row["CONDITION"] for row in rows]
        assert sorted(map(conditions.count, set(conditions))) == [8] * 6
        assert sum(row["CUE"] != row["CONDITION"] for row in rows) == false_cues


def test_what_is_seen_answers_more_than_what_is_imagined_and_attention_nothing(root):
    """Variance of the means over repeats, beyond what noise alone gives, in voxels of V1."""
    v1 = np.isin(np.asarray(nibabel.load(root / nsd.roi_path(1, "prf-visualrois")).dataobj), (1, 2))
    stored = betas_of(root, "nsdimagery")[v1].astype(np.float64)

    def signal(run: str, first: int, step: int) -> float:
        path = root / f"nsddata/bdata/nsdimagery/nsdimagery_subj01_{run}.tsv"
        with path.open(newline="") as stream:
            letters = np.array([row["CONDITION"] for row in csv.DictReader(stream, delimiter="\t")])
        trials = stored[:, first : first + 48 * step : step]
        trials = trials / trials.std(1, keepdims=True)
        groups = [trials[:, letters == letter] for letter in sorted(set(letters))]
        between = np.stack([one.mean(1) for one in groups]).var(0, ddof=1)
        within = np.mean([one.var(1, ddof=1) for one in groups], axis=0)
        return float((between - within / 8).mean())

    vision = np.mean([signal("visA", 0, 1), signal("visB", 192, 1)])
    imagined = {"imgA_1": 144, "imgB_1": 336, "imgA_2": 576, "imgB_2": 624}
    imagery = np.mean([signal(run, first, 1) for run, first in imagined.items()])
    attention = np.mean([signal("attA", 48, 2), signal("attB", 240, 2)])
    assert vision > 0.08
    # Half of the answer is a quarter of its variance.
    assert 0.15 < imagery / vision < 0.45
    assert abs(attention) < 0.02


def test_new_answers_follow_the_weights_that_made_the_known_ones():
    generator = np.random.default_rng(2)
    features = np.c_[np.ones(90), generator.normal(size=(90, 4))]
    look = generator.normal(size=(90, 3)) + features[:, 1:4]
    visual = np.array([True, False, True, False, True])
    weights, slopes = generator.normal(size=(5, 5)), np.array([2.0, -1.0, 0.5])
    signal = features @ weights
    signal[:, visual] += look * slopes
    new = extrapolated(signal[:70], features, look, visual)
    np.testing.assert_allclose(new, signal[70:], atol=1e-8)
