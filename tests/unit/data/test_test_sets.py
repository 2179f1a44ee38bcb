import re

import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.data.design import read_design
from mindeye.data.test_sets import (
    KnownTests,
    known_from_design,
    known_from_prepared,
    name_test_set,
)

KNOWN = KnownTests(
    where="a design",
    subject=2,
    tests={"nsd-40-new_test": np.arange(10), "nsd-special515": np.arange(0, 10, 2)},
    training=np.arange(100, 140),
    validation=np.arange(140, 144),
)


@pytest.mark.parametrize(
    ("ids", "protocol", "certainty", "words"),
    [
        (np.arange(10)[::-1], "nsd-40-new_test", "checked", "All 10 test images of nsd-40"),
        (np.arange(0, 10, 2), "nsd-special515", "checked", "All 5 test images of nsd-special515"),
        (np.array([2, 4]), "nsd-special515", "part", "2 of the 5 test images"),
        (np.array([1, 2, 3]), "nsd-40-new_test", "part", "3 of the 10 test images"),
        (np.array([1, 77]), None, "unknown", "2 images, some in no test set"),
        (np.arange(140, 143), None, "checked", "3 of 4 validation images .* not for results"),
    ],
)
def test_a_test_is_named_by_its_ids(ids, protocol, certainty, words):
    found = name_test_set(ids, KNOWN)
    assert (found.protocol, found.certainty) == (protocol, certainty)
    assert re.match(words, found.words)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (
            [1, 2, 105],
            r"1 of 3 images are training images of subject 2 \(a design\), first ids \[105",
        ),
        ([1, 141], "1 of 2 images are validation images of subject 2 .* and the others are not"),
    ],
)
def test_images_that_are_no_test_are_refused_by_name(ids, message):
    with pytest.raises(ValueError, match=message):
        name_test_set(np.array(ids), KNOWN)


@pytest.mark.parametrize(
    ("count", "protocol"),
    [(982, "nsd-37-avg"), (1000, "nsd-40-new_test"), (930, "nsd-40-new_test"),
     (907, "nsd-40-new_test"), (515, "nsd-special515")],
)  # fmt: skip
def test_a_count_alone_makes_a_test_probable_and_says_what_was_not_checked(count, protocol):
    found = name_test_set(np.arange(count), None)
    assert (found.protocol, found.certainty) == (protocol, "probable")
    assert found.words.startswith("Probably")
    assert "to look for training images" in found.words


def test_another_count_is_an_unknown_test():
    assert name_test_set(np.arange(40), None)[:2] == (None, "unknown")


def test_a_prepared_folder_tells_its_three_splits(tiny_prepared):
    known = known_from_prepared(PreparedSubject(tiny_prepared))
    assert known.tests["made up"].tolist() == list(range(300, 308))
    assert known.training.tolist() == list(range(100, 124))
    assert known.validation.tolist() == list(range(200, 206))


def test_the_design_of_nsd_tells_982_from_1000_images(late_design):
    """Shared images of 37 and of 40 sessions; what all saw three times lies within both."""
    known = known_from_design("design", read_design(late_design, 1), 1)
    first, later = known.tests["nsd-37-avg"], known.tests["nsd-40-new_test"]
    assert (len(first), len(later), len(known.training)) == (982, 1000, 9000)
    assert name_test_set(first, known)[:2] == ("nsd-37-avg", "checked")
    assert name_test_set(later, known)[:2] == ("nsd-40-new_test", "checked")
    assert set(known.tests["nsd-special515"]) <= set(first)
    assert name_test_set(later[:999], known).certainty == "part"
    with pytest.raises(ValueError, match="1 of 983 images are training images of subject 1"):
        name_test_set(np.append(first, known.training[5]), known)


def test_without_a_subject_only_shared_images_are_tests(late_design):
    known = known_from_design("design", read_design(late_design, 1), None)
    with pytest.raises(ValueError, match="are training images of some subject"):
        name_test_set(known.training[:3], known)
