"""Sheets of validation images during training: comparable, honest, and without any effect."""

import functools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mindeye.training.choosing import WeightsChoice
from mindeye.training.loop import train
from mindeye.verbs.training import sample_sheets
from mindeye.verbs.training.sample_sheets import SampleSettings, SampleSheets, reduced


@pytest.fixture
def tiny_generator(networks, monkeypatch):
    """The generator of the tests, which draws the tokens of the tests' CLIP."""
    tiny = functools.partial(sample_sheets.load_scenes_generator, folder=networks.generator)
    monkeypatch.setattr(sample_sheets, "load_scenes_generator", tiny)


@pytest.fixture
def sheets(tiny_generator):
    """Settings -> a watcher, and what it showed: title and step."""

    def of(**settings):
        shown = []
        watcher = SampleSheets(
            SampleSettings(**settings), lambda title, sheet, step: shown.append((title, step))
        )
        return watcher, shown

    return of


def files_of(run) -> dict[str, np.ndarray]:
    return {
        path.name: np.asarray(Image.open(path)) for path in sorted((run.path / "samples").iterdir())
    }


def test_samples_change_no_bit_of_the_training(tiny_experiment, sheets, tmp_path):
    alone = train(tiny_experiment, tmp_path / "alone")
    watched = train(tiny_experiment, tmp_path / "run", watchers=[sheets(images=3, every=1)[0]])
    assert watched.weights_path.read_bytes() == alone.weights_path.read_bytes()
    assert (watched.path / "log.jsonl").read_bytes() == (alone.path / "log.jsonl").read_bytes()


def test_every_second_epoch_and_the_last_have_a_sheet_which_is_shown(
    tiny_experiment, sheets, tmp_path
):
    watcher, shown = sheets(images=2, every=3)
    run = train(tiny_experiment, tmp_path / "run", watchers=[watcher])
    assert list(files_of(run)) == ["epoch_003.png", "epoch_004.png"]
    assert shown == [("samples", 8), ("samples", 11)]


def test_the_epoch_in_which_patience_runs_out_has_a_sheet(
    tiny_experiment, sheets, tmp_path, monkeypatch
):
    monkeypatch.setattr(WeightsChoice, "ends", lambda self, step: step == 5)
    watcher, shown = sheets(images=2, every=3)
    run = train(tiny_experiment, tmp_path / "run", watchers=[watcher])
    assert run.read_log()[-1]["step"] == 5
    assert list(files_of(run)) == ["epoch_002.png"]
    assert shown == [("samples", 5)]


def test_a_sheet_holds_what_was_seen_and_what_is_drawn_of_validation_images(
    tiny_experiment, sheets, tmp_path
):
    watcher, _ = sheets(images=4)
    run = train(tiny_experiment, tmp_path / "run", watchers=[watcher])
    (sheet,) = files_of(run).values()
    assert set(watcher.scans.image_ids.tolist()) < set(range(200, 206))
    assert watcher.simulated
    drawn = watcher._drawn()
    assert list(drawn) == ["blurry", "reconstruction"]
    for pictures in (watcher.seen, *drawn.values()):
        for picture in pictures:
            found = np.lib.stride_tricks.sliding_window_view(sheet, picture.shape)[..., 0, :, :, :]
            assert (found == picture).all((-3, -2, -1)).any()


def test_the_noise_of_an_image_is_the_same_at_each_drawing(tiny_experiment, sheets, tmp_path):
    few, more = sheets(images=2)[0], sheets(images=6)[0]
    train(tiny_experiment, tmp_path / "run", watchers=[few, more])
    first, again, all_six = few._drawn(), few._drawn(), more._drawn()
    np.testing.assert_array_equal(first["reconstruction"], again["reconstruction"])
    rows = np.searchsorted(more.scans.image_ids.numpy(), few.scans.image_ids.numpy())
    difference = all_six["reconstruction"][rows].astype(int) - first["reconstruction"]
    assert abs(difference).max() <= 1


def test_another_clip_than_the_generators_leaves_the_blurry_pictures(tiny_experiment, tmp_path):
    watcher = SampleSheets(SampleSettings(images=2), lambda *shown: None)
    short = replace(tiny_experiment, schedule=replace(tiny_experiment.schedule, num_epochs=1))
    run = train(short, tmp_path / "run", watchers=[watcher])
    assert list(watcher._drawn()) == ["blurry"]
    assert list(files_of(run)) == ["epoch_001.png"]
    blind = replace(short, decoder=replace(short.decoder, low_level=None))
    with pytest.raises(ValueError, match=r"There is nothing to show: .* does not draw tokens of"):
        train(blind, tmp_path / "blind", watchers=[watcher])


def test_more_samples_than_validation_images_and_none_are_refused(
    tiny_experiment, sheets, tmp_path
):
    with pytest.raises(ValueError, match="7 sample images asked for, but subject 1 has 6"):
        train(tiny_experiment, tmp_path / "run", watchers=[sheets(images=7)[0]])
    assert not (tmp_path / "run").exists()
    for wrong in ({"images": 0}, {"images": 3, "every": 0}):
        with pytest.raises(ValueError, match="Choose 1 or more of both"):
            SampleSettings(**wrong)


def test_large_pictures_are_reduced_and_small_ones_stay():
    large = np.full((2, 425, 425, 3), 77, np.uint8)
    assert reduced(large).shape == (2, 256, 256, 3)
    small = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    np.testing.assert_array_equal(reduced(small), small)


def test_weights_that_lie_in_several_processes_draw_no_samples():
    state = SimpleNamespace(is_sharded=True, accelerator=SimpleNamespace(num_processes=2))
    sheets = SampleSheets(SampleSettings(images=2, every=1), show=lambda *_: None)
    with pytest.raises(ValueError, match=r"lie in 2 processes.* Leave --samples out"):
        sheets.begins.__wrapped__(sheets, state, 0)
