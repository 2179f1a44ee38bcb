"""Words of a command line."""

from argparse import ArgumentTypeError

import pytest

from mindeye.verbs.argument_types import from_one, num_bytes, seed_number


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8G", 8 * 10**9),
        ("1.5gb", 15 * 10**8),
        ("900M", 9 * 10**8),
        ("12k", 12_000),
        ("2TB", 2 * 10**12),
        (" 7 ", 7),
        ("8e12", 8 * 10**12),
        # As the help tells a default.
        (f"{8e12:g}", 8 * 10**12),
    ],
)
def test_sizes_are_read_in_powers_of_thousand(text, size):
    assert num_bytes(text) == size


def test_whole_numbers_are_read():
    assert (from_one("12"), seed_number("0")) == (12, 0)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (num_bytes, "much", "much is no size; write it like 8G or 800M"),
        (num_bytes, "8GiB", "8GiB is no size"),
        (num_bytes, "-8G", "-8G is no size"),
        (from_one, "0", "0 is no whole number from 1"),
        (from_one, "-3", "-3 is no whole number from 1"),
        (from_one, "1.5", "1.5 is no whole number from 1"),
        (seed_number, "one", "one is no whole number"),
        (seed_number, "-1", "-1 is negative; choose 0 or more"),
        (seed_number, "9223372036854775808", "is too large; choose at most 9223372036854775807"),
    ],
)
def test_what_stands_for_nothing_is_refused_by_its_name(read, text, message):
    with pytest.raises(ArgumentTypeError, match=message):
        read(text)
