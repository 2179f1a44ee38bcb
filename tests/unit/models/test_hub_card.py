import pytest
import torch
from huggingface_hub import ModelCard

from mindeye.models.hub_card import card_facts
from mindeye.models.saved import load_decoder


@pytest.mark.parametrize(
    ("provenance", "told", "not_told"),
    [
        (
            "trained",
            ["Trained by mindeye 0", "on scans: subject 1, nsdgeneral, 3 sessions", "CLIP"],
            "SIM",
        ),
        (
            "simulated",
            ["**SIMULATED:", "on simulated scans", "MIT, as mindeye's code"],
            "not stated",
        ),
        (
            "converted",
            ["from a mindeye2 checkpoint, `last.pth` (sha256 abc)", "mindeye2: washed_out"],
            "Trained",
        ),
    ],
)
def test_the_card_says_where_the_weights_are_from(new_run, tmp_path, provenance, told, not_told):
    decoder = load_decoder(new_run("ours", provenance))
    decoder.save_pretrained(tmp_path / "saved")
    card = ModelCard.load(tmp_path / "saved" / "README.md")
    assert card.data.library_name == "mindeye"
    assert card.data.license is None
    text = card.text.replace("\n", " ")
    for part in (
        *told,
        "1: 7 voxels; 5: 9 voxels",
        f"{sum(map(torch.numel, decoder.parameters())):,}",
    ):
        assert part in text
    assert not_told not in text
    assert "changed after" not in text


def test_a_decoder_from_memory_is_said_to_be_one(small_decoder):
    text = small_decoder("mindeye1").generate_model_card().text
    assert "Not recorded: this decoder was saved from memory" in text
    assert "VAE latents" in text
    assert "`bundle/`" not in text
    without = card_facts(small_decoder("1 x 768").architecture, None, is_changed=False)
    assert not without["has_low_level"]


def test_weights_that_were_changed_after_loading_are_said_to_be(new_run):
    decoder = load_decoder(new_run("ours", "converted"))
    decoder.ridge.layers["1"].bias.data[0] += 1
    assert "The weights have been changed after that." in decoder.generate_model_card().text


TRAINED = {
    "versions": {"mindeye": "0"},
    "data": [{"subject": 1, "roi": "nsdgeneral", "sessions": [1, 2]}],
}
CONVERTED = {
    "converted": {"family": "mindeye2", "files": [{"name": "last.pth", "sha256": "abc"}]},
    "data": [],
}


@pytest.mark.parametrize(
    ("start", "simulated", "origin", "licence"),
    [
        (CONVERTED, True, "from a mindeye2 checkpoint, `last.pth`", "that of the checkpoint"),
        (TRAINED, True, "on scans: subject 1, nsdgeneral, 2 sessions", "not stated"),
        ({**TRAINED, "simulated": {}}, False, "on scans: subject 1", "not stated"),
        ({**TRAINED, "simulated": {"simulated": True}}, True, "on simulated scans", "MIT, as"),
    ],
)
def test_a_fine_tuned_decoder_tells_of_its_start_too(
    small_decoder, start, simulated, origin, licence
):
    about = {**TRAINED, "simulated": {"simulated": True} if simulated else None}
    about["started_from"] = start
    facts = card_facts(small_decoder("ours").architecture, about, is_changed=False)
    assert "It started from another decoder." in facts["origin"]
    assert origin in facts["origin"].split("another decoder.")[1]
    assert facts["licence"].startswith(licence)
