from collections import OrderedDict

import pytest
import torch

from mindeye.models.checkpoint.file import open_checkpoint

SHAPES = ({"a.weight": (4, 3), "b.weight": (2, 5)}, {"a.bias": (4,), "b.bias": (3,)})


def trained() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {
        name: torch.randn(shape, generator=generator)
        for group in SHAPES
        for name, shape in group.items()
    }


def pieces_of(group: dict, processes: int) -> list[torch.Tensor]:
    """All tensors end to end, padded to a multiple of 2 x processes, one piece for each."""
    flat = torch.cat([trained()[name].flatten() for name in group])
    padding = -len(flat) % (2 * processes)
    return list(torch.cat([flat, torch.zeros(padding)]).chunk(processes))


def write_folder(folder, *, processes: int = 4, stage: int = 2, prefix: str = "") -> None:
    """A folder as DeepSpeed's engine leaves it."""
    inside = folder / "last"
    inside.mkdir(parents=True)
    (folder / "latest").write_text("last")
    module = OrderedDict({prefix + name: one.half() for name, one in trained().items()})
    module[f"{prefix}buffer"] = torch.arange(3)
    shapes = [
        OrderedDict({prefix + name: torch.Size(shape) for name, shape in group.items()})
        for group in SHAPES
    ]
    model = {"module": module, "buffer_names": ["buffer"], "param_shapes": shapes}
    torch.save(model | {"ds_version": "0.12"}, inside / "mp_rank_00_model_states.pt")
    of_group = [pieces_of(group, processes) for group in SHAPES]
    for rank in range(processes):
        state = {
            "zero_stage": stage,
            "partition_count": [processes] * len(SHAPES),
            "single_partition_of_fp32_groups": [pieces[rank].clone() for pieces in of_group],
        }
        name = f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        torch.save({"optimizer_state_dict": state}, inside / name)


@pytest.mark.parametrize("processes", [1, 2, 4, 12])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_float32_weights_are_joined_from_the_pieces_of_all_processes(tmp_path, processes, prefix):
    write_folder(tmp_path / "run", processes=processes, prefix=prefix)
    checkpoint = open_checkpoint(tmp_path / "run")
    assert checkpoint.weights.keys() == trained().keys() | {"buffer"}
    for name, tensor in trained().items():
        assert checkpoint.weights.shape_of(name) == tuple(tensor.shape)
        torch.testing.assert_close(checkpoint.weights[name], tensor, rtol=0, atol=0)
    assert checkpoint.weights["buffer"].tolist() == [0, 1, 2]
    assert len(checkpoint.files) == 1 + processes


def test_without_optimizer_files_the_16_bit_weights_are_taken(tmp_path):
    write_folder(tmp_path / "run")
    for path in (tmp_path / "run" / "last").glob("*_optim_states.pt"):
        path.unlink()
    found = open_checkpoint(tmp_path / "run").weights
    for name, tensor in trained().items():
        torch.testing.assert_close(found[name], tensor.half(), rtol=0, atol=0)


def test_the_tagged_folder_itself_may_be_given(tmp_path):
    write_folder(tmp_path / "run")
    assert len(open_checkpoint(tmp_path / "run" / "last").weights) == 5


def test_a_missing_piece_is_counted(tmp_path):
    write_folder(tmp_path / "run")
    next((tmp_path / "run" / "last").glob("*rank_2_*_optim_states.pt")).unlink()
    with pytest.raises(ValueError, match=r"has 3 of 4 \*_optim_states\.pt files"):
        open_checkpoint(tmp_path / "run")


def test_stage_3_is_refused_with_what_to_run(tmp_path):
    write_folder(tmp_path / "run", stage=3)
    with pytest.raises(ValueError, match=r"stage 3\. Run its own zero_to_fp32\.py"):
        open_checkpoint(tmp_path / "run")


def test_pieces_of_another_run_are_refused(tmp_path):
    write_folder(tmp_path / "run", processes=1)
    path = next((tmp_path / "run" / "last").glob("*_optim_states.pt"))
    for length, message in ((5, "end within `a.weight`"), (500, "belong to no tensor")):
        state = {
            "zero_stage": 2,
            "partition_count": 1,
            "single_partition_of_fp32_groups": [torch.ones(length), torch.ones(8)],
        }
        torch.save({"optimizer_state_dict": state}, path)
        with pytest.raises(ValueError, match=message):
            open_checkpoint(tmp_path / "run")


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no mp_rank_00_model_states\.pt"):
        open_checkpoint(tmp_path)
    (tmp_path / "latest").write_text("../elsewhere")
    with pytest.raises(ValueError, match=r"names '\.\./elsewhere'"):
        open_checkpoint(tmp_path)
