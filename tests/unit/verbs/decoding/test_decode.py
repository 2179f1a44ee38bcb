"""`mindeye decode` on the tiny run: what is written, what is refused, what is believed."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import load_arrays, read_json
from mindeye.reconstruction.null_decode import NullComparison
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.repeat_likeness import RepeatLikeness
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.report.banner import SIMULATED
from mindeye.verbs.decoding import decode as verb
from mindeye.verbs.decoding.decode import decode_scan
from mindeye.verbs.decoding.decode_results import with_predictions
from mindeye.verbs.decoding.scan_source import ScanSource

CONFIG = ReconstructionConfig(candidates=2, steps=2, prior_steps=2)


@pytest.fixture
def table(tiny_prepared):
    return PreparedSubject(tiny_prepared).table("test")


@pytest.fixture
def source(table, tmp_path) -> ScanSource:
    """The test trials as a user may have saved them, in percent signal change."""
    np.save(tmp_path / "scan.npy", table.betas.astype(np.float32) + 1)
    ids = "\n".join(str(image_id) for image_id in table.image_ids)
    (tmp_path / "trials.tsv").write_text(f"image_id\n{ids}\n")
    return ScanSource(paths=(tmp_path / "scan.npy",), trials=tmp_path / "trials.tsv", units="psc")


@pytest.fixture
def line(source, finished_run, tmp_path):
    """Its command line."""
    return [
        *("decode", str(source.paths[0]), "--run", str(finished_run), "--units", "psc"),
        *("--trials", str(source.trials), "--out", str(tmp_path / "out"), "--candidates", "2"),
        *("--steps", "2", "--prior-steps", "2"),
    ]


def test_a_saved_scan_gives_the_pictures_that_the_prepared_scan_gave(
    finished_run, source, tmp_path, tiny_prepared
):
    out = tmp_path / "out"
    decode_scan(finished_run, source, out, CONFIG, gallery=tiny_prepared)
    expected = load_reconstruction(finished_run / "reconstructions")
    for image_id, picture, blurry in zip(
        expected.image_ids.tolist(), expected.pictures, expected.blurry
    ):
        for folder, wanted in (("pictures", picture), ("blurry", blurry)):
            found = np.asarray(Image.open(out / folder / f"{image_id:05d}.png")).astype(int)
            # Drawn one by one instead of together, from betas that were rounded once more.
            assert np.abs(found - wanted).mean() < 0.5
    tokens, embeddings = (
        load_arrays(out / f"{name}.safetensors") for name in ("tokens", "embeddings")
    )
    assert tokens["brain_tokens"].shape == tokens["image_tokens"].shape == (8, 5, 16)
    assert embeddings["embeddings"].shape == (8, 80)
    assert tokens["image_ids"].tolist() == expected.image_ids.tolist()
    assert (out / "retrieved.png").exists()
    assert len(list((out / "null").glob("*.png"))) == 8
    assert not (out / "parts").exists()


def test_names_of_images_are_as_good_as_ids_where_the_gallery_knows_all_of_them(
    finished_run, source, tmp_path, tiny_prepared, table
):
    gallery = shutil.copytree(tiny_prepared, tmp_path / "gallery")
    image_ids = PreparedSubject(gallery).image_ids.tolist()
    (gallery / "image_names.json").write_text(json.dumps({one: f"{one}.jpg" for one in image_ids}))
    for unknown in ([], [table.image_ids[0]]):
        shown = ["other.jpg" if one in unknown else f"{one}.jpg" for one in table.image_ids]
        source.trials.write_text("\n".join(["label", *shown]))
        out = tmp_path / f"out-{len(unknown)}"
        decode_scan(finished_run, source, out, CONFIG, gallery=gallery)
        found = load_arrays(out / "embeddings.safetensors")["image_ids"].tolist()
        assert (found == sorted(set(table.image_ids.tolist()))) == (not unknown)
        assert ("image retrieval" in (out / "decode.json").read_text()) == (not unknown)


def test_the_table_has_a_row_for_each_trial_and_the_page_a_banner(
    finished_run, source, tmp_path, tiny_prepared, table
):
    out = tmp_path / "out"
    decode_scan(finished_run, source, out, CONFIG, gallery=tiny_prepared, num_images=3)
    comment, header, *lines = (out / "trials.tsv").read_text().splitlines()
    rows = [dict(zip(header.split("\t"), one.split("\t"), strict=True)) for one in lines]
    assert comment == f"# {SIMULATED}"
    assert [int(row["image_id"]) for row in rows] == table.image_ids.tolist()
    drawn = {row["image_id"] for row in rows if row["picture"]}
    assert len(drawn) == 3
    for row in (row for row in rows if row["picture"]):
        assert (out / row["picture"]).exists()
        assert len(row["retrieved"].split()) == 5
        assert -1 <= float(row["score"]) <= 1
    page = (out / "report.html").read_text()
    assert SIMULATED in page
    assert "voxels shuffled" in page
    assert "median" in page
    saved = read_json(out / "decode.json")
    assert len(saved["null"]["spread_of_shuffles"]) == 99
    predictions = saved["checks"][-1]
    assert predictions["name"] == "predictions"
    assert (predictions["status"] == "passed") is saved["null"]["is_clear"]
    assert saved["repeats"]["images"] == 3
    assert saved["repeats"]["trials"] == sum(bool(row["repeats_alike"]) for row in rows) == 9
    assert all(bool(row["repeats_alike"]) == bool(row["picture"]) for row in rows)
    of_trials = [float(row["repeats_alike"]) for row in rows if row["repeats_alike"]]
    assert np.mean(of_trials) == pytest.approx(saved["repeats"]["difference"], abs=0.05)
    assert "repeats of an image" in page
    assert saved["verdict"] in page.replace("&#39;", "'")


def test_noise_that_is_said_to_hold_repeats_fails_by_them(finished_run, source, tmp_path, table):
    noise = np.random.default_rng(3).normal(1, 1, table.betas.shape)
    for name, betas in {"real": table.betas + 1, "noise": noise}.items():
        np.save(source.paths[0], betas.astype(np.float32))
        decode_scan(finished_run, source, tmp_path / name, CONFIG)
    real, of_noise = (read_json(tmp_path / name / "decode.json") for name in ("real", "noise"))
    assert real["repeats"]["is_clear"]
    assert "Repeats of an image are decoded more alike" in real["verdict"]
    assert not of_noise["repeats"]["is_clear"]
    assert "Repeats of an image are NOT decoded more alike" in of_noise["verdict"]
    assert of_noise["checks"][-1]["status"] == "failed"
    assert of_noise["repeats"]["trials"] == len(table.image_ids)


def test_a_decoding_that_was_killed_goes_on_to_the_same_bytes(
    finished_run, source, tmp_path, contents, monkeypatch
):
    decode_scan(finished_run, source, tmp_path / "whole", CONFIG)

    def killed(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_scan(finished_run, source, tmp_path / "out", CONFIG, progress=killed)
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 3
    decode_scan(finished_run, source, tmp_path / "out", CONFIG)
    timed = ("report.html", "decode.json")
    whole, resumed = (
        {name: one for name, one in contents(tmp_path / place).items() if name not in timed}
        for place in ("whole", "out")
    )
    assert whole == resumed
    # A finished folder is left alone.
    monkeypatch.setattr(verb, "decode_images", None)
    decode_scan(finished_run, source, tmp_path / "out", CONFIG)


def test_another_scan_is_not_mixed_into_a_folder(finished_run, source, tmp_path):
    decode_scan(finished_run, source, tmp_path / "out", CONFIG, num_images=2)
    np.save(source.paths[0], np.load(source.paths[0])[::-1])
    with pytest.raises(ValueError, match="holds other reconstructions"):
        decode_scan(finished_run, source, tmp_path / "out", CONFIG, num_images=2)


def test_a_failed_check_ends_with_2_and_writes_nothing_unless_it_is_forced(line, tmp_path, capsys):
    (tmp_path / "trials.tsv").write_text(
        "image_id\trepeat\n" + "".join("300\t0\n" for _ in range(23))
    )
    with pytest.raises(SystemExit) as caught:
        main(line)
    assert caught.value.code == 2
    assert not (tmp_path / "out").exists()
    error = capsys.readouterr().err
    assert "repeats: Image 300 has 23 trials" in error
    assert "--force repeats" in error
    main([*line, "--force", "repeats"])
    assert "The check `repeats` failed and was forced" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*line, "--force", "everything"])
    assert "There is no check `everything`" in capsys.readouterr().err


def test_a_dry_run_checks_and_counts_and_writes_nothing(line, tmp_path, contents, capsys):
    before = contents(tmp_path)
    main([*line, "--dry-run"])
    lines = capsys.readouterr().out.splitlines()
    assert contents(tmp_path) == before
    assert "23 trials of 8 images: 16 pictures to draw" in lines
    assert lines[0].startswith("scenes draws: ")
    assert lines[1].startswith("passed voxel count")
    assert lines[-1] == SIMULATED


def test_a_converted_run_gives_tokens_and_embeddings_and_says_why_no_pictures(
    line, finished_run, change_json, tmp_path, capsys
):
    change_json(
        finished_run / "provenance.json",
        lambda content: content.update(networks=None, data=[], converted={"family": "mindeye2"}),
    )
    # Settings of pictures are refused: see test_converted_runs.
    main([*line[: line.index("--candidates")], "--prior-steps", "2"])
    out = tmp_path / "out"
    said = capsys.readouterr().out
    assert "was converted" in said
    assert SIMULATED not in said
    assert not (out / "pictures").exists()
    assert (out / "report.html").exists()
    tokens = load_arrays(out / "tokens.safetensors")
    assert {"brain_tokens", "image_tokens", "latents"} <= tokens.keys()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--watch", "there"], "Give the files of one scan, or --watch DIR"),
        (["--warm-up", "5"], "--warm-up is for --watch DIR"),
        (["--images", "9"], "9 images asked for, but this scan has 8"),
    ],
)
def test_what_would_be_ignored_or_cannot_be_is_refused(more, message, line, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*line, *more])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("p_of_repeats", "num_trials", "status"),
    [(0.001, 30, "passed"), (0.3, 30, "failed"), (0.3, 4, "passed")],
)
def test_a_scan_beyond_its_shuffles_fails_by_repeats_that_are_not_alike(
    p_of_repeats, num_trials, status
):
    comparison = NullComparison(spread_of_trials=np.full(20, 0.6), null=(0.4, 0.5) * 50)
    assert comparison.is_clear
    likeness = RepeatLikeness(
        alike=np.full(num_trials // 2, 0.5),
        different=np.full(num_trials // 2, 0.4),
        of_trials={image: np.full(2, 0.1) for image in range(num_trials // 2)},
        p_value=p_of_repeats,
    )
    (check,) = with_predictions([], comparison, likeness)
    assert check.status == status
    assert check.seen == f"{comparison.sentence} {likeness.sentence}"
    assert with_predictions([], comparison, None)[0].seen == comparison.sentence
