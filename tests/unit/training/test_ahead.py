"""Items are made one ahead, and otherwise as if they were not."""

import threading

import pytest

from mindeye.training.ahead import one_ahead


def test_the_items_are_the_same_in_the_same_order():
    assert list(one_ahead(iter(range(7)))) == list(range(7))
    assert list(one_ahead(iter(()))) == []
    assert list(one_ahead(iter((None, None)))) == [None, None]


def test_the_next_item_is_made_while_one_is_used_and_no_further_one():
    begun = [threading.Event() for _ in range(4)]

    def items():
        for number, event in enumerate(begun):
            event.set()
            yield number

    found = one_ahead(items())
    assert next(found) == 0
    assert begun[1].wait(10)
    assert not begun[2].wait(0.05)
    found.close()


def test_what_making_an_item_raises_is_raised_in_its_place():
    def items():
        yield 1
        yield 2
        raise FloatingPointError("the third")

    found = one_ahead(items())
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(FloatingPointError, match="the third"):
        next(found)


def test_no_thread_is_left_when_the_user_stops():
    before = threading.active_count()
    for item in one_ahead(iter(range(100))):
        if item == 3:
            break
    assert threading.active_count() == before
