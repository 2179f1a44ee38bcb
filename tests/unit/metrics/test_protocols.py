import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize as torchvision_resize

from mindeye.metrics.facts import METRIC_FACTS, metrics_of
from mindeye.metrics.pixels import NATIVE
from mindeye.metrics.protocols import (
    NATIVE_PROTOCOL,
    PROTOCOLS,
    protocol_named,
    protocol_of,
)
from mindeye.quirks import Quirks


@pytest.mark.parametrize(
    ("quirks", "name", "pixels"),
    [
        (Quirks(), "native", "native size"),
        (Quirks(aliased_resizing=True), "custom", "native size"),
        (
            Quirks(resized_through_256=True),
            "custom",
            "256 then 425 px, bilinear, antialias on",
        ),
        (Quirks(compat="mindeye1"), "mindeye1", "256 then 425 px, bilinear, antialias off"),
        (Quirks(compat="mindeye2"), "mindeye2", "256 then 425 px, bilinear, antialias off"),
        (Quirks(compat="mindeye2", resized_through_256=False), "custom", "native size"),
        (
            Quirks(resized_through_256=True, aliased_resizing=True),
            "mindeye1",
            "256 then 425 px, bilinear, antialias off",
        ),
        (Quirks(ssim_by_columns=True), "custom", "native size"),
    ],
)
def test_quirks_choose_the_protocol(quirks, name, pixels):
    protocol = protocol_of(quirks.resolved())
    assert protocol.name == name
    assert protocol.pixels.describe() == pixels
    assert protocol.ssim_by_columns == bool(quirks.ssim_by_columns)


def test_named_protocols_are_those_of_the_systems():
    assert PROTOCOLS == ("native", "mindeye1", "mindeye2")
    assert protocol_named("native") == NATIVE_PROTOCOL == protocol_of(Quirks().resolved())
    assert NATIVE_PROTOCOL.pixels is NATIVE
    for name in ("mindeye1", "mindeye2"):
        assert protocol_named(name) == protocol_of(Quirks(compat=name).resolved())
    with pytest.raises(LookupError, match="Unknown protocol `mindeye3`"):
        protocol_named("mindeye3")


def test_a_protocol_says_everything_that_may_move_a_number():
    assert NATIVE_PROTOCOL.describe() == (
        "native: pixels native size; networks their own side, their own interpolation, antialias on"
    )
    assert protocol_named("mindeye1").describe() == (
        "mindeye1: pixels 256 then 425 px, bilinear, antialias off; "
        "networks 256 then their own side, bilinear, antialias off"
    )


@pytest.mark.parametrize("side", [224, 255, 256, 342])
def test_pictures_come_to_a_network_as_torchvision_resizes_when_told_everything(side):
    images = torch.rand(2, 3, 300, 300, generator=torch.Generator().manual_seed(0))
    published = protocol_named("mindeye1").network_chain(side, "bicubic")(images)
    expected = torchvision_resize(images, [256, 256], antialias=False)
    expected = torchvision_resize(expected, [side, side], antialias=False)
    torch.testing.assert_close(published, expected, rtol=0, atol=1e-6)
    native = NATIVE_PROTOCOL.network_chain(side, "bicubic")(images)
    bicubic = InterpolationMode.BICUBIC
    expected = torchvision_resize(images, [side, side], bicubic, antialias=True).clamp(0, 1)
    torch.testing.assert_close(native, expected, rtol=0, atol=1e-6)


def test_metrics_follow_from_networks_in_the_order_of_tables():
    assert metrics_of({}) == ["PixCorr", "SSIM"]
    assert metrics_of({"swav": 1, "alexnet": 1}) == [
        "PixCorr",
        "SSIM",
        "two-way identification (AlexNet 2)",
        "two-way identification (AlexNet 5)",
        "distance (SwAV)",
    ]
    of_columns = {
        facts.column: (facts.network, facts.output, facts.comparison, facts.better)
        for facts in METRIC_FACTS.values()
        if facts.column
    }
    # Second witness: the nodes of the published evaluation.
    assert of_columns["Alex(2)"] == ("alexnet", "features.4", "two-way", "higher")
    assert of_columns["Alex(5)"] == ("alexnet", "features.11", "two-way", "higher")
    assert of_columns["Incep"] == ("inception", "avgpool", "two-way", "higher")
    assert of_columns["CLIP"] == ("clip-vit-l-14", "embedding", "two-way", "higher")
    assert of_columns["Eff"] == ("efficientnet", "avgpool", "distance", "lower")
    assert of_columns["SwAV"] == ("swav", "avgpool", "distance", "lower")
    columns = [facts.column for facts in METRIC_FACTS.values() if facts.column]
    assert columns == ["PixCorr", "SSIM", "Alex(2)", "Alex(5)", "Incep", "CLIP", "Eff", "SwAV"]
