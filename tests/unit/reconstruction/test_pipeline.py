import json
import re
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mindeye.disk import UnwrittenError
from mindeye.files import load_arrays, save_arrays
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images, as_pictures
from mindeye.reconstruction import picture_folder, picture_parts, pipeline
from mindeye.reconstruction.batch_size import BatchSize
from mindeye.reconstruction.candidate_noise import candidate_generators, candidate_seed, noises
from mindeye.reconstruction.drawing import STAGES
from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.pipeline import Artist, draw_block, reconstruct
from mindeye.reconstruction.saved_pictures.opening import open_pictures
from mindeye.reconstruction.settings import SELECTIONS, ReconstructionConfig
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.types import Decoded

CONFIG = ReconstructionConfig(candidates=2, steps=3, strength=0.7)
ABOUT = {"run": "runs/one", "weights": "11aa", "simulated": None}


@pytest.fixture(scope="module")
def artist(networks) -> Artist:
    vae = load_vae(networks.vae)
    generator = load_scenes_generator(vae, networks.generator)
    return Artist(clip=load_clip(networks.clip), vae=vae, generator=generator)


@pytest.fixture
def decoded() -> Decoded:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(5, 5, 16, generator=generator) / 4
    return Decoded(
        image_ids=torch.tensor([7, 9, 20, 31, 72_999]),
        brain_tokens=tokens,
        embeddings=embedding_of(tokens),
        image_tokens=None,
        latents=torch.randn(5, 4, 8, 8, generator=generator),
    )


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(pipeline, "BLOCK", 2)


def sampled(brain_tokens, noises):
    """Stands for the prior: noise matters, but not much."""
    return brain_tokens + 0.1 * next(noises)


def rows_of(decoded: Decoded, rows: list[int]) -> Decoded:
    return Decoded(*(None if value is None else value[rows] for value in decoded))


def stop(*given):
    raise KeyboardInterrupt


def draw(decoded, artist, out, config=CONFIG, **options):
    options = {"sample_tokens": sampled, "about": ABOUT, **options}
    return reconstruct(decoded, artist, config, out, **options)


