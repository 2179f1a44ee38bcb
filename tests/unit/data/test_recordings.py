import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.data.bundle import VoxelBundle
from mindeye.data.folds import BY_FIGURE, BY_GROUP, folds_of, prepare_fold
from mindeye.data.recordings import (
    FACTS,
    FOLDER_VARIABLE,
    drawn_figures,
    patch_contrasts,
    read_recording,
)

NAME = "miyawaki2008-figures"
SESSIONS, FIGURES, VOXELS = 3, 5, 11


@pytest.fixture
def arrays():
    """Two presentations of every figure in every session."""
    generator = np.random.default_rng(0)
    image_ids = np.concatenate(
        [generator.permutation(FIGURES) for _ in range(2 * SESSIONS)]
    ).astype(np.uint8)
    figures = (generator.random((FIGURES, 10, 10)) < 0.4).astype(np.uint8)
    sessions = np.repeat(np.arange(21, 21 + SESSIONS), 2 * FIGURES).astype(np.int16)
    betas = generator.normal(3.0, 2.0, (len(image_ids), VOXELS)).astype(np.float32)
    return {
        "fmri": betas,
        "stim10": figures[image_ids],
        "session": sessions,
        "stim_id": image_ids,
    }


@pytest.fixture
def write(tmp_path):
    def write_arrays(arrays):
        path = tmp_path / "data" / FACTS[NAME].file
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **arrays)
        return tmp_path / "data"

    return write_arrays


@pytest.fixture
def recording(arrays, write):
    return read_recording(NAME, write(arrays))


def test_trials_and_figures_are_those_of_the_file(recording, arrays):
    np.testing.assert_array_equal(recording.betas, arrays["fmri"])
    np.testing.assert_array_equal(recording.figures[recording.image_ids], arrays["stim10"])
    np.testing.assert_array_equal(recording.groups, arrays["session"])


def test_repeats_count_the_earlier_presentations_of_a_figure(recording):
    for figure in range(FIGURES):
        repeats = recording.repeats[recording.image_ids == figure]
        np.testing.assert_array_equal(repeats, np.arange(2 * SESSIONS))


def test_patch_contrasts_undo_the_drawing(recording):
    pictures = drawn_figures(recording.figures)
    assert pictures.shape == (FIGURES, 128, 128, 3)
    assert pictures.dtype == np.uint8
    np.testing.assert_allclose(
        patch_contrasts(pictures), recording.figures.reshape(FIGURES, -1), atol=1e-12
    )


def test_the_folder_comes_from_the_environment(arrays, write, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(write(arrays)))
    assert len(read_recording(NAME).betas) == len(arrays["fmri"])


def test_an_unset_variable_is_named(monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    with pytest.raises(FileNotFoundError, match=rf"{FOLDER_VARIABLE} is not set\. Point it at"):
        read_recording(NAME)


def test_a_missing_file_is_named_with_its_origin(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"letters_120\.npz is missing\. Fetch .*LDM"):
        read_recording(NAME, tmp_path)


def test_an_unknown_recording_names_the_known_ones(tmp_path):
    with pytest.raises(LookupError, match=f"no recording `dreams` here.*{NAME}"):
        read_recording("dreams", tmp_path)


@pytest.mark.parametrize("kept", [0, 60, 2000])
def test_a_truncated_file_is_refused(arrays, write, kept):
    folder = write(arrays)
    path = folder / FACTS[NAME].file
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"cannot be read .* Was it cut off\?"):
        read_recording(NAME, folder)


def test_a_pickle_is_never_loaded(arrays, write):
    folder = write({**arrays, "session": np.array([{}] * len(arrays["session"]), dtype=object)})
    with pytest.raises(ValueError, match="cannot be read"):
        read_recording(NAME, folder)


def test_a_missing_array_is_named(arrays, write):
    del arrays["stim10"]
    with pytest.raises(ValueError, match="`stim10` has shape None"):
        read_recording(NAME, write(arrays))


def test_other_trial_counts_are_refused(arrays, write):
    with pytest.raises(ValueError, match=r"trials differ in number .*'session': 5"):
        read_recording(NAME, write({**arrays, "session": arrays["session"][:5]}))


def test_figures_that_contradict_their_numbers_are_refused(arrays, write):
    arrays["stim10"][3] = 1 - arrays["stim10"][3]
    with pytest.raises(ValueError, match="contradict each other"):
        read_recording(NAME, write(arrays))


