"""`mindeye evaluate RECON --images SHOWN`, on what a finished run has drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mindeye.files import load_arrays, read_json, save_arrays
from mindeye.metrics.pixels import pixel_correlation, resize
from mindeye.pictures import as_images
from mindeye.reconstruction.saved_pictures.pairing import PicturesAsked
from mindeye.report.banner import SIMULATED
from mindeye.verbs.evaluation.evaluate_pictures import HowToScore, evaluate_pictures
from mindeye.verbs.saved_results import read_pictures

SHUFFLED, DEALT = "floor: shuffled scans", "chance: pictures dealt at random"


@pytest.fixture
def how(networks):
    return HowToScore(clip=networks.clip)


@pytest.fixture
def scores(tiny_prepared, tmp_path, how):
    """Evaluates pictures against those of the prepared folder."""

    def evaluate(path, out="scores", how=how, **given):
        asked = PicturesAsked(reconstructions=path, **{"images": tiny_prepared, **given})
        return evaluate_pictures(asked, tmp_path / out, how)

    return evaluate


def test_pictures_of_a_run_score_as_without_images_to_the_bit(finished_run, scores, tmp_path):
    """As the folder itself and as its PNGs; the witness is what `evaluate RECON` wrote."""
    folder = finished_run / "reconstructions"
    expected = {}
    for line in (folder / "per_image.tsv").read_text().splitlines()[2:]:
        system, metric, image_id, value = line.split("\t")
        if system == "mindeye":
            expected.setdefault(metric, {})[int(image_id)] = float(value)
    for path, system in ((folder, "mindeye"), (folder / "pictures", "pictures")):
        result = scores(path, out=system)
        assert result.per_image.keys() == {system, SHUFFLED}
        found = {
            metric: dict(zip(result.image_ids.tolist(), values.tolist(), strict=True))
            for metric, values in result.per_image[system].items()
        }
        assert found == expected


def test_what_is_written_tells_all_that_moves_a_number(finished_run, scores, tmp_path, networks):
    scores(finished_run / "reconstructions", how=HowToScore(clip=networks.clip, seed=4))
    content = read_json(tmp_path / "scores" / "evaluation.json")
    assert (content["subject"], content["simulated"]["simulated"]) == (1, True)
    assert content["test_set"]["certainty"] == "checked"
    assert (content["protocol"], content["seed"], content["quirks"]) == ("made up", 4, [])
    assert content["metric_protocol"].startswith("native: ")
    assert content["judges"].keys() == {"clip"}
    assert content["judges"]["clip"].startswith("tiny-clip-")
    assert torch.__version__.startswith(content["versions"]["torch"])
    for name in ("reconstructions", "images"):
        assert len(content["inputs"][name]["sha256"]) == 64
    for name in ("evaluation.tsv", "per_image.tsv"):
        assert (tmp_path / "scores" / name).read_text().startswith(f"# {SIMULATED}\n")
    assert {row["system"] for row in content["rows"]} == {"mindeye", SHUFFLED, DEALT}


def test_a_tensor_of_floats_is_scored_without_rounding(
    finished_run, scores, tmp_path, tiny_prepared
):
    drawn = read_pictures(finished_run / "reconstructions")
    images = as_images(drawn.pictures)
    images = 0.97 * images + 0.02 * torch.rand(images.shape, generator=torch.manual_seed(0))
    order = np.random.default_rng(0).permutation(8)
    torch.save(images[order], tmp_path / "all_recons.pt")
    np.save(tmp_path / "ids.npy", drawn.image_ids[order])
    result = scores(tmp_path / "all_recons.pt", ids=tmp_path / "ids.npy")
    shown = as_images(np.load(tiny_prepared / "images.npy")[-8:])
    expected = pixel_correlation(images, shown)
    np.testing.assert_allclose(result.per_image["all_recons"]["PixCorr"], expected, atol=1e-9)
    assert result.image_ids.tolist() == sorted(drawn.image_ids.tolist())
    assert result.about["inputs"]["reconstructions"]["image_ids"] == drawn.image_ids[order].tolist()


def test_published_metrics_are_taken_by_name(finished_run, scores, how):
    folder = finished_run / "reconstructions"
    ours = scores(folder, out="native")
    theirs = scores(folder, out="published", how=replace(how, compat="mindeye2"))
    assert theirs.about["metric_protocol"].startswith("mindeye2: ")
    assert theirs.about["quirks"] == ["aliased_resizing", "resized_through_256"]
    differences = ours.per_image["mindeye"]["SSIM"] - theirs.per_image["mindeye"]["SSIM"]
    assert np.abs(differences).min() > 1e-4


@pytest.fixture
def save_pictures(tmp_path):
    def save(name, pictures, image_ids):
        path = tmp_path / f"{name}.npz"
        np.savez(path, images=pictures, image_ids=image_ids)
        return path

    return save


def test_shown_images_of_another_size_are_resized_with_a_note(save_pictures, scores, tiny_prepared):
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    result = scores(save_pictures("recons", drawn, np.arange(300, 308)))
    assert "Shown images were resized from 32 to 16 px, antialiased." in result.about["notes"]
    shown = as_images(np.load(tiny_prepared / "images.npy")[-8:])
    shown = (resize(shown, 16, antialias=True) * 255).round() / 255
    expected = pixel_correlation(as_images(drawn), shown)
    np.testing.assert_allclose(result.per_image["recons"]["PixCorr"], expected, atol=1e-6)


def test_pictures_that_no_resizing_can_bring_together_are_refused(save_pictures, scores, tmp_path):
    drawn = np.random.default_rng(0).integers(0, 256, (8, 16, 20, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="are 20 x 16 px and shown images 32 x 32"):
        scores(save_pictures("recons", drawn, np.arange(300, 308)))
    assert not (tmp_path / "scores").exists()


def test_real_pictures_are_judged_by_no_network_that_knows_only_drawn_scenes(
    save_pictures, tmp_path, monkeypatch
):
    monkeypatch.delenv("MINDEYE_NETWORKS", raising=False)
    rng = np.random.default_rng(0)
    paths = [
        save_pictures(name, rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8), np.arange(6))
        for name in ("recons", "shown")
    ]
    asked = PicturesAsked(reconstructions=paths[0], images=paths[1])
    result = evaluate_pictures(asked, tmp_path / "scores", HowToScore())
    assert result.about["judges"] == {}
    assert result.per_image["recons"].keys() == {"PixCorr", "SSIM"}
    assert any("clip-vit-l-14: no folder of networks" in one for one in result.about["notes"])
    assert result.about["simulated"] is None


def test_a_folder_with_other_things_in_it_is_left_alone(finished_run, scores, tmp_path, contents):
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "thesis.tex").write_text("precious")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="is not empty and holds no evaluation"):
        scores(finished_run / "reconstructions")
    assert contents(tmp_path) == before


def test_the_evaluation_of_other_pictures_is_left_alone(finished_run, scores, tmp_path):
    folder = finished_run / "reconstructions"
    scores(folder)
    again = scores(folder)
    assert len(again.image_ids) == 8
    with pytest.raises(ValueError, match="holds the evaluation of other pictures"):
        scores(folder / "blurry")


def test_the_folder_of_the_pictures_themselves_takes_the_scores_where_asked(
    finished_run, tiny_prepared, how
):
    folder = finished_run / "reconstructions" / "pictures"
    asked = PicturesAsked(reconstructions=folder, images=tiny_prepared)
    first = evaluate_pictures(asked, folder, how)
    assert evaluate_pictures(asked, folder, how).rows == first.rows
    assert {"evaluation.json", "00300.png"} <= {path.name for path in folder.iterdir()}


def test_nothing_is_left_behind_where_scoring_fails(finished_run, scores, tmp_path, monkeypatch):
    def fails(*_):
        raise FloatingPointError("the network gave NaN")

    monkeypatch.setattr("mindeye.verbs.evaluation.evaluate_pictures.picture_scores", fails)
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(FloatingPointError):
        scores(finished_run / "reconstructions")
    assert {path.name for path in tmp_path.iterdir()} == before


def test_pictures_of_another_subject_than_the_shown_are_refused(finished_run, scores, change_json):
    folder = finished_run / "reconstructions"
    change_json(folder / "manifest.json", lambda one: one["about"].update(subject=5))
    with pytest.raises(ValueError, match=r"was decoded from subject 5, but .* subject 1"):
        scores(folder)


def test_a_blended_folder_is_scored_by_its_blended_pictures(finished_run, scores, tiny_prepared):
    folder = finished_run / "reconstructions"
    path = folder / "reconstructions.safetensors"
    shape = read_pictures(folder).pictures.shape
    blended = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    save_arrays(path, {**load_arrays(path), "blended": blended})
    result = scores(folder)
    shown = as_images(np.load(tiny_prepared / "images.npy")[-8:])
    expected = pixel_correlation(as_images(read_pictures(folder).pictures), shown)
    np.testing.assert_array_equal(result.per_image["mindeye"]["PixCorr"], expected)