def assert_alike(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal up to rounding: another batch may add up in another order."""
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def test_a_candidate_does_not_depend_on_batch_or_order(decoded, artist):
    whole = draw_block(decoded, artist, CONFIG, sampled)
    order = [3, 0, 4]
    part = draw_block(rows_of(decoded, order), artist, CONFIG, sampled)
    assert_alike(part["candidates"], whole["candidates"][order])
    assert_alike(part["blurry"], whole["blurry"][order])
    np.testing.assert_allclose(part["scores"], whole["scores"][order], atol=1e-4)


@pytest.mark.parametrize("pictures", [1, 3, 4, 99])
def test_a_candidate_does_not_depend_on_how_many_pictures_are_drawn_at_once(
    decoded, artist, pictures
):
    whole = draw_block(decoded, artist, CONFIG, sampled)
    parts = draw_block(decoded, artist, CONFIG, sampled, BatchSize(pictures))
    assert parts.keys() == whole.keys()
    assert_alike(parts["candidates"], whole["candidates"])
    assert_alike(parts["blurry"], whole["blurry"])
    np.testing.assert_allclose(parts["scores"], whole["scores"], atol=1e-4)
    np.testing.assert_array_equal(parts["image_tokens"], whole["image_tokens"])


def test_a_batch_that_had_no_room_is_drawn_from_the_same_noise(decoded, artist):
    whole = draw_block(decoded, artist, CONFIG, sampled)

    def tight(brain_tokens, noises):
        tokens = sampled(brain_tokens, noises)
        if len(brain_tokens) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return tokens

    with pytest.warns(UserWarning, match="no room to draw 10 pictures at once"):
        parts = draw_block(decoded, artist, CONFIG, tight)
    assert_alike(parts["candidates"], whole["candidates"])
    np.testing.assert_array_equal(parts["image_tokens"], whole["image_tokens"])


def test_memory_that_ran_out_in_one_block_is_not_asked_for_in_the_next(
    decoded, artist, tmp_path, small_blocks
):
    asked = []

    def tight(brain_tokens, noises):
        asked.append(len(brain_tokens))
        if len(brain_tokens) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return sampled(brain_tokens, noises)

    with pytest.warns(UserWarning, match="no room to draw 4 pictures at once"):
        reconstruct(decoded, artist, CONFIG, tmp_path / "out", sample_tokens=tight, about=ABOUT)
    assert asked == [4, 2, 2, 2, 2, 2]


def test_tokens_and_seconds_of_each_candidate_are_told(decoded, artist):
    given = {}

    def remembered(brain_tokens, noises):
        given["tokens"] = sampled(brain_tokens, noises)
        return given["tokens"]

    block = draw_block(decoded, artist, CONFIG, remembered)
    assert block["image_tokens"].dtype == np.float16
    expected = given["tokens"].unflatten(0, (5, 2)).half().numpy()
    np.testing.assert_array_equal(block["image_tokens"], expected)
    assert block["seconds"].shape == (5, 2, len(STAGES))
    assert (block["seconds"] > 0).all()


def test_seconds_of_stages_are_those_of_the_stages(decoded, artist):
    def slow(brain_tokens, noises):
        time.sleep(0.05)
        return sampled(brain_tokens, noises)

    seconds = draw_block(decoded, artist, CONFIG, slow, BatchSize(5))["seconds"].sum((0, 1))
    assert (seconds > 0).all()
    assert seconds[STAGES.index("prior")] > 0.1


def test_tokens_that_are_not_finite_are_refused_with_their_image(decoded, artist):
    def broken(brain_tokens, noises):
        tokens = sampled(brain_tokens, noises)
        tokens[5, 0, 0] = float("nan")
        return tokens

    with pytest.raises(FloatingPointError, match="prior's tokens of image 20 hold NaN or infinity"):
        draw_block(decoded, artist, CONFIG, broken)


def test_more_candidates_keep_the_first_ones(decoded, artist):
    two = draw_block(decoded, artist, CONFIG, sampled)
    three = draw_block(decoded, artist, replace(CONFIG, candidates=3), sampled)
    assert_alike(three["candidates"][:, :2], two["candidates"])
    assert np.abs(two["candidates"][:, 0].astype(int) - two["candidates"][:, 1]).max() > 1


def test_images_that_decode_alike_are_drawn_from_noise_of_their_own(decoded, artist):
    twins = rows_of(decoded, [0, 0])._replace(image_ids=torch.tensor([7, 8]))
    first, second = draw_block(twins, artist, CONFIG, sampled)["candidates"].astype(int)
    assert np.abs(first - second).max() > 1


def test_the_chosen_picture_has_the_highest_score(decoded, artist, tmp_path):
    drawn = draw(decoded, artist, tmp_path / "out")
    assert drawn.image_ids.tolist() == decoded.image_ids.tolist()
    assert drawn.candidates.shape == (5, 2, 32, 32, 3)
    for row, chosen in enumerate(drawn.scores.argmax(1)):
        np.testing.assert_array_equal(drawn.pictures[row], drawn.candidates[row, chosen])


def test_every_choice_is_recorded_with_its_seed(decoded, artist, tmp_path):
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
    assert json.loads((out / "manifest.json").read_text())["about"] == ABOUT


def test_a_finished_folder_is_opened_and_nothing_drawn_again(
    decoded, artist, tmp_path, monkeypatch
):
    first = draw(decoded, artist, tmp_path / "out")
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    monkeypatch.setattr(pipeline, "draw_block", None)
    again = draw(decoded, artist, tmp_path / "out")
    np.testing.assert_array_equal(first.candidates, again.candidates)
    np.testing.assert_array_equal(first.pictures, load_reconstruction(tmp_path / "out").pictures)
    assert before == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))


def test_a_rerun_draws_only_what_is_missing(decoded, artist, tmp_path, monkeypatch, small_blocks):
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
    decoded, artist, tmp_path, monkeypatch
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


@pytest.mark.parametrize("selection", ["second-order", "average"])
def test_a_disk_without_room_for_all_pictures_and_tokens_is_refused_before_drawing(
    decoded, artist, tmp_path, monkeypatch, selection
):
    config = replace(CONFIG, candidates=100, selection=selection)
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


def test_a_kill_at_the_very_end_leaves_a_folder_that_the_next_run_cleans(
    decoded, artist, tmp_path, monkeypatch
):
    monkeypatch.setattr(picture_folder, "drop_parts", lambda out: None)
    first = draw(decoded, artist, tmp_path / "out")
    assert (tmp_path / "out" / "UNFINISHED.txt").exists()
    np.testing.assert_array_equal(load_reconstruction(tmp_path / "out").pictures, first.pictures)
    draw(decoded, artist, tmp_path / "out")
    assert not (tmp_path / "out" / "UNFINISHED.txt").exists()
    assert not (tmp_path / "out" / "parts").exists()


def test_everything_that_was_sampled_is_kept(decoded, artist, tmp_path):
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
def test_the_picture_is_the_one_that_the_selection_says(decoded, artist, tmp_path, selection):
    config = replace(CONFIG, candidates=3, selection=selection)
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


def test_average_draws_one_picture_of_the_mean_tokens(decoded, artist):
    average = draw_block(
        decoded, artist, replace(CONFIG, candidates=3, selection="average"), sampled
    )
    generators = candidate_generators(0, decoded.image_ids.tolist(), 3)
    brain = decoded.brain_tokens.repeat_interleave(3, dim=0)
    tokens = sampled(brain, noises(generators, tuple(brain.shape[1:]))).unflatten(0, (5, 3))
    drawn = artist.generator.generate(
        tokens.mean(1),
        start=artist.vae.images(decoded.latents),
        strength=CONFIG.strength,
        steps=CONFIG.steps,
        guidance=CONFIG.guidance,
        generators=generators[::3],
    )
    assert_alike(average["candidates"][:, 0], as_pictures(drawn))
    unit = torch.nn.functional.normalize(tokens.flatten(2), dim=-1)
    cosines = torch.einsum("iaf,ibf->iab", unit, unit)
    expected = 1 - (cosines.sum((1, 2)) - 3) / 6
    np.testing.assert_allclose(average["spread"], expected, atol=1e-3)


def test_an_older_folder_without_tokens_and_choices_is_read(decoded, artist, tmp_path):
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


def test_blocks_do_not_change_the_pictures(decoded, artist, tmp_path, monkeypatch):
    whole = draw(decoded, artist, tmp_path / "whole")
    monkeypatch.setattr(pipeline, "BLOCK", 2)
    assert_alike(draw(decoded, artist, tmp_path / "blocks").candidates, whole.candidates)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"seed": 1}, "settings.seed: 1 here, 0 there"), ({"steps": 4}, "settings.steps: 4 here, 3")],
)
def test_other_settings_in_the_same_folder_are_refused(decoded, artist, tmp_path, changes, message):
    draw(decoded, artist, tmp_path / "out")
    with pytest.raises(ValueError, match=message):
        draw(decoded, artist, tmp_path / "out", replace(CONFIG, **changes))


def test_another_run_or_other_images_in_the_same_folder_are_refused(decoded, artist, tmp_path):
    draw(decoded, artist, tmp_path / "out")
    with pytest.raises(ValueError, match=r"about\.weights: '22bb' here, '11aa' there"):
        draw(decoded, artist, tmp_path / "out", about={**ABOUT, "weights": "22bb"})
    with pytest.raises(ValueError, match="image_ids"):
        draw(rows_of(decoded, [0, 1]), artist, tmp_path / "out")


def test_an_older_folder_that_tells_of_no_quirk_is_opened_and_refused_with_one(
    decoded, artist, tmp_path
):
    first = draw(decoded, artist, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["settings"]["quirks"], manifest["settings"]["sampler"]
    path.write_text(json.dumps(manifest))
    again = draw(decoded, artist, tmp_path / "out", about={**ABOUT, "quirks": []})
    np.testing.assert_array_equal(again.pictures, first.pictures)
    with pytest.raises(ValueError, match=r"settings\.quirks: \['shifted_range'\] here, \[\] there"):
        draw(decoded, artist, tmp_path / "out", replace(CONFIG, quirks=("shifted_range",)))


def test_a_run_that_has_moved_is_still_the_same_run(decoded, artist, tmp_path):
    first = draw(decoded, artist, tmp_path / "out")
    again = draw(decoded, artist, tmp_path / "out", about={**ABOUT, "run": "runs/two"})
    np.testing.assert_array_equal(again.pictures, first.pictures)


def test_a_folder_with_something_else_is_refused_and_left_alone(decoded, artist, tmp_path):
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no reconstructions"):
        draw(decoded, artist, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_an_image_that_stands_twice_is_refused(decoded, artist, tmp_path):
    with pytest.raises(ValueError, match="stand more than once"):
        draw(rows_of(decoded, [0, 1, 0]), artist, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_prior_the_brain_tokens_are_drawn(decoded, artist):
    ours = draw_block(decoded, artist, replace(CONFIG, strength=1.0), None)
    theirs = draw_block(decoded, artist, replace(CONFIG, strength=1.0), lambda brain, noises: brain)
    assert_alike(ours["candidates"], theirs["candidates"])
    assert_alike(ours["blurry"], theirs["blurry"])


def test_without_latents_there_is_no_blurry_picture_and_drawing_starts_from_noise(
    decoded, artist, tmp_path
):
    drawn = draw(decoded._replace(latents=None), artist, tmp_path / "out")
    assert drawn.blurry is None
    assert not (tmp_path / "out" / "blurry").exists()
    from_noise = draw(decoded, artist, tmp_path / "noise", replace(CONFIG, strength=1.0))
    assert_alike(drawn.candidates, from_noise.candidates)
