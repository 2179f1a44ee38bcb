"""`mindeye evaluate --brain`: brain correlation of what a finished run has drawn."""

import shutil

import numpy as np
import pytest

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.metrics.brain_correlation import brain_correlation, train_encoding
from mindeye.pictures import as_images
from mindeye.reconstruction.saved_pictures.pairing import PicturesAsked
from mindeye.targets.clip import load_clip
from mindeye.verbs.evaluation import brain_part
from mindeye.verbs.evaluation.evaluate import SHUFFLED, evaluate_folder
from mindeye.verbs.evaluation.evaluate_pictures import HowToScore, evaluate_pictures
from mindeye.verbs.evaluation.further_metrics import FurtherAsked
from mindeye.verbs.saved_results import read_pictures

IDS = np.arange(300, 308)
V1 = "brain correlation (V1)"


def test_brain_correlation_is_that_of_a_ridge_of_the_training_images(
    finished_run, regions, tiny_prepared, networks
):
    folder = finished_run / "reconstructions"
    result = evaluate_folder(folder, run_path=finished_run, further=FurtherAsked(brain=True))
    prepared, clip = PreparedSubject(tiny_prepared), load_clip(networks.clip)

    def seen(pictures):
        return clip.tokens(as_images(np.array(pictures)))[:, 0].detach().numpy()

    train, test = prepared.repeats("train"), prepared.repeats("test")
    ids = train.image_ids.numpy()
    features = seen(prepared.images[prepared.rows_of(ids)])
    model = train_encoding(features, train.mean().numpy(), ids)
    known = (test.mean().numpy(), IDS, {"V1": regions["V1"]})
    drawn = read_pictures(folder)
    order = np.argsort(drawn.image_ids)
    for system, pictures in (
        ("mindeye", drawn.pictures[order]),
        (brain_part.SHOWN, prepared.images[prepared.rows_of(IDS)]),
    ):
        expected = brain_correlation(model, seen(pictures), *known)[V1]
        found = result.per_image[system][V1][np.argsort(result.image_ids)]
        np.testing.assert_allclose(found, expected, atol=1e-4)
    (row,) = (row for row in result.rows if (row.system, row.metric) == ("mindeye", V1))
    assert (row.chance, row.better, row.n) == (0.0, "higher", 8)
    assert row.low < row.value < row.high
    assert {V1, "brain correlation (all voxels)"} <= result.per_image[SHUFFLED].keys()
    assert "brain correlation (hV4)" not in result.per_image["mindeye"]


def test_pictures_of_any_origin_have_the_same_brain_correlation(
    finished_run, regions, tiny_prepared, networks, tmp_path
):
    folder, further = finished_run / "reconstructions", FurtherAsked(brain=True)
    ours = evaluate_folder(folder, run_path=finished_run, further=further)
    asked = PicturesAsked(reconstructions=folder, images=tiny_prepared, data=tiny_prepared)
    how = HowToScore(clip=networks.clip, further=further)
    found = evaluate_pictures(asked, tmp_path / "scores", how)
    order = np.argsort(ours.image_ids)
    np.testing.assert_allclose(
        found.per_image["mindeye"][V1], ours.per_image["mindeye"][V1][order], atol=1e-5
    )


def test_without_betas_they_are_asked_for(finished_run, networks, tmp_path):
    pictures = finished_run / "reconstructions" / "pictures"
    asked = PicturesAsked(reconstructions=pictures, images=pictures)
    how = HowToScore(clip=networks.clip, further=FurtherAsked(brain=True))
    with pytest.raises(ValueError, match="--brain needs the measured betas"):
        evaluate_pictures(asked, tmp_path / "scores", how)
    assert not (tmp_path / "scores").exists()


def test_betas_of_another_person_are_refused(
    finished_run, tiny_prepared, networks, tmp_path, change_json
):
    other = shutil.copytree(tiny_prepared, tmp_path / "other")
    change_json(other / "manifest.json", lambda content: content.update(subject=2))
    pictures = finished_run / "reconstructions" / "pictures"
    asked = PicturesAsked(reconstructions=pictures, images=tiny_prepared, data=other)
    how = HowToScore(clip=networks.clip, further=FurtherAsked(brain=True))
    with pytest.raises(ValueError, match="betas of subject 2, but the pictures are of subject 1"):
        evaluate_pictures(asked, tmp_path / "scores", how)
    assert not (tmp_path / "scores").exists()


def test_a_subject_without_region_labels_is_refused_and_nothing_is_written(
    finished_run, contents, capsys
):
    before = contents(finished_run)
    folder = str(finished_run / "reconstructions")
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", folder, "--run", str(finished_run), "--brain"])
    assert caught.value.code == 2
    assert "has no region of 10 voxels or more" in capsys.readouterr().err
    assert contents(finished_run) == before


def test_images_that_are_no_test_images_have_no_betas(tiny_prepared, regions):
    prepared = PreparedSubject(tiny_prepared)
    with pytest.raises(LookupError, match="are test images of"):
        brain_part.measured_brain(prepared, prepared, np.array([300, 999]))
    with pytest.raises(ValueError, match=r"2 of these images are training images .*\[100, 101\]"):
        brain_part.measured_brain(prepared, prepared, np.array([100, 101]))


def test_brain_correlation_without_a_clip_says_which_to_give():
    with pytest.raises(ValueError, match="needs a CLIP that sees the pictures"):
        brain_part.judge_of({})
