import numpy as np
import pytest

from mindeye import nsd_layout as nsd
from mindeye.simulate.design import make_design, showing_of
from mindeye.simulate.tables import responses, stim_info


@pytest.fixture(scope="module")
def real():
    return make_design("nsd", 40, seed=3)


@pytest.fixture(scope="module")
def compact():
    return make_design("compact", 4, seed=3)


def repeats(design, sessions):
    return np.bincount(design.masterordering[: sessions * 750], minlength=10_001)[1:]


@pytest.mark.parametrize("placement", ["nsd", "compact"])
def test_every_image_of_the_whole_experiment_is_shown_three_times(placement):
    design = make_design(placement, 4, seed=3)
    assert design.masterordering.shape == (30_000,)
    assert (repeats(design, 40) == 3).all()


def test_nsd_placement_gives_the_real_repeat_counts(real):
    counts = repeats(real, 30)
    assert abs((counts >= 1).sum() - 9209) < 150
    assert abs((counts >= 2).sum() - 7846) < 200
    assert abs((counts == 3).sum() - 5445) < 250
    assert abs((counts[:1000] == 3).sum() - 515) < 60


def test_compact_placement_completes_the_first_sessions(compact):
    counts = repeats(compact, 4)
    assert set(counts) == {0, 3}
    assert (counts == 3).sum() == 1000
    assert (counts[:1000] == 3).sum() == 100


def test_no_image_belongs_to_two_subjects_unless_shared(real):
    shared = real.subjectim[:, :1000]
    assert (shared == real.sharedix).all()
    assert (np.diff(real.sharedix) > 0).all()
    everyone = np.concatenate([real.sharedix, real.subjectim[:, 1000:].ravel()])
    assert sorted(everyone) == list(range(1, nsd.NUM_IMAGES + 1))


def test_slots_hold_as_many_trials_as_each_run_has(real):
    assert real.stimpattern.shape == (40, 12, 75)
    assert (real.stimpattern.sum(-1) == nsd.TRIALS_PER_RUN).all()


def test_showings_are_counted_from_zero():
    assert showing_of(np.array([5, 2, 5, 5, 2])).tolist() == [0, 0, 1, 2, 1]
    counts = make_design("nsd", 40, seed=0).basiccnt
    assert counts.shape == (3, 40)
    assert (counts.sum(0) == 750).all()
    assert (counts.sum(1) == 10_000).all()


def test_the_seed_decides_the_design():
    first, again, other = (make_design("compact", 2, seed=seed) for seed in (1, 1, 2))
    assert (first.masterordering == again.masterordering).all()
    assert (first.subjectim == again.subjectim).all()
    assert (first.masterordering != other.masterordering).any()


def test_tables_agree_with_the_design(compact):
    info = stim_info(compact, np.random.default_rng(0))
    assert info.shape == (73_000, 40)
    assert info["shared1000"].sum() == 1000
    assert info["subject3"].sum() == 10_000
    ids = compact.image_ids(3, 4)
    table = responses(compact, 3, 4, np.random.default_rng(0))
    assert (table["73KID"] - 1 == ids).all()
    assert (table["10KID"] == compact.masterordering[:3000]).all()
    assert (table["ISOLD"] == (showing_of(ids) > 0)).all()
    for repeat in range(3):
        trial = info[f"subject3_rep{repeat}"].to_numpy()[ids]
        here = showing_of(ids) == repeat
        assert (trial[here] == np.flatnonzero(here) + 1).all()


def test_memory_columns_count_the_trials_between(compact):
    table = responses(compact, 1, 4, np.random.default_rng(0))
    row = table[table["ISOLD"] == 1].iloc[10]
    before = table.loc[: row.name - 1, "73KID"]
    earlier = np.flatnonzero(before == row["73KID"])
    assert row["MEMORYRECENT"] == row.name - earlier[-1] - 1
    assert row["MEMORYFIRST"] == row.name - earlier[0] - 1
    same_session = (table["SESSION"].iloc[earlier] == row["SESSION"]).any()
    assert row["ISOLDCURRENT"] == int(same_session)
    assert table["TIME"].is_monotonic_increasing
