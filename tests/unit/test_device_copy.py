import pytest
import torch

from mindeye.device_copy import sent


class Recorded:
    """Notes copies: (pinned or not, to what, without waiting or not)."""

    def __init__(self, calls, is_pinned=False):
        self.calls, self.is_pinned, self.device = calls, is_pinned, torch.device("cpu")

    def pin_memory(self):
        return Recorded(self.calls, is_pinned=True)

    def to(self, device, non_blocking=False):
        self.calls.append((self.is_pinned, device.type, non_blocking))
        return self


@pytest.mark.parametrize(
    ("device", "expected"), [("cpu", (False, "cpu", False)), ("cuda", (True, "cuda", True))]
)
def test_only_copies_to_a_gpu_are_pinned_and_not_waited_for(device, expected):
    calls = []
    # Without the checks of types: a stand-in, on a machine without a GPU.
    sent.__wrapped__(Recorded(calls), torch.device(device))
    assert calls == [expected]


def test_on_a_cpu_the_tensor_itself_comes_back():
    tensor = torch.arange(3.0)
    assert sent(tensor, torch.device("cpu")) is tensor
