import json
from dataclasses import replace

import pytest
import torch

from mindeye.cli import main
from mindeye.config import from_mapping
from mindeye.data.bundle import VoxelBundle
from mindeye.models.checkpoint.file import open_checkpoint
from mindeye.models.decoder import Decoder
from mindeye.models.published import to_mindeye2
from mindeye.models.saved import load_decoder
from mindeye.nsd_layout import NSDGENERAL_VOXELS
from mindeye.quirks import PUBLISHED, Quirks
from mindeye.verbs.convert import convert_checkpoint, export_run


def outputs_of(decoder: Decoder, subject: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    betas = torch.randn(2, NSDGENERAL_VOXELS[subject], generator=generator)
    with torch.no_grad():
        found = decoder(betas, subject)
        tokens = decoder.prior.sample(
            found.brain_tokens, steps=2, generator=torch.Generator().manual_seed(1)
        )
    return [found.brain_tokens, found.embeddings, found.low_level_latents, tokens]


def assert_same_outputs(ours: Decoder, theirs: Decoder, subject: int) -> None:
    for one, other in zip(outputs_of(ours, subject), outputs_of(theirs, subject), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_mindeye2_checkpoint_becomes_a_run_that_decodes_the_same(
    tmp_path, mindeye2_path, mindeye2_decoder
):
    out = tmp_path / "run"
    convert_checkpoint("mindeye2", mindeye2_path, subjects=[1, 2], out=out)
    decoder = load_decoder(out)
    assert decoder.subjects == (1, 2)
    for subject in (1, 2):
        assert_same_outputs(decoder, mindeye2_decoder, subject)


def test_weights_that_no_output_depends_on_are_kept_on_request(
    tmp_path, mindeye2_path, mindeye2_decoder
):
    command = ["convert", "mindeye2", str(mindeye2_path), "--subjects", "1", "2", "--out"]
    main([*command, str(tmp_path / "kept"), "--keep-idle"])
    main([*command, str(tmp_path / "folded")])
    kept, folded = (load_decoder(tmp_path / name) for name in ("kept", "folded"))
    assert_same_outputs(kept, mindeye2_decoder, 1)
    more = kept.state_dict().keys() - folded.state_dict().keys()
    assert more
    assert all(name.startswith("backbone.idle.") for name in more)
    published, again = open_checkpoint(mindeye2_path).weights, to_mindeye2(kept)
    assert all(torch.equal(again[name], value) for name, value in published.items())


def test_both_mindeye1_checkpoints_become_one_run(tmp_path, mindeye1_paths, mindeye1_decoder):
    high, low = mindeye1_paths
    convert_checkpoint("mindeye1", high, subjects=[5], out=tmp_path / "run", low_level=low)
    assert_same_outputs(load_decoder(tmp_path / "run"), mindeye1_decoder, 5)
    with pytest.raises(ValueError, match="no idle weights: all its blocks are at work"):
        convert_checkpoint("mindeye1", high, subjects=[5], out=tmp_path / "high", keep_idle=True)
    convert_checkpoint("mindeye1", high, subjects=[5], out=tmp_path / "high")
    assert load_decoder(tmp_path / "high").low_level is None


def test_a_folder_of_deepspeed_becomes_a_run_with_its_float32_weights(tmp_path, mindeye2_decoder):
    state = to_mindeye2(mindeye2_decoder)
    fixed = [name for name in state if ".noise_scheduler." in name or "rotary" in name]
    trained = {name: one for name, one in state.items() if name not in fixed}
    module = {f"module.{name}": one.half() for name, one in state.items()}
    shapes = [{f"module.{name}": one.shape for name, one in trained.items()}]
    flat = torch.cat([one.flatten() for one in trained.values()])
    optimizer = {"zero_stage": 2, "partition_count": 1, "single_partition_of_fp32_groups": [flat]}
    folder = tmp_path / "last"
    folder.mkdir()
    torch.save({"module": module, "param_shapes": shapes}, folder / "mp_rank_00_model_states.pt")
    torch.save(
        {"optimizer_state_dict": optimizer}, folder / "zero_pp_rank_0_mp_rank_00_optim_states.pt"
    )
    run = convert_checkpoint("mindeye2", folder, subjects=[1, 2], out=tmp_path / "run")
    assert_same_outputs(load_decoder(run.path), mindeye2_decoder, 2)
    assert len(run.provenance()["converted"]["files"]) == 2


def test_the_run_tells_where_it_comes_from_and_what_is_not_known(tmp_path, mindeye2_path):
    run = convert_checkpoint("mindeye2", mindeye2_path, subjects=[1, 2], out=tmp_path / "run")
    converted = run.provenance()["converted"]
    assert converted["family"] == "mindeye2"
    assert converted["epoch"] == 149
    assert converted["num_voxels_of"] == {"1": 15724, "2": 14278}
    (file,) = converted["files"]
    assert file["name"] == "last.pth"
    assert file["num_bytes"] == mindeye2_path.stat().st_size
    assert len(file["sha256"]) == 64
    assert {"mindeye", "torch"} <= run.provenance()["versions"].keys()
    quirks = run.provenance()["quirks"]
    assert quirks["compat"] == "mindeye2"
    assert {name for name, on in quirks.items() if on is True} == PUBLISHED["mindeye2"]
    assert from_mapping(Quirks, quirks, "provenance") == Quirks(compat="mindeye2").resolved()
    assert "family: mindeye2" in run.config_path.read_text()
    bundle = VoxelBundle.load(run.path / "bundle" / "subj02")
    assert (bundle.subject, bundle.num_voxels, bundle.roi) == (2, 14278, "nsdgeneral")
    assert bundle.coordinates is None
    assert "how many voxels it takes, not which" in bundle.provenance["mask"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.pth", "run"]


def test_back_and_forth_gives_the_published_tensors_bit_for_bit(
    tmp_path, mindeye1_paths, mindeye2_path
):
    high, low = mindeye1_paths
    convert_checkpoint("mindeye1", high, subjects=[5], out=tmp_path / "one", low_level=low)
    convert_checkpoint("mindeye2", mindeye2_path, subjects=[1, 2], out=tmp_path / "two")
    written = (
        *export_run(tmp_path / "one", "mindeye1"),
        *export_run(tmp_path / "two", "mindeye2", tmp_path / "back.pth"),
    )
    assert [path.name for path in written] == [
        "mindeye1.pth",
        "mindeye1_low_level.pth",
        "back.pth",
    ]
    for path, source in zip(written, (high, low, mindeye2_path), strict=True):
        content = torch.load(path, weights_only=True)
        assert content["epoch"] == 149
        expected = torch.load(source, weights_only=False)["model_state_dict"]
        expected = {name.removeprefix("module."): one for name, one in expected.items()}
        assert content["model_state_dict"].keys() == expected.keys()
        for name, tensor in expected.items():
            if "mixer_blocks1" not in name and "mixer_blocks2" not in name:
                torch.testing.assert_close(
                    content["model_state_dict"][name], tensor, rtol=0, atol=0
                )


def test_the_command_goes_there_and_back(tmp_path, mindeye2_path, capsys):
    run = tmp_path / "run"
    main(["convert", "mindeye2", str(mindeye2_path), "--subjects", "1", "2", "--out", str(run)])
    assert f"run: {run}" in capsys.readouterr().out
    main(["convert", "--to", "mindeye2", str(run)])
    assert str(run / "mindeye2.pth") in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"mindeye2\.pth is there already"):
        export_run(run, "mindeye2")


def test_another_roi_passes_and_is_called_unknown(tmp_path, mindeye2_decoder, save_checkpoint):
    decoder = Decoder(
        replace(mindeye2_decoder.config, low_level=None),
        num_voxels_of={1: 50},
        token_shape=(3, 16),
        latent_shape=(4, 4, 4),
    )
    path = save_checkpoint(tmp_path / "last.pth", to_mindeye2(decoder))
    run = convert_checkpoint("mindeye2", path, subjects=[1], out=tmp_path / "run")
    meta = json.loads((run.path / "bundle" / "subj01" / "meta.json").read_text())
    assert meta["roi"] == "unknown"
    assert "NSD's nsdgeneral has 15724" in run.provenance()["converted"]["voxels"]["1"]


def test_verbs_that_need_scans_say_that_a_converted_run_has_none(tmp_path, mindeye2_path, capsys):
    out = tmp_path / "run"
    convert_checkpoint("mindeye2", mindeye2_path, subjects=[1, 2], out=out)
    with pytest.raises(SystemExit) as ended:
        main(["retrieve", str(out)])
    assert ended.value.code == 2
    assert "was converted from a published checkpoint and has no" in capsys.readouterr().err
