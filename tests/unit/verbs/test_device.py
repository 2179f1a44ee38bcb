from types import SimpleNamespace

import pytest
import torch

from mindeye.verbs.device import devices, require_device


@pytest.fixture
def two_cards(monkeypatch):
    found = SimpleNamespace(type="cuda")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: found)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)


@pytest.fixture
def no_card(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)


def test_devices_are_named_by_kind_and_by_number(two_cards):
    assert devices() == ("cpu", "cuda", "cuda:0", "cuda:1")
    for name in devices():
        require_device(name)


@pytest.mark.parametrize("name", ["cuda:2", "foo", "", "mps", "meta", "cuda:-1"])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(name, two_cards):
    with pytest.raises(LookupError, match=rf"no device `{name}` .* cpu, cuda, cuda:0, cuda:1\."):
        require_device(name)


def test_a_machine_without_a_card_has_its_cpu(no_card):
    require_device("cpu")
    with pytest.raises(LookupError, match=r"no device `cuda` .*--device: cpu\."):
        require_device("cuda")
