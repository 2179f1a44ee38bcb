import os

import pytest
import torch

from mindeye.reconstruction.all_cores import map_on_all_cores


@pytest.fixture(autouse=True)
def two_cores():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def looked_at(item: int) -> tuple[int, int, int]:
    return item, torch.get_num_threads(), os.getpid()


def failing(item: int) -> int:
    raise ValueError(f"picture {item}")


def test_results_come_in_order_from_processes_of_one_core_each():
    before = torch.get_rng_state()
    found = map_on_all_cores(looked_at, range(10, 26))
    assert torch.equal(torch.get_rng_state(), before)
    assert [item for item, _, _ in found] == list(range(10, 26))
    assert {threads for _, threads, _ in found} == {1}
    assert len({process for _, _, process in found} - {os.getpid()}) == 2
    assert torch.get_num_threads() == 2


def test_few_items_are_done_here_on_one_core():
    assert map_on_all_cores(looked_at, range(15)) == [(item, 1, os.getpid()) for item in range(15)]
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert {process for _, _, process in map_on_all_cores(looked_at, range(16))} == {os.getpid()}


@pytest.mark.parametrize("num_items", [1, 16])
def test_an_error_comes_through_and_leaves_the_cores_as_they_were(num_items):
    with pytest.raises(ValueError, match="picture 0"):
        map_on_all_cores(failing, range(num_items))
    assert torch.get_num_threads() == 2
