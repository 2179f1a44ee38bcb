import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mindeye.cli import main
from mindeye.pictures import as_images, as_pictures
from mindeye.reconstruction.candidate_noise import candidate_generators
from mindeye.reconstruction.generators import refinement
from mindeye.reconstruction.generators.execution import GeneratorExecution
from mindeye.reconstruction.generators.refinement import load_refiner
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.verbs.benchmarks.random_sdxl_pipeline import write_random_sdxl
from mindeye.verbs.evaluation.evaluate import evaluate_folder
from mindeye.verbs.refine import RefinementConfig, refine_folder, refined_image
from mindeye.verbs.saved_results import read_manifest, read_pictures

CONFIG = RefinementConfig(steps=4, strength=0.5, side=64)


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory):
    return write_random_sdxl(tmp_path_factory.mktemp("sdxl") / "tiny")


@pytest.fixture
def drawn(finished_run):
    return finished_run / "reconstructions"


@pytest.fixture
def captions(drawn, tmp_path):
    ids = load_reconstruction(drawn).image_ids.tolist()
    path = tmp_path / "captions.tsv"
    lines = [f"{image_id}\ta boat, {'big ' * row}" for row, image_id in enumerate(ids)]
    path.write_text("\n".join(["image_id\tcaption", *lines]) + "\n")
    return path


def test_the_chosen_candidates_are_drawn_over_and_the_folder_keeps_its_form(
    drawn, captions, sdxl, tmp_path
):
    refined = refine_folder(drawn, tmp_path / "out", captions, CONFIG, generator_source=sdxl)
    before = read_pictures(drawn)
    assert refined.image_ids.tolist() == before.image_ids.tolist()
    assert refined.candidates.shape == (len(before.image_ids), 1, 64, 64, 3)
    np.testing.assert_array_equal(refined.scores[:, 0], before.chosen_scores)
    row, seed = 3, read_manifest(drawn).settings.seed
    with torch.inference_mode():
        expected = load_refiner(sdxl, side=64).refine(
            as_images(before.candidates[row, before.chosen[row]][None]),
            ["a boat, big big big"],
            generators=candidate_generators(seed, [int(before.image_ids[row])], 1),
            steps=4,
            strength=0.5,
        )
    np.testing.assert_array_equal(refined.pictures[row], as_pictures(expected)[0])
    manifest = read_manifest(tmp_path / "out")
    assert manifest.settings == replace(read_manifest(drawn).settings, candidates=1)
    assert manifest.generator.startswith("sdxl-refiner-")
    assert manifest.about["refined"]["drawn_by"] == read_manifest(drawn).generator
    assert manifest.about["refined"]["negative_prompt"].startswith("painting, extra fingers")
    lines = (tmp_path / "out" / "choices.jsonl").read_text().splitlines()
    assert len(lines) == len(before.image_ids)
    assert json.loads(lines[0])["seconds"]["generator"] > 0


def shrunk_to_256(pictures: torch.Tensor) -> torch.Tensor:
    """Bilinear between the nearest pixels at the centre of each new one; nothing is filtered."""
    scale = pictures.shape[-1] / 256
    centres = ((np.arange(256) + 0.5) * scale - 0.5).clip(0, pictures.shape[-1] - 1)
    low = np.floor(centres).astype(int)
    high = np.minimum(low + 1, pictures.shape[-1] - 1)
    share = torch.from_numpy(centres - low).float()
    columns = pictures[..., low] * (1 - share) + pictures[..., high] * share
    rows = share[:, None]
    return columns[..., low, :] * (1 - rows) + columns[..., high, :] * rows


@pytest.mark.parametrize("on", [True, False])
def test_pictures_come_at_their_full_size_or_pass_through_256_pixels_as_published(
    drawn, captions, sdxl, tmp_path, monkeypatch, on
):
    seen = []

    def watched(folder, *arguments, **options):
        refiner = load_refiner(folder, *arguments, **options)
        refine = type(refiner).refine

        def kept(self, pictures, prompts, **more):
            seen.append(pictures)
            return refine(self, pictures, prompts, **more)

        monkeypatch.setattr(type(refiner), "refine", kept)
        return refiner

    monkeypatch.setattr("mindeye.verbs.refine.load_refiner", watched)
    arguments = ["--compat", "mindeye2"] if on else ["--quirks", "refined_through_256=off"]
    out = tmp_path / "out"
    line = ["refine", str(drawn), "--captions", str(captions), "--out", str(out)]
    size = ["--side", "64", "--steps", "1", "--generator-source", str(sdxl)]
    main([*line, *size, *arguments])
    before = read_pictures(drawn)
    expected = as_images(before.candidates[np.arange(8), before.chosen])
    expected = shrunk_to_256(expected) if on else expected
    torch.testing.assert_close(torch.cat(seen), expected, rtol=0, atol=1e-5)
    told = read_manifest(out).about["refined"]["quirks"]
    assert told == (["refined_through_256"] if on else [])


