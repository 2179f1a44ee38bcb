import pytest

from mindeye.retrieval.gallery.serving import limits
from mindeye.retrieval.gallery.serving.limits import ServeLimits, TokenBuckets


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_client_gets_its_burst_and_then_the_steady_rate():
    clock = Clock()
    buckets = TokenBuckets(rate=2.0, burst=3, clock=clock)
    assert [buckets.seconds_to_wait("a", 1.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.seconds_to_wait("b", 1.0) == 0
    clock.now += 0.5
    assert [buckets.seconds_to_wait("a", 1.0) for _ in range(2)] == [0, 0.5]
    clock.now += 1_000
    assert [buckets.seconds_to_wait("a", 1.0) for _ in range(4)] == [0, 0, 0, 0.5]


def test_clients_without_end_take_no_memory_without_end(monkeypatch):
    monkeypatch.setattr(limits, "MAX_CLIENTS", 10)
    buckets = TokenBuckets(rate=1.0, burst=1, clock=Clock())
    for number in range(50):
        buckets.seconds_to_wait(str(number), 1.0)
    assert len(buckets._buckets) == 10
    assert buckets.seconds_to_wait("49", 1.0) == 1.0


def test_who_has_waited_a_while_waits_the_rest():
    clock = Clock()
    buckets = TokenBuckets(rate=2.0, burst=1, clock=clock)
    buckets.seconds_to_wait("a", 1.0)
    clock.now += 0.125
    assert buckets.seconds_to_wait("a", 1.0) == 0.375


@pytest.mark.parametrize(
    "given",
    [
        *({name: 0} for name in ("max_k", "max_body", "max_pixels", "max_text", "burst")),
        *({"concurrency": 0}, {"rate": 0.0}, {"rate": float("nan")}),
    ],
)
def test_limits_that_let_nothing_through_are_refused(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        ServeLimits(**given)
