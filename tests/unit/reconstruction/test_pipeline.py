import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mindeye.disk import UnwrittenError
from mindeye.files import load_arrays, save_arrays
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images
from mindeye.reconstruction import picture_parts, pipeline
from mindeye.reconstruction.candidate_noise import candidate_generators, candidate_seed, noises
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.pipeline import draw_block, reconstruct
from mindeye.reconstruction.saved_pictures.opening import open_pictures
from mindeye.reconstruction.settings import SELECTIONS


def stop(*given):
    raise KeyboardInterrupt


def test_memory_that_ran_out_in_one_block_is_not_asked_for_in_the_next(
    decoded, artist, tmp_path, small_blocks, config, about, sampled
):
    asked = []

    def tight(brain_tokens, noises):
        asked.append(len(brain_tokens))
        if len(brain_tokens) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return sampled(brain_tokens, noises)

    with pytest.warns(UserWarning, match="no room to draw 4 pictures at once"):
        reconstruct(decoded, artist, config, tmp_path / "out", sample_tokens=tight, about=about)
    assert asked == [4, 2, 2, 2, 2, 2]


def test_the_chosen_picture_has_the_highest_score(decoded, artist, tmp_path, draw):
    drawn = draw(decoded, artist, tmp_path / "out")
    assert drawn.image_ids.tolist() == decoded.image_ids.tolist()
    assert drawn.candidates.shape == (5, 2, 32, 32, 3)
    for row, chosen in enumerate(drawn.scores.argmax(1)):
        np.testing.assert_array_equal(drawn.pictures[row], drawn.candidates[row, chosen])


def test_every_choice_is_recorded_with_its_seed(decoded, artist, tmp_path, about, draw):
    out = tmp_path / "out"
    drawn = draw(decoded, artist, out)
    choices = [json.loads(line) for line in (out / "choices.jsonl").read_text().splitlines()]
    assert len(choices) == 10
    for choice in choices:
        row = drawn.image_ids.tolist().index(choice["image_id"])
        assert choice["score"] == pytest.approx(drawn.scores[row, choice["candidate"]])
        assert choice["chosen"] == (choice["candidate"] == drawn.scores[row].argmax())
        assert choice["seed"] == candidate_seed(0, choice["image_id"], choice["candidate"])
        assert (choice["generator"], choice["selection"]) == (
            artist.generator.identity,
            "second-order",
        )
        assert choice["spread"] == pytest.approx(drawn.spread[row])
        assert list(choice["seconds"]) == ["blurry", "prior", "generator", "scoring"]
        assert all(value > 0 for value in choice["seconds"].values())
    for row, image_id in enumerate(drawn.image_ids):
        saved = np.asarray(Image.open(out / "pictures" / f"{image_id:05d}.png"))
        np.testing.assert_array_equal(saved, drawn.pictures[row])
    assert json.loads((out / "manifest.json").read_text())["about"] == about


def test_a_rerun_draws_only_what_is_missing(
    decoded, artist, tmp_path, monkeypatch, small_blocks, draw
):
    whole = draw(decoded, artist, tmp_path / "whole")
    drawn = []

    def counting(part, *arguments):
        drawn.append(part.image_ids.tolist())
        return draw_block(part, *arguments)

    monkeypatch.setattr(pipeline, "draw_block", counting)

    def cut(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw(decoded, artist, tmp_path / "out", progress=cut)
    state = r"holds a half-done reconstruction: 4 of 5 images are drawn\."
    assert re.search(state, (tmp_path / "out" / "UNFINISHED.txt").read_text())
    for read in (load_reconstruction, open_pictures):
        with pytest.raises(FileNotFoundError, match=state):
            read(tmp_path / "out")
    resumed = draw(decoded, artist, tmp_path / "out")
    assert drawn == [[7, 9], [20, 31], [72_999]]
    np.testing.assert_array_equal(resumed.candidates, whole.candidates)
    np.testing.assert_array_equal(resumed.scores, whole.scores)
    assert not (tmp_path / "out" / "UNFINISHED.txt").exists()


def test_what_was_stopped_between_two_images_of_a_block_ends_in_the_same_bytes(
    decoded, artist, tmp_path, monkeypatch, draw
):
    draw(decoded, artist, tmp_path / "whole")
    out, saved = tmp_path / "out", []

    def full(path, arrays):
        if len(saved) == 3:
            raise UnwrittenError(path, "No space left on device")
        saved.append(path)
        save_arrays(path, arrays)

    monkeypatch.setattr(picture_parts, "save_arrays", full)
    with pytest.raises(UnwrittenError, match="make room and run the same command again"):
        draw(decoded, artist, out)
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError, match="3 of 5 images are drawn"):
        load_reconstruction(out)
    first = saved[0].stat()
    monkeypatch.setattr(pipeline, "finish_folder", stop)
    with pytest.raises(KeyboardInterrupt):
        draw(decoded, artist, out)
    assert saved[0].stat() == first, "what was drawn is kept"
    monkeypatch.undo()
    draw(decoded, artist, out)
    name = "reconstructions.safetensors"
    assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_of_two_that_draw_into_a_folder_one_draws_and_both_have_all(
    decoded, artist, tmp_path, monkeypatch, draw
):
    blocks = []

    def slowly(*given):
        blocks.append(given)
        time.sleep(0.05)
        return draw_block(*given)

    monkeypatch.setattr(pipeline, "draw_block", slowly)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(draw, decoded, artist, tmp_path / "out") for _ in range(2)]
        first, second = (one.result() for one in asked)
    assert len(blocks) == 1
    np.testing.assert_array_equal(first.candidates, second.candidates)