@pytest.mark.parametrize("offload", ["networks", "layers"])
def test_offloaded_networks_refine_the_same_where_the_accelerator_is_a_cpu(
    drawn, sdxl, monkeypatch, offload
):
    """There is no accelerator here: hooks, not their transfers, are what is tried."""
    plain = load_refiner(sdxl, side=64)
    monkeypatch.setattr(refinement, "require_possible", lambda *any: None)
    waiting = load_refiner(sdxl, execution=GeneratorExecution(offload=offload), side=64)
    if offload == "layers":
        assert waiting.pipeline.unet.device.type == "meta"
    pictures = [
        refined_image(read_pictures(drawn), 0, "a boat", one, CONFIG, 5)["candidates"]
        for one in (plain, waiting)
    ]
    np.testing.assert_array_equal(*pictures)


def test_a_refinement_that_was_stopped_goes_on_to_the_same_bytes(drawn, captions, sdxl, tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    given = {"generator_source": sdxl}
    with pytest.raises(KeyboardInterrupt):
        refine_folder(drawn, tmp_path / "one", captions, CONFIG, progress=stop, **given)
    assert not (tmp_path / "one" / "reconstructions.safetensors").exists()
    told = (tmp_path / "one" / "UNFINISHED.txt").read_text()
    assert "3 of 8 images are drawn.\nRun the same command again" in told
    refine_folder(drawn, tmp_path / "one", captions, CONFIG, **given)
    refine_folder(drawn, tmp_path / "two", captions, CONFIG, **given)
    one, two = (
        (tmp_path / name / "reconstructions.safetensors").read_bytes() for name in ("one", "two")
    )
    assert one == two
    assert not (tmp_path / "one" / "UNFINISHED.txt").exists()
    other = replace(CONFIG, guidance=2.0)
    with pytest.raises(ValueError, match="holds other reconstructions"):
        refine_folder(drawn, tmp_path / "one", captions, other, **given)


def test_refined_pictures_are_evaluated_beside_the_ceiling_of_what_drew_before(
    drawn, captions, sdxl, tmp_path
):
    once, twice = tmp_path / "once", tmp_path / "twice"
    refine_folder(drawn, once, captions, CONFIG, generator_source=sdxl)
    refine_folder(once, twice, captions, CONFIG, generator_source=sdxl)
    found = evaluate_folder(twice)
    ceilings = [read_pictures(one / "true_tokens").pictures for one in (drawn, twice)]
    np.testing.assert_array_equal(*ceilings)
    assert {row.system for row in found.rows} >= {"mindeye", "ceiling: true tokens", "blurry only"}
    assert read_manifest(twice).drawn_by == read_manifest(drawn).generator


def test_the_command_refines_and_refuses_what_is_missing(drawn, captions, sdxl, tmp_path, capsys):
    def refusal(*arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main([*words, *arguments])
        assert caught.value.code == 2
        return capsys.readouterr().err

    out = tmp_path / "out"
    words = ["refine", str(drawn), "--captions", str(captions), "--out", str(out)]
    assert "--generator-source" in refusal()
    assert "model_index.json is missing" in refusal("--generator-source", str(tmp_path))
    words += ["--generator-source", str(sdxl), "--side", "64", "--steps", "2"]
    assert "strength is 0.0; it must lie in (0, 1]" in refusal("--strength", "0")
    for side in ("0", "-8", "100"):
        assert f"--side is {side}; " in refusal("--side", side)
    assert "1001 steps were asked for" in refusal("--steps", "1001")
    assert "guidance is nan. Choose a number, such as 5" in refusal("--guidance", "nan")
    told = refusal("--quirks", "shifted_range=on")
    assert "`shifted_range` changes nothing in this verb. Choose from refined_through_256" in told
    lines = captions.read_text().splitlines()
    captions.write_text("\n".join(lines[:-1]) + "\n")
    assert "has no caption of 1 of 8 images, first id" in refusal()
    assert not out.exists()
    captions.write_text("\n".join(lines) + "\n")
    main(words)
    shown = capsys.readouterr().out
    assert f"pictures: {out / 'pictures'}" in shown
    assert "SIMULATED" in shown.upper()
    assert len(list((out / "pictures").glob("*.png"))) == 8
