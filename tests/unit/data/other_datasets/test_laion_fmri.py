"""A small subject, written here by the letter of the published descriptions, and its folder."""

import io
import json
import re
import shutil
from typing import NamedTuple

import h5py
import nibabel
import numpy as np
import pytest
from PIL import Image

from mindeye import laion_layout as layout
from mindeye.data.batches import PreparedSubject
from mindeye.data.other_datasets.laion_fmri.prepare import prepare_laion_fmri
from mindeye.data.splits import SPLITS

GRID, TRIALS, SUBJECT, SIDE = (6, 5, 4), 24, 3, 8
AFFINE = np.array([[1.778, 0, 0, -9], [0, 1.778, 0, 4], [0, 0, 1.778, 2], [0, 0, 0, 1]])
OWN = [f"unique_LAION_new_cluster_{number}_i0_p04.jpg" for number in range(20)]
SHARED = ["shared_12rep_LAION_a.jpg", "shared_4rep_OOD_gabor_b.png", "shared_4rep_NSD_c.jpg"]


class Tree(NamedTuple):
    """What was written."""

    root: object
    betas: dict[int, np.ndarray]
    """Session -> (x, y, z, trials)."""
    labels: dict[int, list[str]]
    mask: np.ndarray
    pictures: dict[str, np.ndarray]


def write_volume(path, values, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def write_session(root, session, betas, labels):
    write_volume(root / layout.betas_path(SUBJECT, session), betas)
    rows = [f"ses-{session:02d}\t{1 + n // 12}\t{n}\t{name}" for n, name in enumerate(labels)]
    path = root / layout.trials_path(SUBJECT, session)
    path.write_text("\n".join(["session\trun\tbeta_index\tlabel", *rows, ""]))
    return path


def write_tree(root):
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
        labels[session] = own + (SHARED * 3)[:num_shared]
        generator.shuffle(labels[session])
        write_session(root, session, betas[session], labels[session])
    pictures = {}
    (root / "stimuli").mkdir()
    for name in (*OWN, *SHARED):
        pictures[name] = generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pictures[name]).save(root / "stimuli" / name, format="PNG")
    return Tree(root, betas, labels, mask, pictures)


def prepare(root, out, **options):
    """With enough images for the validation."""
    settings = {"subject": SUBJECT, "validation_share": 0.25} | options
    return prepare_laion_fmri(root, out=out, **settings)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("laion"))


@pytest.fixture
def own(tree, tmp_path):
    """A copy that a test may break."""
    return tree._replace(root=shutil.copytree(tree.root, tmp_path / "own"))