@pytest.mark.parametrize("selection", ["second-order", "average"])
def test_a_disk_without_room_for_all_pictures_and_tokens_is_refused_before_drawing(
    decoded, artist, tmp_path, monkeypatch, selection, config, draw
):
    config = replace(config, candidates=100, selection=selection)
    side, numbers, drawn = artist.generator.side, 5 * 16, 1 if selection == "average" else 100
    needed = 5 * (3 * side * side * (2 * drawn + 4) + 4 * numbers * 101)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
    with pytest.raises(OSError, match=r"The reconstruction needs about .* free"):
        draw(decoded, artist, tmp_path / "out", config)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed))
    monkeypatch.setattr(pipeline, "draw_block", stop)
    with pytest.raises(KeyboardInterrupt):
        draw(decoded, artist, tmp_path / "out", config)


def test_everything_that_was_sampled_is_kept(decoded, artist, tmp_path, sampled, draw):
    drawn = draw(decoded, artist, tmp_path / "out")
    assert drawn.image_tokens.dtype == np.float16
    generators = candidate_generators(0, decoded.image_ids.tolist(), 2)
    brain = decoded.brain_tokens.repeat_interleave(2, dim=0)
    tokens = sampled(brain, noises(generators, tuple(brain.shape[1:])))
    np.testing.assert_array_equal(drawn.image_tokens.reshape(tokens.shape), tokens.half())
    kept = load_arrays(tmp_path / "out" / "reconstructions.safetensors")
    np.testing.assert_array_equal(kept["brain_tokens"], decoded.brain_tokens.half())
    with torch.inference_mode():
        pictures = as_images(drawn.candidates.reshape(-1, 32, 32, 3))
        seen = embedding_of(artist.clip.tokens(pictures)).unflatten(0, (5, 2))
    np.testing.assert_allclose(drawn.spread, 1 - (seen[:, 0] * seen[:, 1]).sum(-1), atol=0.01)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_picture_is_the_one_that_the_selection_says(
    decoded, artist, tmp_path, selection, config, draw
):
    config = replace(config, candidates=3, selection=selection)
    drawn = draw(decoded, artist, tmp_path / "out", config)
    if selection == "average":
        assert drawn.candidates.shape[1] == drawn.scores.shape[1] == 1
        assert drawn.image_tokens.shape[1] == 3
    expected = {"second-order": drawn.scores.argmax(1)}.get(selection, np.zeros(5, dtype=int))
    if selection != "consensus":
        np.testing.assert_array_equal(drawn.chosen, expected)
    np.testing.assert_array_equal(drawn.chosen_scores, drawn.scores[np.arange(5), drawn.chosen])
    np.testing.assert_array_equal(drawn.pictures, drawn.candidates[np.arange(5), drawn.chosen])
    np.testing.assert_array_equal(
        open_pictures(tmp_path / "out").read(np.arange(5)), drawn.pictures
    )
    lines = (tmp_path / "out" / "choices.jsonl").read_text().splitlines()
    choices = [json.loads(line) for line in lines]
    taken = [one["candidate"] for one in choices if one["chosen"]]
    assert taken == drawn.chosen.tolist()


def test_blocks_do_not_change_the_pictures(
    decoded, artist, tmp_path, monkeypatch, draw, assert_alike
):
    whole = draw(decoded, artist, tmp_path / "whole")
    monkeypatch.setattr(pipeline, "BLOCK", 2)
    assert_alike(draw(decoded, artist, tmp_path / "blocks").candidates, whole.candidates)


def test_without_latents_there_is_no_blurry_picture_and_drawing_starts_from_noise(
    decoded, artist, tmp_path, config, draw, assert_alike
):
    drawn = draw(decoded._replace(latents=None), artist, tmp_path / "out")
    assert drawn.blurry is None
    assert not (tmp_path / "out" / "blurry").exists()
    from_noise = draw(decoded, artist, tmp_path / "noise", replace(config, strength=1.0))
    assert_alike(drawn.candidates, from_noise.candidates)
