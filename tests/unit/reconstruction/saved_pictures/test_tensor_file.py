import numpy as np
import pytest
import torch

from mindeye.reconstruction.saved_pictures.tensor_file import open_ids_tensor, open_tensor_file

ROWS = np.array([7, 0, 3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_published_tensor_is_read_row_by_row_as_torch_reads_it(tmp_path, dtype, legacy):
    images = (torch.rand(12, 3, 16, 16) * 200).to(dtype)
    torch.save(images, tmp_path / "recons.pt", _use_new_zipfile_serialization=not legacy)
    opened = open_tensor_file(tmp_path / "recons.pt")
    assert (opened.image_ids, opened.count, opened.size) == (None, 12, (16, 16))
    expected = torch.load(tmp_path / "recons.pt", weights_only=True)[ROWS].permute(0, 2, 3, 1)
    np.testing.assert_array_equal(opened.read(ROWS), expected.float().numpy())


def test_a_tensor_that_was_turned_before_it_was_saved_is_read_right(tmp_path):
    images = torch.rand(12, 16, 16, 3)
    torch.save(images.permute(0, 3, 1, 2), tmp_path / "recons.pt")
    opened = open_tensor_file(tmp_path / "recons.pt")
    np.testing.assert_array_equal(opened.read(ROWS), images[ROWS].numpy())


def test_nothing_that_a_pickle_holds_is_run(tmp_path):
    class Mine:
        def __reduce__(self):
            return (open, (str(tmp_path / "was-run"), "w"))

    torch.save({"images": Mine()}, tmp_path / "recons.pt")
    with pytest.raises(ValueError, match=r"recons\.pt"):
        open_tensor_file(tmp_path / "recons.pt")
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("content", [[torch.zeros(3, 16, 16)], 5])
def test_something_else_than_a_tensor_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "recons.pt")
    with pytest.raises(ValueError, match="not a tensor of pictures"):
        open_tensor_file(tmp_path / "recons.pt")


def test_a_state_dict_is_refused_with_its_names(tmp_path):
    torch.save({"ridge.weight": torch.zeros(3)}, tmp_path / "last.pth")
    with pytest.raises(LookupError, match=r"holds ridge\.weight, but the pictures are looked for"):
        open_tensor_file(tmp_path / "last.pth")


def test_ids_come_from_a_tensor_of_whole_numbers_alone(tmp_path):
    torch.save(torch.tensor([5.0, 3.0]), tmp_path / "ids.pt")
    assert open_ids_tensor(tmp_path / "ids.pt").tolist() == [5, 3]
    torch.save(torch.tensor([5.5]), tmp_path / "ids.pt")
    with pytest.raises(ValueError, match="no list of whole image ids"):
        open_ids_tensor(tmp_path / "ids.pt")