@pytest.fixture(scope="module")
def prepared(tree, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "sub-03"
    return PreparedSubject(prepare(tree.root, out))


def named_trials(prepared, split):
    """(session, run, name, repeat, betas) of every trial."""
    table = prepared.table(split)
    names = [prepared.image_names[image_id] for image_id in table.image_ids.tolist()]
    columns = (table.sessions.tolist(), table.runs.tolist(), names, table.repeats.tolist())
    return list(zip(*columns, table.trials.tolist(), table.betas, strict=True))


def expected_z(tree, session, train_names):
    betas = tree.betas[session][tree.mask].T.astype(np.float64)
    train = betas[[name in train_names for name in tree.labels[session]]]
    return (betas - train.mean(0)) / train.std(0, ddof=1)


def test_every_trial_is_its_z_score_by_the_training_trials_of_its_session(tree, prepared):
    train_names = {entry[2] for entry in named_trials(prepared, "train")}
    found = 0
    for split in SPLITS:
        for session, run, name, _, trial, betas in named_trials(prepared, split):
            row = trial - TRIALS * (session - 1)
            assert tree.labels[session][row] == name
            assert run == 1 + row // 12
            expected = expected_z(tree, session, train_names)[row]
            np.testing.assert_allclose(betas, expected, atol=4e-3)
            found += 1
    assert found == 2 * TRIALS


def test_shared_images_are_the_test_and_no_image_is_in_two_splits(tree, prepared):
    names = {split: {entry[2] for entry in named_trials(prepared, split)} for split in SPLITS}
    assert names["test"] == set(SHARED)
    shown = {name for labels in tree.labels.values() for name in labels}
    assert names["train"] | names["validation"] == shown - set(SHARED)
    assert not names["train"] & names["validation"]
    assert prepared.manifest["protocol"] == "laion-shared"
    assert prepared.manifest["transductive"] == []


def test_repeats_count_earlier_showings_and_fit_their_batch(tree, prepared):
    order = [name for session in (1, 2) for name in tree.labels[session]]
    for split in SPLITS:
        for _, _, name, repeat, trial, _ in named_trials(prepared, split):
            assert repeat == order[:trial].count(name)
    batch = prepared.repeats("test")
    most = max(order.count(name) for name in order)
    assert batch.betas.shape == (3, most, int(tree.mask.sum()))
    assert batch.present.sum() == sum(order.count(name) for name in SHARED)


def test_the_bundle_knows_place_statistics_and_regions(tree, prepared):
    bundle = prepared.bundle
    np.testing.assert_array_equal(bundle.coordinates, np.argwhere(tree.mask))
    np.testing.assert_allclose(bundle.affine, AFFINE, atol=1e-6)
    assert (bundle.shape, bundle.space, bundle.sessions) == (GRID, "T1w", (1, 2))
    train_names = {entry[2] for entry in named_trials(prepared, "train")}
    chosen = [
        tree.betas[session][tree.mask].T[[name in train_names for name in tree.labels[session]]]
        for session in (1, 2)
    ]
    for number, betas in enumerate(chosen):
        np.testing.assert_allclose(bundle.mean[number], betas.mean(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(bundle.std[number], betas.std(0, ddof=1), rtol=1e-4)
    np.testing.assert_allclose(
        bundle.mean_map, np.concatenate(chosen).mean(0), rtol=1e-4, atol=1e-5
    )
    assert set(bundle.label_names) == {"laiongeneral", "V1v", "V1d"}
    areas = bundle.roi_of_voxels()
    assert list(areas) == ["V1"]
    assert areas["V1"].all()
    assert np.isnan(bundle.ncsnr).all()
    assert bundle.units == "percent signal change, shrunk by ridge regression"
    assert prepared.manifest["picture_set"] == prepared.manifest["dataset"] == "laion-fmri"


def test_pictures_are_those_of_their_names(tree, prepared):
    for image_id, picture in zip(prepared.image_ids.tolist(), prepared.images, strict=True):
        small = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX))
        shown = tree.pictures[prepared.image_names[image_id]].astype(float)
        assert np.corrcoef(small.ravel(), shown.ravel())[0, 1] > 0.95


def test_image_ids_do_not_depend_on_the_sessions(tree, prepared, tmp_path):
    alone = PreparedSubject(prepare(tree.root, tmp_path / "one", sessions=[2]))
    assert alone.image_names.items() <= prepared.image_names.items()
    assert set(alone.image_ids_of("validation")) <= set(prepared.image_ids_of("validation"))
    assert {entry[0] for split in SPLITS for entry in named_trials(alone, split)} == {2}


def with_archive(root, folder, pictures, order):
    folder.mkdir()
    with h5py.File(folder / "task-images_stimuli.h5", "w") as file:
        stored = file.create_dataset("images", (len(order),), dtype=h5py.vlen_dtype(np.uint8))
        for row, name in enumerate(order):
            stream = io.BytesIO()
            Image.fromarray(pictures[name]).save(stream, "PNG")
            stored[row] = np.frombuffer(stream.getvalue(), dtype=np.uint8)
    rows = "\n".join(["image_name,dataset", *(f"{name},made up" for name in order), ""])
    (folder / "task-images_metadata.csv").write_text(rows)
    return folder


def test_the_published_archive_gives_the_same_pictures_as_files(tree, prepared, tmp_path):
    folder = with_archive(tree.root, tmp_path / "archive", tree.pictures, [*SHARED, *OWN])
    out = tmp_path / "out"
    again = PreparedSubject(prepare(tree.root, out, stimuli=folder))
    np.testing.assert_array_equal(again.images, prepared.images)
    for split in SPLITS:
        np.testing.assert_array_equal(again.table(split).betas, prepared.table(split).betas)


def test_an_archive_that_lacks_pictures_or_disagrees_with_its_table_is_refused(tree, tmp_path):
    lacking = with_archive(tree.root, tmp_path / "lacking", tree.pictures, SHARED)
    with pytest.raises(FileNotFoundError, match=r"does not name \d+ images that were shown"):
        prepare(tree.root, tmp_path / "out", stimuli=lacking)
    torn = with_archive(tree.root, tmp_path / "torn", tree.pictures, [*SHARED, *OWN])
    with (torn / "task-images_metadata.csv").open("a") as stream:
        stream.write("shared_4rep_more.jpg,made up\n")
    with pytest.raises(ValueError, match=r"holds 23 pictures, but .* has 24 rows"):
        prepare(tree.root, tmp_path / "out", stimuli=torn)
    assert not (tmp_path / "out").exists()


def write_split(root, train, test, name="tau"):
    path = root / "splits" / layout.subject_name(SUBJECT) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"variants": [{"train_ids": train, "test_ids": test}]}))


