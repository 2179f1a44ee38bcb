import threading

import pytest
import torch

from mindeye.reconstruction.all_cores import map_on_all_cores


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_threads_of_one_core_each(two_threads):
    both_here = threading.Barrier(2, timeout=10)

    def looked_at(item: int) -> tuple[int, int, int]:
        if item < 2:
            both_here.wait()
        return item, torch.get_num_threads(), threading.get_ident()

    found = map_on_all_cores(looked_at, range(6))
    assert [item for item, _, _ in found] == list(range(6))
    assert {threads for _, threads, _ in found} == {1}
    assert len({thread for _, _, thread in found}) == 2
    assert torch.get_num_threads() == 2


def test_on_one_core_nothing_is_started_and_errors_come_through(two_threads):
    def failing(item: int) -> int:
        raise ValueError(f"picture {item}")

    with pytest.raises(ValueError, match="picture 0"):
        map_on_all_cores(failing, range(3))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    here = threading.get_ident()
    assert map_on_all_cores(lambda _: threading.get_ident(), range(3)) == [here] * 3
