"""Published metrics: asked for by the run or the call, and what they change."""

from dataclasses import replace

import numpy as np
import pytest

from mindeye.files import read_json
from mindeye.metrics.pixels import PUBLISHED, pixel_correlation
from mindeye.metrics.protocols import EVALUATION_QUIRKS
from mindeye.pictures import as_images
from mindeye.quirks import Quirks
from mindeye.reconstruction.opening import open_artist, open_run
from mindeye.targets.clip import load_clip
from mindeye.verbs.evaluation.evaluate import evaluate_folder, scoring_clip, shown_pictures
from mindeye.verbs.evaluation.pictures_beside import pictures_at
from mindeye.verbs.saved_results import read_pictures

# Of the quirks of a run, one that changes nothing but how it is scored.
RESIZED = {"resized_through_256": True}


def test_without_quirks_the_protocol_is_written_down_as_ours(finished_run):
    content = read_json(finished_run / "reconstructions" / "evaluation.json")
    assert content["metrics"] == "native size"
    assert content["quirks"] == []


@pytest.mark.parametrize("by_run", [True, False])
def test_published_metrics_come_from_the_run_or_the_call(finished_run, change_json, by_run):
    folder = finished_run / "reconstructions"
    if by_run:
        change_json(finished_run / "provenance.json", lambda one: one.update(quirks=RESIZED))
    quirks = Quirks(**RESIZED) if by_run else Quirks(compat="mindeye1")
    compat = None if by_run else "mindeye1"
    result = evaluate_folder(folder, run_path=finished_run, compat=compat)
    content = read_json(folder / "evaluation.json")
    chain = replace(PUBLISHED, antialias=by_run)
    assert content["metrics"] == result.about["metrics"] == chain.describe()
    assert content["quirks"] == [one for one in quirks.switched_on() if one in EVALUATION_QUIRKS]
    # Second witness: the metric on both pictures as they are stored, through the chain.
    run = open_run(finished_run, subject=1)
    drawn = as_images(read_pictures(folder).pictures)
    shown = as_images(shown_pictures(run, result.image_ids, None))
    expected = pixel_correlation(drawn, shown, chain)
    np.testing.assert_array_equal(result.per_image["mindeye"]["PixCorr"], expected)
    before = pixel_correlation(drawn, shown)
    assert (expected - before).abs().max() > 1e-4


def test_settings_stand_above_the_system_and_the_system_above_the_run(finished_run, change_json):
    change_json(finished_run / "provenance.json", lambda one: one.update(quirks=RESIZED))
    folder = finished_run / "reconstructions"
    settings = ("ssim_by_columns=on",)
    first = evaluate_folder(folder, run_path=finished_run, compat="none")
    second = evaluate_folder(folder, run_path=finished_run, compat="none", quirk_settings=settings)
    assert first.about["quirks"] == []
    assert second.about["quirks"] == ["ssim_by_columns"]
    scores = [one.per_image["mindeye"] for one in (first, second)]
    np.testing.assert_array_equal(scores[0]["PixCorr"], scores[1]["PixCorr"])
    assert np.abs(scores[0]["SSIM"] - scores[1]["SSIM"]).min() > 1e-4


def test_a_quirk_that_does_not_exist_is_refused_and_nothing_is_written(finished_run, contents):
    before = contents(finished_run)
    with pytest.raises(LookupError, match="Unknown quirk `blurred`"):
        evaluate_folder(
            finished_run / "reconstructions",
            run_path=finished_run,
            quirk_settings=["blurred=on"],
        )
    assert contents(finished_run) == before


def test_a_quirk_that_changes_no_score_is_refused_and_nothing_is_written(finished_run, contents):
    before = contents(finished_run)
    with pytest.raises(ValueError, match="`flipped_targets` changes nothing in this verb"):
        evaluate_folder(
            finished_run / "reconstructions",
            run_path=finished_run,
            quirk_settings=["flipped_targets=on"],
        )
    assert contents(finished_run) == before


@pytest.mark.parametrize("washed_out", [True, False])
@pytest.mark.parametrize("aliased", [True, False])
def test_the_clip_that_identifies_is_never_washed_out(finished_run, networks, washed_out, aliased):
    run = open_run(finished_run, subject=1)
    learned = load_clip(networks.clip, washed_out=washed_out)
    artist = replace(open_artist(run), clip=learned)
    found = scoring_clip(artist, run, Quirks(aliased_resizing=aliased).resolved())
    assert (found.washed_out, found.antialias) == (False, not aliased)
    assert found.identity == load_clip(networks.clip, antialias=not aliased).identity
    assert (found is learned) == (not washed_out and not aliased)


@pytest.mark.parametrize(("compat", "side"), [("none", 32), ("mindeye2", None)])
def test_only_a_chain_takes_shown_pictures_as_they_are_stored(
    finished_run, monkeypatch, compat, side
):
    sides = []

    def recorded(prepared, image_ids, side):
        sides.append(side)
        return pictures_at(prepared, image_ids, side)

    monkeypatch.setattr("mindeye.verbs.evaluation.pictures_beside.pictures_at", recorded)
    evaluate_folder(finished_run / "reconstructions", run_path=finished_run, compat=compat)
    assert sides == [side, side]  # what was shown, and the nearest training images