def test_a_published_split_decides_and_leaves_all_other_images_out(own, tmp_path):
    shown = sorted({name for labels in own.labels.values() for name in labels} - set(SHARED))
    train, test = [*shown[3:], SHARED[0]], [*shown[:2], SHARED[1]]
    write_split(own.root, train, test)
    out = prepare(own.root, tmp_path / "out", split="tau")
    prepared = PreparedSubject(out)
    names = {split: {entry[2] for entry in named_trials(prepared, split)} for split in SPLITS}
    assert names["test"] == set(test)
    assert names["train"] | names["validation"] == set(train)
    assert prepared.manifest["protocol"] == "laion-sub-03/tau"
    assert set(prepared.image_names.values()) == set(train) | set(test)
    table = prepared.table("train")
    row = {trial: position for position, trial in enumerate(table.trials.tolist())}
    session_2 = expected_z(own, 2, names["train"])
    for trial in row:
        if trial >= TRIALS:
            np.testing.assert_allclose(
                table.betas[row[trial]], session_2[trial - TRIALS], atol=4e-3
            )


def test_test_trials_change_training_rows_only_where_the_manifest_says_so(own, tmp_path):
    changed = own.betas[1].copy()
    changed[..., [name in SHARED for name in own.labels[1]]] += 50
    first = {
        scope: prepare(own.root, tmp_path / f"{scope}-1", zscore=scope)
        for scope in ("session-train", "session-all", "train-global", "none")
    }
    write_session(own.root, 1, changed, own.labels[1])
    for scope, path in first.items():
        again = prepare(own.root, tmp_path / f"{scope}-2", zscore=scope)
        before, after = (PreparedSubject(one).table("train").betas for one in (path, again))
        assert np.array_equal(before, after) == (scope != "session-all")
        flags = PreparedSubject(again).manifest["transductive"]
        assert flags == (["zscore:session-all"] if scope == "session-all" else [])


def test_one_scale_for_all_sessions_is_that_of_all_training_trials(tree, tmp_path):
    out = prepare(tree.root, tmp_path / "out", zscore="train-global")
    prepared = PreparedSubject(out)
    train_names = {entry[2] for entry in named_trials(prepared, "train")}
    betas = np.concatenate([tree.betas[session][tree.mask].T for session in (1, 2)])
    rows = [name in train_names for session in (1, 2) for name in tree.labels[session]]
    train = betas[rows].astype(np.float64)
    table = prepared.table("test")
    expected = (betas[table.trials] - train.mean(0)) / train.std(0, ddof=1)
    np.testing.assert_allclose(table.betas, expected, atol=4e-3)


def test_a_voxel_without_numbers_is_zero_in_its_session_and_counted(own, tmp_path):
    betas = own.betas[1].copy()
    voxel = np.argwhere(own.mask)[7]
    betas[(*voxel, 5)] = np.nan
    # 1 % of voxels may be without data: take a region that is large enough.
    everywhere = np.ones(GRID, dtype=np.uint8)
    name = layout.roi_name(SUBJECT, "all")
    write_volume(own.root / layout.roi_folder(SUBJECT) / "laion" / name, everywhere)
    write_session(own.root, 1, betas, own.labels[1])
    out = prepare(own.root, tmp_path / "out", roi="all")
    prepared = PreparedSubject(out)
    column = int(np.ravel_multi_index(tuple(voxel), GRID))
    for split in SPLITS:
        table = prepared.table(split)
        assert (table.betas[table.sessions == 1, column] == 0).all()
        assert (table.betas[table.sessions == 2, column] != 0).any()
        assert np.isfinite(table.betas).all()
    assert prepared.bundle.provenance["unusable_voxels"] == {"1": 1, "2": 0}
    betas[3] = np.nan
    write_session(own.root, 1, betas, own.labels[1])
    with pytest.raises(ValueError, match=r"21 of 120 voxels are constant or not finite"):
        prepare(own.root, tmp_path / "more", roi="all")
    assert not (tmp_path / "more").exists()


def test_trials_without_an_image_are_counted_and_left_out(own, tmp_path, caplog):
    labels = list(own.labels[2])
    labels[4], labels[9] = "blank", ""
    write_session(own.root, 2, own.betas[2], labels)
    out = prepare(own.root, tmp_path / "out")
    prepared = PreparedSubject(out)
    trials = [entry[4] for split in SPLITS for entry in named_trials(prepared, split)]
    assert set(range(2 * TRIALS)) - set(trials) == {TRIALS + 4, TRIALS + 9}
    assert prepared.manifest["unlabelled_trials"] == 2
    assert "2 trials name no image" in caplog.text