def test_non_finite_betas_are_refused(arrays, write):
    arrays["fmri"][2, 3] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity"):
        read_recording(NAME, write(arrays))


@pytest.mark.parametrize(("by", "count"), [(BY_GROUP, SESSIONS), (BY_FIGURE, 5)])
def test_every_trial_is_tested_once_and_never_with_its_group_in_training(recording, by, count):
    folds = folds_of(recording, by)
    assert len(folds) == count
    tested = sum(fold.test_trials(recording).astype(int) for fold in folds)
    np.testing.assert_array_equal(tested, 1)
    labels = recording.groups if by == BY_GROUP else recording.image_ids
    for fold in folds:
        is_test = fold.test_trials(recording)
        assert not set(labels[is_test]) & set(labels[~is_test])


@pytest.mark.parametrize("by", [BY_GROUP, BY_FIGURE])
def test_a_fold_is_a_prepared_folder_scaled_by_its_training_trials_alone(recording, tmp_path, by):
    fold = folds_of(recording, by)[1]
    prepared = PreparedSubject(prepare_fold(recording, fold, tmp_path / "fold", seed=0))
    prepared.verify()
    is_test = fold.test_trials(recording)
    train, test = prepared.table("train"), prepared.table("test")
    assert len(prepared.table("validation").trials) == 0
    np.testing.assert_array_equal(test.trials, np.flatnonzero(is_test))
    np.testing.assert_array_equal(train.trials, np.flatnonzero(~is_test))
    np.testing.assert_allclose(train.betas.astype(np.float64).mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(train.betas.astype(np.float64).std(0, ddof=1), 1, atol=1e-3)
    mean, std = recording.betas[~is_test].mean(0), recording.betas[~is_test].std(0, ddof=1)
    np.testing.assert_allclose(test.betas, (recording.betas[is_test] - mean) / std, atol=5e-3)
    np.testing.assert_array_equal(prepared.images, drawn_figures(recording.figures))


def test_held_out_trials_do_not_move_the_training_trials(recording, arrays, write, tmp_path):
    fold = folds_of(recording, BY_GROUP)[0]
    first = PreparedSubject(prepare_fold(recording, fold, tmp_path / "first", seed=0))
    arrays["fmri"][fold.test_trials(recording)] += 50
    other = read_recording(NAME, write(arrays))
    second = PreparedSubject(prepare_fold(other, fold, tmp_path / "second", seed=0))
    np.testing.assert_array_equal(first.table("train").betas, second.table("train").betas)


def test_all_repeats_of_a_figure_come_back(recording, tmp_path):
    fold = folds_of(recording, BY_GROUP)[0]
    prepared = PreparedSubject(prepare_fold(recording, fold, tmp_path / "fold", seed=0))
    train, test = prepared.repeats("train"), prepared.repeats("test")
    assert train.betas.shape == (FIGURES, 2 * SESSIONS, VOXELS)
    assert train.present.sum() == 2 * FIGURES * (SESSIONS - 1)
    assert test.present.sum() == 2 * FIGURES


def test_voxels_without_coordinates_say_so_and_keep_their_identity(recording, tmp_path):
    folds = folds_of(recording, BY_GROUP)
    bundles = []
    for number, fold in enumerate(folds[:2]):
        bundle = PreparedSubject(
            prepare_fold(recording, fold, tmp_path / str(number), seed=0)
        ).bundle
        bundle.save(tmp_path / f"copy-{number}")
        assert not (tmp_path / f"copy-{number}" / "mask.nii.gz").exists()
        bundles.append(VoxelBundle.load(tmp_path / f"copy-{number}"))
    bundles[0].check_same(bundles[1])
    assert bundles[0].voxel_hash == bundles[1].voxel_hash
    assert bundles[0].num_voxels == VOXELS
    assert not bundles[0].roi_of_voxels()
    with pytest.raises(ValueError, match="have no coordinates"):
        bundles[0].mask()


def test_a_fold_is_written_once_and_another_one_is_refused_there(recording, tmp_path):
    folds = folds_of(recording, BY_GROUP)
    path = prepare_fold(recording, folds[0], tmp_path / "fold", seed=0)
    written = (path / "manifest.json").stat().st_mtime_ns
    assert prepare_fold(recording, folds[0], path, seed=0) == path
    assert (path / "manifest.json").stat().st_mtime_ns == written
    with pytest.raises(ValueError, match="was prepared with protocol"):
        prepare_fold(recording, folds[1], path, seed=0)
