"""`mindeye reconstruct --captions`: of a file, or written from the tokens that were drawn."""

import json
from dataclasses import replace

import pytest
import torch

from mindeye.cli import main
from mindeye.files import load_arrays, read_json, save_arrays
from mindeye.models.caption_converter import load_converter
from mindeye.reconstruction.picture_folder import load_reconstruction
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.targets.captioner import load_captioner
from mindeye.verbs.captions.caption import caption_run
from mindeye.verbs.drawing.beside import BesideAsked
from mindeye.verbs.drawing.captions_beside import CaptionsAsked, drawn_tokens, kept_captions
from mindeye.verbs.evaluation.evaluate import evaluate_folder
from mindeye.verbs.evaluation.further_metrics import FurtherAsked
from mindeye.verbs.reconstruct import reconstruct_run
from mindeye.verbs.report import report_run
from mindeye.verbs.report_parts import ReportParts

TEST_IDS = list(range(300, 308))
CONFIG = ReconstructionConfig(candidates=2, steps=2, prior_steps=2)


def drawn_with(run, out, config=CONFIG, **captions):
    asked = BesideAsked(captions=CaptionsAsked(**captions))
    return reconstruct_run(run, out, config, beside=asked)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "written.tsv"
    path.write_text("image_id\tcaption\n" + "".join(f"{one}\tpicture {one}\n" for one in TEST_IDS))
    return path


def test_captions_of_a_file_stand_in_folder_choices_and_page(finished_run, file, tmp_path):
    out = finished_run / "reconstructions"
    before = (out / "sheets" / "000.png").read_bytes()
    drawn_with(finished_run, out, file=file)
    assert kept_captions(out) == {one: f"picture {one}" for one in TEST_IDS}
    lines = [json.loads(line) for line in (out / "choices.jsonl").read_text().splitlines()]
    assert all(line["caption"] == f"picture {line['image_id']}" for line in lines)
    assert read_json(out / "captions.tsv.json")["captions"]["path"] == str(file.resolve())
    assert (out / "sheets" / "000.png").read_bytes() != before
    page = finished_run / "report.html"
    report_run(ReportParts(run=finished_run, reconstructions=out), page)
    assert "Decoded: picture 300" in page.read_text()
    further = FurtherAsked(captions=out / "captions.tsv", captions_shown=file)
    assert any("ROUGE" in row.metric for row in evaluate_folder(out, further=further).rows)


def test_captions_are_written_from_the_tokens_of_the_chosen_candidates(
    finished_run, tiny_captioner, tmp_path
):
    out = tmp_path / "out"
    drawn = drawn_with(finished_run, out, captioner=str(tiny_captioner))
    about = read_json(out / "captions.tsv.json")
    assert about["captioner"].startswith("tiny-git-")
    converter = load_converter(next((finished_run / "captions").glob("*.safetensors")))
    writer, texts = load_captioner(str(tiny_captioner)), []
    for row, chosen in enumerate(drawn.scores.argmax(1)):
        tokens = torch.from_numpy(drawn.image_tokens[row, chosen]).float()[None]
        with torch.inference_mode():
            texts += writer.captions(converter(tokens))
    assert list(kept_captions(out).values()) == texts


def test_the_picture_of_an_average_is_described_by_the_mean_of_its_tokens(finished_run, tmp_path):
    drawn = reconstruct_run(finished_run, tmp_path / "out", replace(CONFIG, selection="average"))
    expected = torch.from_numpy(drawn.image_tokens).float().mean(1)
    torch.testing.assert_close(drawn_tokens(drawn), expected)


def test_an_older_folder_without_tokens_says_what_to_do(finished_run):
    path = finished_run / "reconstructions" / "reconstructions.safetensors"
    arrays = load_arrays(path)
    save_arrays(path, {name: arrays[name] for name in ("image_ids", "candidates", "scores")})
    with pytest.raises(ValueError, match="drawn before their tokens were kept"):
        drawn_tokens(load_reconstruction(path.parent))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--captions", "absent.tsv"), "There is no file absent.tsv"),
        (("--captions", "FILE"), "has no caption of 1 of 8 images, first id 307"),
        (("--captions", "--captioner", "absent/captioner"), "neither a folder nor in the hub's"),
        (("--captioner", "x"), "--captioner is of use with --captions that are to be written"),
        (("--captions", "FILE", "--fit-images", "9"), "--fit-images is of use with --captions"),
        (("--captions", "--converter", "x", "--fit-images", "9"), "would change nothing"),
    ],
)
def test_what_cannot_be_captioned_is_refused_before_anything_is_drawn(
    finished_run, file, tmp_path, capsys, more, message
):
    file.write_text("\n".join(file.read_text().splitlines()[:-1]))
    given = [str(file) if one == "FILE" else one for one in more]
    with pytest.raises(SystemExit) as end:
        main(["reconstruct", str(finished_run), "--out", str(tmp_path / "out"), *given])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_file_of_mindeye_caption_fits(finished_run, tiny_captioner, tmp_path):
    written = caption_run(
        finished_run, tmp_path / "captions.tsv", CONFIG, captioner=str(tiny_captioner)
    )
    out = finished_run / "reconstructions"
    drawn_with(finished_run, out, file=written.path)
    assert (out / "captions.tsv").read_bytes() == written.path.read_bytes()
