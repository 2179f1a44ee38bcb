import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mindeye.retrieval.embedding_file import read_embedding_file
from mindeye.retrieval.embedding_pairs import EmbeddingPairs, TrainingEmbeddings


def arrays(**changes) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    plain = {
        "brain": rng.normal(size=(4, 2, 3)).astype(np.float32),
        "images": rng.normal(size=(4, 2, 3)).astype(np.float32),
        "image_ids": np.array([30, 10, 40, 20]),
    }
    return {name: one for name, one in {**plain, **changes}.items() if one is not None}


def written(tmp_path, **changes):
    path = tmp_path / "embeddings.npz"
    np.savez(path, **arrays(**changes))
    return path


def test_rows_come_in_the_order_of_ids(tmp_path):
    found = read_embedding_file(written(tmp_path))
    np.testing.assert_array_equal(found.pairs.image_ids, [10, 20, 30, 40])
    np.testing.assert_array_equal(found.pairs.brain, arrays()["brain"][[1, 3, 0, 2]])
    np.testing.assert_array_equal(found.pairs.images, arrays()["images"][[1, 3, 0, 2]])
    assert (found.subject, found.simulated, found.pairs.training) == (None, False, None)


def test_brain_and_images_are_matched_by_id_and_not_by_position(tmp_path):
    path = written(tmp_path, brain_ids=np.array([40, 30, 20, 10]))
    found = read_embedding_file(path).pairs
    np.testing.assert_array_equal(found.brain, arrays()["brain"][[3, 2, 1, 0]])
    np.testing.assert_array_equal(found.images, arrays()["images"][[1, 3, 0, 2]])


def test_runs_of_the_scanner_are_those_of_the_brains_in_the_order_of_the_scan(tmp_path):
    runs, brain_ids = np.array([5, 5, 2, 2]), np.array([40, 30, 20, 10])
    scan = read_embedding_file(written(tmp_path, brain_ids=brain_ids, runs=runs)).scan
    np.testing.assert_array_equal(np.array([10, 20, 30, 40])[scan.rows], brain_ids)
    np.testing.assert_array_equal(scan.runs, runs)
    scan = read_embedding_file(written(tmp_path, runs=runs)).scan
    np.testing.assert_array_equal(np.array([10, 20, 30, 40])[scan.rows], arrays()["image_ids"])
    assert read_embedding_file(written(tmp_path)).scan is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_safetensors_say_the_same_in_any_precision(dtype, tmp_path):
    more = {
        "subject": np.array([5]),
        "simulated": np.array([1]),
        "training_images": arrays()["brain"][:3],
        "training_ids": np.array([7, 5, 6]),
    }
    tensors = {name: torch.from_numpy(one) for name, one in arrays(**more).items()}
    tensors = {k: one.to(dtype) if one.is_floating_point() else one for k, one in tensors.items()}
    save_file(tensors, tmp_path / "some.safetensors")
    found = read_embedding_file(tmp_path / "some.safetensors")
    assert (found.subject, found.simulated) == (5, True)
    np.testing.assert_allclose(
        found.pairs.brain.float(), arrays()["brain"][[1, 3, 0, 2]], rtol=0.01, atol=0.01
    )
    training = found.pairs.training
    np.testing.assert_array_equal(training.image_ids, [7, 5, 6])
    assert torch.equal(training.read(np.array([2, 0])), tensors["training_images"][[2, 0]])
    assert torch.equal(torch.cat(list(training.blocks())), tensors["training_images"])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"images": None}, "lacks images"),
        ({"imges": np.zeros(4)}, "holds an unknown `imges`"),
        ({"image_ids": np.array([1, 2, 2, 3])}, r"stand more than once, first \[2\]"),
        ({"image_ids": np.array([1.5, 2, 3, 4])}, "`image_ids` is torch.float64"),
        ({"image_ids": np.arange(3)}, "`images` has 4 rows"),
        ({"brain_ids": np.array([10, 20, 30, 41])}, "2 image ids stand only on one side, first 40"),
        ({"runs": np.array([1, 1, 2])}, "`runs` is torch.int64 of shape .3,., but `brain` has 4"),
        ({"brain": np.zeros((4, 6), dtype=int)}, "`brain` holds torch.int64, not embeddings"),
        ({"training_ids": np.array([1])}, "`training_images` has 0 rows"),
        ({"training_images": np.zeros((1, 6))}, "together, or neither"),
        (
            {"training_images": np.zeros((1, 6)), "training_ids": np.array([1])},
            r"embeddings of shape \(6,\), test images of \(2, 3\)",
        ),
        (
            {"training_images": np.zeros((1, 2, 3)), "training_ids": np.array([40])},
            "1 of 4 test images are training images, first id 40",
        ),
        ({"subject": np.array([1, 2])}, r"`subject` has shape \(2,\)"),
        ({"image_ids": np.array(["a", "b", "c", "d"])}, "cannot be read"),
        ({"image_ids": np.array([None, 1, 2, 3])}, "cannot be read"),
    ],
)
def test_what_is_no_file_of_embeddings_is_refused(changes, text, tmp_path):
    with pytest.raises(ValueError, match=text):
        read_embedding_file(written(tmp_path, **changes))


@pytest.mark.parametrize("name", ["cut.npz", "cut.safetensors"])
def test_a_damaged_file_is_named(name, tmp_path):
    (tmp_path / name).write_bytes(written(tmp_path).read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        read_embedding_file(tmp_path / name)


def test_other_files_and_none_are_refused(tmp_path):
    (tmp_path / "embeddings.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="ends neither in"):
        read_embedding_file(tmp_path / "embeddings.pt")
    with pytest.raises(FileNotFoundError, match="is not a file"):
        read_embedding_file(tmp_path / "absent.npz")


def test_pairs_out_of_order_are_refused():
    two = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="do not ascend"):
        EmbeddingPairs(image_ids=np.array([2, 1]), brain=two, images=two)
    with pytest.raises(ValueError, match="1 of 2 test images are training images"):
        EmbeddingPairs(
            image_ids=np.array([1, 2]),
            brain=two,
            images=two,
            training=TrainingEmbeddings(image_ids=np.array([2, 9]), read=lambda rows: two[rows]),
        )
