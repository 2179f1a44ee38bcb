import json
from dataclasses import replace

import numpy as np
import pytest

from mindeye.files import load_arrays, save_arrays
from mindeye.reconstruction import picture_folder, pipeline
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.saved_pictures.opening import open_pictures


def test_a_finished_folder_is_opened_and_nothing_drawn_again(
    decoded, artist, tmp_path, monkeypatch, draw
):
    first = draw(decoded, artist, tmp_path / "out")
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    monkeypatch.setattr(pipeline, "draw_block", None)
    again = draw(decoded, artist, tmp_path / "out")
    np.testing.assert_array_equal(first.candidates, again.candidates)
    np.testing.assert_array_equal(first.pictures, load_reconstruction(tmp_path / "out").pictures)
    assert before == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))


def test_a_kill_at_the_very_end_leaves_a_folder_that_the_next_run_cleans(
    decoded, artist, tmp_path, monkeypatch, draw
):
    monkeypatch.setattr(picture_folder, "drop_parts", lambda out: None)
    first = draw(decoded, artist, tmp_path / "out")
    assert (tmp_path / "out" / "UNFINISHED.txt").exists()
    np.testing.assert_array_equal(load_reconstruction(tmp_path / "out").pictures, first.pictures)
    draw(decoded, artist, tmp_path / "out")
    assert not (tmp_path / "out" / "UNFINISHED.txt").exists()
    assert not (tmp_path / "out" / "parts").exists()


def test_an_older_folder_without_tokens_and_choices_is_read(decoded, artist, tmp_path, draw):
    drawn = draw(decoded, artist, tmp_path / "out")
    path = tmp_path / "out" / "reconstructions.safetensors"
    kept = ("image_ids", "candidates", "scores", "blurry")
    save_arrays(path, {name: load_arrays(path)[name] for name in kept})
    older = draw(decoded, artist, tmp_path / "out")
    np.testing.assert_array_equal(older.pictures, drawn.pictures)
    np.testing.assert_array_equal(older.chosen, drawn.chosen)
    assert older.spread is None
    assert older.image_tokens is None
    np.testing.assert_array_equal(
        open_pictures(tmp_path / "out").read(np.arange(5)), drawn.pictures
    )


@pytest.mark.parametrize("content", ["[]", "{}", '{"schema": 1}'])
def test_a_folder_whose_manifest_is_of_something_else_is_refused_and_left_alone(
    decoded, artist, tmp_path, draw, content
):
    path = tmp_path / "out" / "manifest.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ValueError, match="holds something else than reconstructions"):
        draw(decoded, artist, tmp_path / "out")
    assert [one.read_text() for one in path.parent.iterdir()] == [content]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"seed": 1}, "settings.seed: 1 here, 0 there"), ({"steps": 4}, "settings.steps: 4 here, 3")],
)
def test_other_settings_in_the_same_folder_are_refused(
    decoded, artist, tmp_path, changes, message, config, draw
):
    draw(decoded, artist, tmp_path / "out")
    with pytest.raises(ValueError, match=message):
        draw(decoded, artist, tmp_path / "out", replace(config, **changes))


def test_another_run_or_other_images_in_the_same_folder_are_refused(
    decoded, artist, tmp_path, about, draw, rows_of
):
    draw(decoded, artist, tmp_path / "out")
    with pytest.raises(ValueError, match=r"about\.weights: '22bb' here, '11aa' there"):
        draw(decoded, artist, tmp_path / "out", about={**about, "weights": "22bb"})
    with pytest.raises(ValueError, match="image_ids"):
        draw(rows_of(decoded, [0, 1]), artist, tmp_path / "out")


def test_an_older_folder_that_tells_of_no_quirk_is_opened_and_refused_with_one(
    decoded, artist, tmp_path, config, about, draw
):
    first = draw(decoded, artist, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["settings"]["quirks"], manifest["settings"]["sampler"]
    path.write_text(json.dumps(manifest))
    again = draw(decoded, artist, tmp_path / "out", about={**about, "quirks": []})
    np.testing.assert_array_equal(again.pictures, first.pictures)
    with pytest.raises(ValueError, match=r"settings\.quirks: \['shifted_range'\] here, \[\] there"):
        draw(decoded, artist, tmp_path / "out", replace(config, quirks=("shifted_range",)))


def test_a_run_that_has_moved_is_still_the_same_run(decoded, artist, tmp_path, about, draw):
    first = draw(decoded, artist, tmp_path / "out")
    again = draw(decoded, artist, tmp_path / "out", about={**about, "run": "runs/two"})
    np.testing.assert_array_equal(again.pictures, first.pictures)


def test_a_folder_with_something_else_is_refused_and_left_alone(decoded, artist, tmp_path, draw):
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no reconstructions"):
        draw(decoded, artist, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_an_image_that_stands_twice_is_refused(decoded, artist, tmp_path, draw, rows_of):
    with pytest.raises(ValueError, match="stand more than once"):
        draw(rows_of(decoded, [0, 1, 0]), artist, tmp_path / "out")
    assert not (tmp_path / "out").exists()
