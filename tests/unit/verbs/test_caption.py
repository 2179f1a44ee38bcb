"""`mindeye caption` on a small run, with a captioner of random weights."""

from pathlib import Path

import pytest
import torch

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.files import read_json
from mindeye.models.caption_converter import CaptionConverter, load_converter, save_converter
from mindeye.pictures import as_images
from mindeye.reconstruction.decode import decode
from mindeye.reconstruction.opening import open_run
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.targets.captioner import load_captioner
from mindeye.verbs.captions.caption import caption_run
from mindeye.verbs.evaluation.caption_part import read_captions

TEST_IDS = list(range(300, 308))
CONFIG = ReconstructionConfig(prior_steps=2)


@pytest.fixture
def captioned(finished_run, tiny_captioner, tmp_path):
    """Captions of the run's test scans, with what else is given."""

    def run(name: str = "captions.tsv", **given):
        return caption_run(
            finished_run, tmp_path / name, CONFIG, captioner=str(tiny_captioner), **given
        )

    return run


def test_there_is_a_caption_of_each_test_image_and_the_same_again(captioned):
    first, again = captioned(), captioned("again.tsv")
    assert list(first.captions) == TEST_IDS
    assert all(first.captions.values())
    assert first.path.read_bytes() == again.path.read_bytes()
    assert read_captions(first.path) == {one: (text,) for one, text in first.captions.items()}
    about = read_json(first.path.with_name("captions.tsv.json"))
    assert about["captioner"].startswith("tiny-git-")
    assert about["simulated"]["preset"] == "tests"
    assert about["split"] == "test"


def test_a_caption_does_not_depend_on_the_images_beside_it(captioned, monkeypatch):
    whole = captioned().captions
    some = captioned("some.tsv", num_images=3).captions
    assert some == {image_id: whole[image_id] for image_id in some}
    monkeypatch.setattr("mindeye.verbs.captions.caption.BATCH", 3)
    assert captioned("threes.tsv").captions == whole


def test_the_road_is_prior_then_converter_then_captioner(captioned, finished_run, tiny_captioner):
    """Step by step, one image at a time, with the noise of that image's candidate."""
    from mindeye.reconstruction.candidate_noise import candidate_generators, noises
    from mindeye.reconstruction.prior_sampler import prior_sampler

    found = captioned()
    run, writer = open_run(finished_run), load_captioner(str(tiny_captioner))
    converter = load_converter(Path(found.about["converter"]["path"]))
    decoded = decode(run.decoder, run.prepared.repeats("test"))
    sample = prior_sampler(run.decoder.prior, CONFIG)
    for row, image_id in enumerate(TEST_IDS):
        brain = decoded.brain_tokens[row : row + 1]
        drawn = noises(candidate_generators(CONFIG.seed, [image_id], 1), tuple(brain.shape[1:]))
        with torch.inference_mode():
            (text,) = writer.captions(converter(sample(brain, drawn)))
        assert text == found.captions[image_id]


def test_the_converter_is_fitted_to_training_images_alone_and_kept(
    captioned, finished_run, tiny_captioner, monkeypatch
):
    from mindeye.targets import captioner as captioners

    shown, plain = [], captioners.Captioner.vision_tokens

    def watched(self, images):
        shown.append(images)
        return plain(self, images)

    monkeypatch.setattr(captioners.Captioner, "vision_tokens", watched)
    found = captioned()
    prepared = PreparedSubject(
        Path(read_json(finished_run / "provenance.json")["paths"]["data"][0])
    )
    train = as_images(
        prepared.images[prepared.rows_of(prepared.repeats("train").image_ids.numpy())]
    )
    torch.testing.assert_close(torch.cat(shown), train)
    kept = Path(found.about["converter"]["path"])
    assert kept.parent == (finished_run / "captions").resolve()
    captioned("again.tsv")
    assert len(torch.cat(shown)) == len(train)
    captioned("few.tsv", fit_images=5)
    assert len(torch.cat(shown)) == len(train) + 5


def test_a_converter_of_other_tokens_is_refused(captioned, tmp_path):
    save_converter(CaptionConverter((4, 16), (5, 12)), tmp_path / "other.safetensors")
    with pytest.raises(
        ValueError, match=r"makes \(5, 12\) of \(4, 16\) tokens, .* run's are \(5, 16"
    ):
        captioned(converter=tmp_path / "other.safetensors")
    assert not (tmp_path / "captions.tsv").exists()


def test_a_given_converter_is_taken(captioned, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        save_converter(CaptionConverter((5, 16), (5, 12)), tmp_path / "mine.safetensors")
    found = captioned(converter=tmp_path / "mine.safetensors")
    assert found.about["converter"]["path"] == str((tmp_path / "mine.safetensors").resolve())
    assert found.captions.keys() == set(TEST_IDS)


def test_from_the_command_line_to_scores(finished_run, tiny_captioner, tmp_path, capsys):
    out = tmp_path / "captions.tsv"
    main(["caption", str(finished_run), "--out", str(out), "--captioner", str(tiny_captioner)])
    said = capsys.readouterr().out
    assert f"captions: {out}" in said
    assert "simulated" in said.lower()
    (tmp_path / "shown.tsv").write_text("".join(f"{one}\ta cat sits\n" for one in TEST_IDS))
    arguments = ["evaluate", str(finished_run / "reconstructions"), "--captions", str(out)]
    main([*arguments, "--captions-shown", str(tmp_path / "shown.tsv")])
    assert "ROUGE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--captioner", "absent/captioner"), "neither a folder nor in the hub's cache"),
        (("--converter", "absent.pth"), "There is no converter at absent.pth"),
        (("--converter", "x", "--fit-images", "9"), "--fit-images would change nothing"),
        (("--fit-images", "1"), "--fit-images is 1. Choose 2 or more"),
        (("--images", "99"), "99 test images asked for, but this subject has 8"),
        (("--quirks", "lost_labels=on"), "changes nothing in this verb"),
    ],
)
def test_wrong_input_ends_with_a_sentence_and_writes_nothing(
    finished_run, tiny_captioner, tmp_path, capsys, more, text
):
    out = tmp_path / "captions.tsv"
    given = () if "--captioner" in more else ("--captioner", str(tiny_captioner))
    with pytest.raises(SystemExit) as end:
        main(["caption", str(finished_run), "--out", str(out), *given, *more])
    assert end.value.code == 2
    assert text in capsys.readouterr().err
    assert not out.exists()


def test_captions_that_are_there_are_not_written_over(captioned):
    captioned()
    with pytest.raises(ValueError, match=r"exists\. Remove it, or choose another file"):
        captioned()
