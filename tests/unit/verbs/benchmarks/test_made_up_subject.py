"""All of NSD's eight subjects in one training, each with voxels of its own."""

from dataclasses import replace

import pytest
import torch

from mindeye.models.saved import load_decoder
from mindeye.nsd_layout import SESSIONS
from mindeye.reconstruction.opening import open_run
from mindeye.training.loop import train
from mindeye.verbs.benchmarks.made_up_subject import write_clip, write_subject


@pytest.fixture
def eight(tmp_path):
    folders = {subject: tmp_path / f"subj{subject:02d}" for subject in SESSIONS}
    for subject, folder in folders.items():
        write_subject(folder, subject, num_voxels=11 + subject, num_images=9)
    return folders


@pytest.mark.parametrize("together", [True, False])
def test_eight_subjects_train_together_and_each_is_decoded(
    eight, tiny_experiment, tmp_path, together
):
    schedule = replace(tiny_experiment.schedule, num_epochs=1, batch=8, subjects_together=together)
    config = replace(tiny_experiment, data=tuple(eight.values()), schedule=schedule)
    run = train(config, tmp_path / "run")
    assert run.read_log()[-1]["step"] == (8 if together else 7)
    decoder = load_decoder(run.path)
    assert decoder.subjects == tuple(range(1, 9))
    for subject in eight:
        opened = open_run(run.path, subject=subject)
        assert opened.prepared.num_voxels == 11 + subject
        assert decoder(torch.randn(2, 11 + subject), subject).brain_tokens.shape == (2, 5, 16)


def test_the_betas_of_another_subject_are_refused_by_a_ridge(eight, tiny_experiment, tmp_path):
    one = tiny_experiment.schedule
    config = replace(
        tiny_experiment,
        data=(eight[1], eight[2]),
        schedule=replace(one, num_epochs=1, steps_per_epoch=1),
    )
    run = train(config, tmp_path / "run")
    decoder = load_decoder(run.path)
    with pytest.raises(ValueError, match="Subject 1 has 12 voxels in this model but 13 in this"):
        decoder(torch.randn(2, 13), 1)
    with pytest.raises(LookupError, match=r"no ridge layer for subject 3; it knows 1, 2\. Fine-"):
        decoder(torch.randn(2, 14), 3)
    # The same subject with another ROI is no start for its old ridge.
    write_subject(tmp_path / "other", 1, num_voxels=15, num_images=9)
    other = replace(config, data=(tmp_path / "other",), start_from=run.path)
    with pytest.raises(ValueError, match=r"has shape \(24, 12\) in .*, but \(24, 15\) here.*ROI"):
        train(other, tmp_path / "second")
    # Architecture gone: the run to start from cannot be understood.
    (run.path / "architecture.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"architecture\.json"):
        train(replace(config, start_from=run.path), tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_made_up_tokens_have_the_shape_that_was_asked_for(tmp_path):
    from mindeye.targets.clip import load_clip

    write_clip(tmp_path / "clip", (257, 768))
    assert load_clip(tmp_path / "clip").token_shape == (257, 768)
