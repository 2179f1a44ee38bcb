import numpy as np
import pytest

from mindeye.reconstruction.decoder_run import DecoderRun, open_decoder
from mindeye.reconstruction.image_decoder import ImageDecoder
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.reconstruction.streaming import StreamingDecoder

CONFIG = ReconstructionConfig(candidates=2, steps=2, prior_steps=2)


@pytest.fixture
def run(trained_run) -> DecoderRun:
    return open_decoder(trained_run)


def streamed(run: DecoderRun, betas: np.ndarray, **settings) -> list:
    stream = StreamingDecoder(run, CONFIG, **settings)
    return [stream.add(trial, f"{row:03d}") for row, trial in enumerate(betas)]


def same(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def test_with_training_statistics_a_trial_is_decoded_as_it_is_alone(run, session):
    found = streamed(run, session[:4], statistics="train")
    alone = ImageDecoder(run, CONFIG)
    for row, trial in enumerate(found):
        assert same(trial.arrays, alone.decode((session[row] - 1)[None], row).arrays)
    assert found[0].arrays["pictures"].shape == (1, 32, 32, 3)


def test_running_statistics_begin_after_the_warm_up(run, session):
    found = streamed(run, session[:6], warm_up=4)
    assert [one.statistics for one in found] == ["train"] * 4 + ["running"] * 2
    plain = streamed(run, session[:6], statistics="train")
    assert same(found[3].arrays, plain[3].arrays)
    assert not np.array_equal(found[4].arrays["embeddings"], plain[4].arrays["embeddings"])


@pytest.mark.parametrize("statistics", ["train", "running"])
def test_a_stream_that_is_saved_and_restored_goes_on_to_the_same_bits(
    statistics, run, session, tmp_path
):
    whole = streamed(run, session[:7], statistics=statistics, warm_up=3)
    first = StreamingDecoder(run, CONFIG, statistics=statistics, warm_up=3)
    for row in range(5):
        first.add(session[row], f"{row:03d}")
    first.save(tmp_path / "state")
    second = StreamingDecoder(run, CONFIG, statistics=statistics, warm_up=3)
    second.restore(tmp_path / "state")
    assert second.names == [f"{row:03d}" for row in range(5)]
    for row in (5, 6):
        trial = second.add(session[row], f"{row:03d}")
        assert trial.trial == row
        assert same(trial.arrays, whole[row].arrays)


def test_a_state_of_other_settings_is_refused(run, session, tmp_path):
    stream = StreamingDecoder(run, CONFIG, warm_up=3)
    stream.add(session[0], "a")
    stream.save(tmp_path / "state")
    with pytest.raises(ValueError, match="warm_up: 4 here, 3 there"):
        StreamingDecoder(run, CONFIG, warm_up=4).restore(tmp_path / "state")


def test_a_trial_that_is_refused_or_interrupted_has_not_been(run, session, monkeypatch):
    stream = StreamingDecoder(run, CONFIG)
    stream.add(session[0], "a")
    before = stream.running
    broken = session[1].copy()
    broken[:2] = np.nan
    with pytest.raises(ValueError, match="b: 2 of 20 voxels are not finite"):
        stream.add(broken, "b")
    with pytest.raises(ValueError, match="b has 19 voxels, the run decodes 20"):
        stream.add(session[1][:19], "b")

    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(stream.decoder, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stream.add(session[1], "b")
    assert stream.running is before
    assert stream.names == ["a"]


def test_every_stage_is_timed(run, session):
    seconds = streamed(run, session[:1])[0].seconds
    assert list(seconds) == ["z-score", "decode", "prior", "draw"]
    assert all(one > 0 for one in seconds.values())


def test_statistics_that_need_all_trials_and_a_short_warm_up_are_refused(run):
    with pytest.raises(ValueError, match="`own` need all trials at once"):
        StreamingDecoder(run, CONFIG, statistics="own")
    with pytest.raises(ValueError, match="A warm-up of 1 trials"):
        StreamingDecoder(run, CONFIG, warm_up=1)


def test_zscored_betas_are_decoded_as_they_are(run, session):
    given = streamed(run, session[:2] - 1, units="z")
    known = streamed(run, session[:2], statistics="train")
    assert all(same(one.arrays, other.arrays) for one, other in zip(given, known))
