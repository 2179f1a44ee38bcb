"""What `mindeye evaluate` adds where it is asked moves no other number and is compared alike."""

from dataclasses import replace

import numpy as np
import pytest

from mindeye.files import read_json
from mindeye.reconstruction.saved_pictures.pairing import PicturesAsked
from mindeye.verbs.evaluation import brain_part
from mindeye.verbs.evaluation.comparison import compared
from mindeye.verbs.evaluation.evaluate import evaluate_folder
from mindeye.verbs.evaluation.evaluate_pictures import HowToScore, evaluate_pictures
from mindeye.verbs.evaluation.evaluated import Allowed, read_evaluated, require_comparable
from mindeye.verbs.evaluation.further_metrics import FurtherAsked

IDS = np.arange(300, 308)
V1 = "brain correlation (V1)"


def test_other_numbers_do_not_move_with_what_is_added(finished_run, regions):
    folder = finished_run / "reconstructions"
    before = read_json(folder / "evaluation.json")
    result = evaluate_folder(folder, run_path=finished_run, further=FurtherAsked(brain=True))
    after = read_json(folder / "evaluation.json")
    assert after["rows"][: len(before["rows"])] == before["rows"]
    assert len(after["rows"]) > len(before["rows"])
    assert after["judges"]["encoding model"].endswith("24 training images of made up")
    left_out = "Brain correlation leaves out regions of few voxels: hV4 (3)."
    assert result.about["notes"] == [brain_part.NO_BOUND, left_out]


def test_what_is_added_is_compared_like_everything_else(
    finished_run, regions, captions, tiny_prepared, networks, tmp_path
):
    texts = {image_id: f"a dog number {image_id}" for image_id in IDS.tolist()}
    shown = captions("shown", texts)
    paths = []
    for name, told in (("good", texts), ("bad", dict.fromkeys(texts, "three cats"))):
        further = FurtherAsked(brain=True, captions=captions(name, told), captions_shown=shown)
        folder = finished_run / "reconstructions"
        asked = PicturesAsked(reconstructions=folder, images=tiny_prepared, data=tiny_prepared)
        how = HowToScore(clip=networks.clip, further=further)
        evaluate_pictures(asked, tmp_path / f"{name}_scores", how)
        paths.append(f"{name}={tmp_path / name}_scores")
    systems = read_evaluated(paths)
    require_comparable(systems, Allowed())
    found = {one.metric: one for one in compared(systems, None, 0).differences}
    assert found["ROUGE-1"].value == pytest.approx(1.0)
    assert found[V1].value == 0
    assert compared(systems, None, 0).better["BLEU-4"] == "higher"
    other = {**systems[1].content, "judges": {**systems[1].content["judges"]}}
    other["judges"]["encoding model"] = "another"
    with pytest.raises(ValueError, match="weights of the judging network encoding model"):
        require_comparable([systems[0], replace(systems[1], content=other)], Allowed())
