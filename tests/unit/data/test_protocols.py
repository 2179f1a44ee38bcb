"""Protocols on a made-up design of 40 sessions; the witness counts showings one by one."""

from collections import Counter

import numpy as np
import pytest

from mindeye.data.design import Design
from mindeye.data.protocols import (
    PROTOCOLS,
    assign,
    protocol_of,
    seen_three_times_by_all,
    transductive_steps,
    unlike_nsd,
)
from mindeye.simulate.design import make_design


@pytest.fixture(scope="module")
def design():
    """Showings spread over the sessions as NSD's are."""
    made = make_design("nsd", 40, seed=3)
    return Design(
        subject=1,
        image_ids=made.image_ids(1, 40),
        is_shared=made.masterordering <= 1000,
        sessions=np.repeat(np.arange(1, 41), 750),
        runs=np.ones(30000, dtype=np.int64),
        repeats=np.zeros(30000, dtype=np.int64),
    )


def shown_in(design, sessions, shared):
    """Image ids, trial by trial."""
    return Counter(
        int(image_id)
        for image_id, session, is_shared in zip(design.image_ids, design.sessions, design.is_shared)
        if session in sessions and is_shared == shared
    )


def everyone(splits):
    return np.sort(np.concatenate(list(splits.values()))).tolist()


@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_image_is_in_two_splits(name, design):
    splits = assign(name, design, range(1, 38), seed=0).splits
    assert len(set(everyone(splits))) == len(everyone(splits))


@pytest.mark.parametrize("sessions", [range(1, 41), range(1, 38)])
def test_shared_images_of_the_sessions_are_the_test_and_own_ones_the_rest(design, sessions):
    for name in ("nsd-40-new_test", "nsd-37-avg"):
        splits = assign(name, design, sessions, seed=0).splits
        assert splits["test"].tolist() == sorted(shown_in(design, sessions, True))
        own = np.sort(np.concatenate([splits["train"], splits["validation"]]))
        assert own.tolist() == sorted(shown_in(design, sessions, False))
    # NSD: 982 and 8859 in 37 sessions, 1000 and 9000 in 40; this design is only like it.
    assert (len(splits["test"]) == 1000) == (len(sessions) == 40)
    if len(sessions) == 37:
        assert 965 < len(splits["test"]) < 995
        assert 8800 < len(own) < 8920


def test_the_special_images_were_seen_three_times_in_the_sessions_of_all(design):
    counts = shown_in(design, range(1, 31), True)
    expected = sorted(image_id for image_id, count in counts.items() if count == 3)
    splits = assign("nsd-special515", design, range(1, 41), seed=0).splits
    assert splits["test"].tolist() == expected == seen_three_times_by_all(design).tolist()
    assert 450 < len(expected) < 600


def test_other_shared_images_are_in_no_split_and_training_stays_that_of_the_default(design):
    special = assign("nsd-special515", design, range(1, 41), seed=0).splits
    default = assign("nsd-40-new_test", design, range(1, 41), seed=0).splits
    for split in ("train", "validation"):
        np.testing.assert_array_equal(special[split], default[split])
    assert set(special["test"]) < set(default["test"])


def test_held_out_sessions_test_images_that_no_earlier_session_shows(design):
    held_out = assign("nsd-session-heldout", design, range(1, 41), seed=0)
    assert held_out.test_sessions == (38, 39, 40)
    early = set(design.image_ids[design.sessions < 38].tolist())
    late = set(design.image_ids[design.sessions >= 38].tolist())
    assert held_out.splits["test"].tolist() == sorted(late - early)
    assert everyone(held_out.splits) == sorted(late | early)
    assert 100 < len(late - early) < 220  # NSD: 159


def test_held_out_sessions_give_no_trial_to_training(design):
    held_out = assign("nsd-session-heldout", design, range(1, 41), seed=0)
    for session in (37, 38):
        image_ids = design.image_ids[design.sessions == session]
        members = held_out.members(image_ids, session)
        is_test = np.isin(image_ids, held_out.splits["test"])
        np.testing.assert_array_equal(members["test"], is_test)
        of_training = members["train"] | members["validation"]
        np.testing.assert_array_equal(of_training, ~is_test & (session == 37))


def test_sessions_are_chosen_or_refused_by_the_protocol():
    every = tuple(range(1, 41))
    assert protocol_of("nsd-37-avg").sessions(1, None, every) == every[:37]
    assert protocol_of("nsd-37-avg").sessions(6, None, every[:32]) == every[:29]
    assert protocol_of("nsd-37-avg").sessions(8, None, every[:30]) == every[:27]
    assert protocol_of("nsd-40-new_test").sessions(1, (3,), every) == (3,)
    with pytest.raises(ValueError, match=r"takes sessions 1 to 37 of subject 1, not \[1, 2\]"):
        protocol_of("nsd-37-avg").sessions(1, (1, 2), every)
    with pytest.raises(ValueError, match=r"sessions 1 to 30, but \[7\] are left out"):
        protocol_of("nsd-special515").sessions(1, tuple({*every} - {7}), every)
    with pytest.raises(ValueError, match=r"last 3 sessions, but there are only \[1, 2, 3\]"):
        protocol_of("nsd-session-heldout").sessions(1, (1, 2, 3), every)


def test_an_unknown_protocol_is_refused_with_the_list():
    with pytest.raises(LookupError, match=r"`nsd-41`. Pick one of nsd-40-new_test, nsd-37-avg, "):
        protocol_of("nsd-41")


def test_counts_other_than_those_of_nsd_are_told(design):
    found = assign("nsd-37-avg", design, range(1, 38), seed=0)
    assert "test images, not 982" in unlike_nsd("nsd-37-avg", 1, found)
    assert unlike_nsd("nsd-37-avg", 3, found) is None
    assert unlike_nsd("nsd-40-new_test", 1, found) is None
    ids = np.arange(982 + 8859)
    nsd = {"test": ids[:982], "train": ids[982:9000], "validation": ids[9000:]}
    assert unlike_nsd("nsd-37-avg", 1, found._replace(splits=nsd)) is None


def test_steps_that_see_the_test_or_its_sessions_are_flagged():
    assert transductive_steps("nsd-40-new_test", "session-train") == []
    assert transductive_steps("nsd-37-avg", "session-all") == ["zscore:session-all"]
    assert transductive_steps("nsd-session-heldout", "session-train") == [
        "zscore:held-out-sessions"
    ]
    assert transductive_steps("nsd-session-heldout", "train-global") == []