def test_the_same_request_returns_at_once_and_other_files_are_refused(own, tmp_path):
    out = tmp_path / "out"
    prepare(own.root, out)
    before = (out / "manifest.json").stat().st_mtime_ns
    prepare(own.root, out)
    assert (out / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"was prepared with roi laiongeneral, not V1v"):
        prepare(own.root, out, roi="V1v")
    write_session(own.root, 1, own.betas[1] * 2, own.labels[1])
    with pytest.raises(ValueError, match=r"SingletrialBetas_statmap.nii.gz differ"):
        prepare(own.root, out)


def remove(layout_path):
    def change(tree):
        (tree.root / layout_path).unlink()

    return change


def cut_betas(tree):
    path = tree.root / layout.betas_path(SUBJECT, 2)
    path.write_bytes(path.read_bytes()[:-500])


def other_grid(tree):
    betas = np.concatenate([tree.betas[2], tree.betas[2][:1]])
    write_session(tree.root, 2, betas, tree.labels[2])


def other_subjects_mask(tree):
    moved = AFFINE.copy()
    moved[1, 3] += 12
    name = layout.roi_name(SUBJECT, "laiongeneral")
    path = tree.root / layout.roi_folder(SUBJECT) / "laion" / name
    write_volume(path, tree.mask.astype(np.uint8), moved)


def fewer_rows(tree):
    write_session(tree.root, 2, tree.betas[2], tree.labels[2][:-1])


def more_rows(tree):
    write_session(tree.root, 2, tree.betas[2], [*tree.labels[2], OWN[0]])


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (remove(layout.betas_path(SUBJECT, 1)), FileNotFoundError, "ses-01_task-images_space-T1w"),
        (remove(layout.trials_path(SUBJECT, 2)), FileNotFoundError, "trials.tsv is missing"),
        (cut_betas, ValueError, "Was it cut off"),
        (fewer_rows, ValueError, "24 volumes, but its table of trials has 23 rows"),
        (more_rows, ValueError, "24 volumes, but its table of trials has 25 rows"),
        (other_grid, ValueError, "has grid (7, 5, 4), but the ROI has (6, 5, 4)"),
        (other_subjects_mask, ValueError, "affine differs from the ROI's by up to 12"),
        (remove("stimuli/" + SHARED[1]), FileNotFoundError, SHARED[1]),
    ],
)
def test_broken_files_are_named_and_nothing_is_left_behind(own, tmp_path, change, kind, said):
    change(own)
    with pytest.raises(kind, match=re.escape(said)):
        prepare(own.root, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_wrong_wishes_are_refused_with_the_choice(tree, own, tmp_path):
    for wish, kind, said in (
        ({"subject": 2}, LookupError, "subjects 1, 3, 5, 6, 7, not 2"),
        ({"sessions": [31]}, LookupError, "sessions 1 to 30, not [31]"),
        ({"sessions": [1, 1]}, ValueError, "name each one once"),
        ({"sessions": [3]}, FileNotFoundError, "ses-03"),
        ({"zscore": "run"}, LookupError, "Unknown z-score scope `run`"),
        ({"split": "ood"}, FileNotFoundError, "splits/sub-03/ood.json is missing"),
        ({"stimuli": tmp_path / "absent"}, FileNotFoundError, "absent is no folder"),
        ({"root": tmp_path}, FileNotFoundError, "holds no mask"),
    ):
        options = {"root": own.root, "out": tmp_path / "out"} | wish
        with pytest.raises(kind, match=re.escape(said)):
            prepare(**options)
    write_split(own.root, OWN, SHARED[:1] + OWN[:1])
    with pytest.raises(ValueError, match=r"1 images stand in train and in test"):
        prepare(own.root, tmp_path / "out", split="tau")
    shutil.rmtree(own.root / layout.glm_folder(SUBJECT))
    with pytest.raises(FileNotFoundError, match=r"and so is every other session"):
        prepare(own.root, tmp_path / "out")


def test_a_split_that_names_unknown_images_is_refused_where_the_table_tells(own, tmp_path):
    write_split(own.root, OWN, [*SHARED, "shared_4rep_nowhere.jpg"])
    folder = with_archive(own.root, tmp_path / "archive", own.pictures, [*SHARED, *OWN])
    with pytest.raises(ValueError, match=r"names 1 images that are not in .*metadata.csv"):
        prepare(own.root, tmp_path / "out", split="tau", stimuli=folder)
