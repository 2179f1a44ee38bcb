"""A dry run of a converted checkpoint reads no weights of the CLIP that is given."""

import shutil
from pathlib import Path

from mindeye.cli import main
from mindeye.targets.clip import OFFLINE_CLIP


def test_the_weights_of_the_clip_are_neither_loaded_nor_hashed(
    converted, drawing, tmp_path, monkeypatch, capsys
):
    line = [*drawing("mindeye2", converted("mindeye2")), "--dry-run"]
    monkeypatch.setattr("mindeye.targets.clip.open_clip.create_model", None)
    for module in ("targets.clip", "reconstruction.run_networks"):
        monkeypatch.setattr(f"mindeye.{module}.clip_identity", None)
    main(line)
    assert "2 candidates for each: 4 pictures to draw" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_networks_of_other_shapes_are_refused_as_in_earnest(
    converted, drawing, networks, tmp_path, refused
):
    line = [*drawing("mindeye1", converted("mindeye1"))]
    clip, vae = line.index("--clip") + 1, line.index("--vae") + 1
    cut = Path(shutil.copytree(networks.clip, tmp_path / "cut"))
    weights = cut / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    for place, other, told in (
        (clip, OFFLINE_CLIP, "decodes 5 x 16 tokens (projected), but those of"),
        (clip, tmp_path, "No CLIP at"),
        (clip, cut, "is damaged"),
        (vae, tmp_path, "No VAE at"),
    ):
        wrong = [*line]
        wrong[place] = str(other)
        assert told in refused([*wrong, "--dry-run"])
        assert told in refused(wrong)
    assert not (tmp_path / "out").exists()
