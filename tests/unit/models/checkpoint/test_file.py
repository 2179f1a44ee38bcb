import io
import json
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mindeye.models.checkpoint.file import open_checkpoint

DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
    torch.complex64,
)


def weights() -> OrderedDict:
    generator = torch.Generator().manual_seed(1)
    return OrderedDict(
        {
            "lin.weight": torch.randn(5, 3, generator=generator),
            "lin.bias": torch.randn(5, generator=generator),
            "steps": torch.tensor(7),
        }
    )


def save(path: Path, content, **options) -> Path:
    torch.save(content, path, **options)
    return path


def assert_same(found, expected) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert found.shape_of(name) == tuple(tensor.shape)
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before-1.6"])
@pytest.mark.parametrize("key", ["model_state_dict", "state_dict", "module", None])
def test_weights_come_back_bit_for_bit_wherever_the_program_put_them(tmp_path, key, zipped):
    content = {key: weights(), "epoch": 12, "lrs": [0.1]} if key else weights()
    path = save(tmp_path / "last.pth", content, _use_new_zipfile_serialization=zipped)
    checkpoint = open_checkpoint(path)
    assert_same(checkpoint.weights, weights())
    assert checkpoint.epoch == (12 if key else None)
    assert checkpoint.files == (path,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before-1.6"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_comes_back(tmp_path, dtype, zipped):
    tensor = torch.arange(12).reshape(3, 4).to(dtype)
    path = save(tmp_path / "one.pth", {"a": tensor}, _use_new_zipfile_serialization=zipped)
    assert_same(open_checkpoint(path).weights, {"a": tensor})


def test_shared_storages_and_strides_keep_their_values(tmp_path):
    whole = torch.arange(24.0).reshape(4, 6)
    state = {
        "whole": whole,
        "transposed": whole.T,
        "columns": whole[:, 1:5:2],
        "row": whole[2],
        "expanded": torch.arange(3.0).expand(2, 3),
        "empty": torch.zeros(0, 4),
        "parameter": nn.Parameter(whole[1:]),
    }
    path = save(tmp_path / "views.pth", state)
    found = open_checkpoint(path).weights
    assert_same(found, {name: tensor.detach() for name, tensor in state.items()})
    assert found["transposed"].stride() == whole.T.stride()
    assert path.stat().st_size < 5000  # one storage, not six


def test_writing_to_a_tensor_changes_neither_the_file_nor_the_next_reading(tmp_path):
    path = save(tmp_path / "last.pth", weights())
    before = path.read_bytes()
    found = open_checkpoint(path).weights
    found["lin.bias"].zero_()
    assert path.read_bytes() == before
    assert_same(found, weights())


def test_a_clone_is_independent_although_it_copies_nothing_yet(tmp_path):
    found = open_checkpoint(save(tmp_path / "last.pth", weights())).weights["lin.weight"]
    first, second = found.detach().clone(), found.clone()
    assert type(first) is type(second) is type(found + 1) is torch.Tensor
    first += 1
    torch.testing.assert_close(first, weights()["lin.weight"] + 1, rtol=0, atol=0)
    found.zero_()
    torch.testing.assert_close(second, weights()["lin.weight"], rtol=0, atol=0)


def test_prefixes_of_wrappers_are_taken_off(tmp_path):
    state = {f"module._orig_mod.{name}": tensor for name, tensor in weights().items()}
    path = save(tmp_path / "last.pth", {"model_state_dict": state})
    assert_same(open_checkpoint(path).weights, weights())


def test_a_name_with_and_without_prefix_is_refused(tmp_path):
    path = save(tmp_path / "last.pth", {"module.a": torch.ones(2), "a": torch.ones(2)})
    with pytest.raises(ValueError, match=r"holds `a` twice"):
        open_checkpoint(path)


def test_safetensors_are_read_too(tmp_path):
    path = tmp_path / "weights.safetensors"
    state = {"half": torch.ones(3, 2).bfloat16(), "whole": torch.arange(5)}
    save_file(state, path, metadata={"format": "pt"})
    found = open_checkpoint(path).weights
    assert {name: found[name].tolist() for name in found} == {
        name: tensor.tolist() for name, tensor in state.items()
    }
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged"):
        open_checkpoint(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before-1.6"])
@pytest.mark.parametrize("share", [0.999, 0.5, 0.02])
def test_a_file_that_was_cut_off_is_refused(tmp_path, share, zipped):
    state = weights() | {"large": torch.ones(5000)}
    path = save(tmp_path / "last.pth", state, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut off"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with 'nothing'"),
        (b"version https://git-lfs.github.com/spec/v1\noid", r"begins with 'version https://git"),
        (b"<!DOCTYPE html><html>", "the download failed"),
        (b"\x89PNG\r\n", "no checkpoint"),
    ],
)
def test_other_files_are_refused_by_what_they_begin_with(tmp_path, content, message):
    path = tmp_path / "last.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_checkpoint(path)


def test_other_archives_and_absent_files_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("folder/readme.txt", "hello")
    with pytest.raises(ValueError, match=r"zip file but no checkpoint"):
        open_checkpoint(tmp_path / "other.pth")
    with zipfile.ZipFile(save(tmp_path / "script.pt", weights()), "a") as archive:
        archive.writestr("archive/constants.pkl", b"what TorchScript adds")
    with pytest.raises(ValueError, match=r"zip file but no checkpoint"):
        open_checkpoint(tmp_path / "script.pt")
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*absent\.pth"):
        open_checkpoint(tmp_path / "absent.pth")


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path):
    path = save(tmp_path / "last.pth", {"a": torch.ones(6)})
    grown = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(grown, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            # The shape (6,) is `K\x06\x85`; the count of the storage is `K\x06t`.
            new.writestr(entry.filename, content.replace(b"K\x06\x85", b"K\x07\x85"))
    path.write_bytes(grown.getvalue())
    with pytest.raises(ValueError, match=r"shape \(7,\) reaches beyond its storage"):
        open_checkpoint(path)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/status tells the peak memory")
def test_opening_reads_no_tensor_and_each_is_given_back(tmp_path):
    megabytes = 300
    state = {name: torch.ones(megabytes // 3, 2**18) for name in "abc"}
    path = save(tmp_path / "large.pth", {"model_state_dict": state})
    code = (
        "import json, re, sys\n"
        "from pathlib import Path\n"
        "from mindeye.models.checkpoint.file import open_checkpoint\n"
        "status = Path('/proc/self/status')\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+) kB', status.read_text())[1]) / 1024\n"
        "before = peak()\n"
        "weights = open_checkpoint(Path(sys.argv[1])).weights\n"
        "opened = peak()\n"
        "shapes = [weights.shape_of(name) for name in weights]\n"
        "sums = [float(weights[name].sum()) for name in weights]\n"
        "streamed = peak()\n"
        "whole = list(weights.values())\n"
        "assert sums == [float(one.sum()) for one in whole]\n"
        "print(json.dumps([opened - before, streamed - before, peak() - before]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    opened, streamed, kept = json.loads(done.stdout)
    assert opened < 10
    assert streamed < 0.6 * megabytes < kept
