"""Sources of galleries, what builds them, and a gallery of drawn scenes."""

import io
import json
import tarfile
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from mindeye.cli import main
from mindeye.retrieval.gallery.folder import open_gallery
from mindeye.simulate.clustered_vectors import ClusteredVectors
from mindeye.simulate.laion_shards import write_laion_shards
from mindeye.simulate.scene_tars import NamedPicture, SceneTars, write_scene_tars
from mindeye.simulate.scenes import caption_of, scene_image, scene_of

NUM_SCENES = 30
SEED = 5
VECTORS = ClusteredVectors(width=16, num_clusters=5, mean_length=1.0)
COUNTS = (300, 300, 100)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """30 scenes, and the first two of them once more; read only."""
    folder = tmp_path_factory.mktemp("drawn") / "scenes"
    first = 2_000_000_000
    again = [NamedPicture(f"again-{n}", scene_image(0, first + n, 32), "again") for n in range(2)]
    how = SceneTars(num_scenes=NUM_SCENES, side=32, scenes_per_tar=12)
    write_scene_tars(folder, how, again, about_planted={"made": "twice"}, workers=1)
    return folder


@pytest.fixture(scope="session")
def gallery(scenes, networks, tmp_path_factory):
    """Read only."""
    out = tmp_path_factory.mktemp("built") / "gallery"
    main(["gallery", "build", str(scenes), "--out", str(out), "--clip", str(networks.clip)])
    return out


@pytest.fixture
def build(tmp_path, capsys):
    """Builds through the command line; gives the gallery, if there is one, and the screen."""

    def _build(source, *options, out="gallery"):
        main(["gallery", "build", str(source), "--out", str(tmp_path / out), *options])
        there = (tmp_path / out / "gallery.json").is_file()
        return open_gallery(tmp_path / out) if there else None, capsys.readouterr().out

    return _build


@pytest.fixture
def refusal(tmp_path, capsys):
    """The one message of a build that is refused."""

    def _refusal(source, *options, out="gallery"):
        with pytest.raises(SystemExit) as caught:
            main(["gallery", "build", str(source), "--out", str(tmp_path / out), *options])
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return error.split("mindeye: ")[1]

    return _refusal


def png_of(image_id: int, side: int = 64) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(scene_image(SEED, image_id, side)).save(stream, format="PNG")
    return stream.getvalue()


def caption(image_id: int) -> str:
    return caption_of(scene_of(SEED, image_id))


def write_tar(path, image_ids, further=()):
    """Samples as img2dataset and webdataset write them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for image_id in image_ids:
            about = {"url": f"http://a/{image_id}", "width": 1, "exif": {"a": 1}}
            files = {
                "png": png_of(image_id),
                "txt": caption(image_id).encode(),
                "json": json.dumps(about).encode(),
            }
            for suffix, content in files.items():
                add_member(tar, f"{image_id:09d}.{suffix}", content)
        for name, content in further:
            add_member(tar, name, content)


def add_member(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@pytest.fixture(scope="session")
def drawn():
    """Pictures of drawn scenes by their number, their captions, and tars of them."""
    return SimpleNamespace(
        scene=lambda image_id: scene_image(SEED, image_id, 64),
        png=png_of,
        caption=caption,
        write_tar=write_tar,
    )


@pytest.fixture
def folder(tmp_path):
    """Seven pictures at two depths, with captions."""
    root = tmp_path / "pictures"
    for image_id in range(7):
        path = root / ("deep/er" if image_id > 4 else "") / f"{image_id}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_of(image_id))
        path.with_suffix(".txt").write_text(caption(image_id))
    return root


@pytest.fixture
def tars(tmp_path):
    """Three tars of four, three and two pictures."""
    root = tmp_path / "tars"
    for number, image_ids in enumerate((range(4), range(4, 7), range(7, 9))):
        write_tar(root / f"{number:05d}.tar", image_ids)
    return root


def shard_of(root, number):
    return root / "img_emb" / f"img_emb_{number:04d}.npy"


def table_of(root, number):
    return root / "metadata" / f"metadata_{number:04d}.parquet"


def rewrite(root, number, change):
    vectors = np.load(shard_of(root, number))
    np.save(shard_of(root, number), change(vectors))


def rewrite_table(root, number, change):
    parquet.write_table(change(parquet.read_table(table_of(root, number))), table_of(root, number))


def with_row(row, value):
    def change(vectors):
        vectors[row] = value
        return vectors

    return change


def cut(path, num_bytes):
    content = path.read_bytes()
    path.write_bytes(content[:num_bytes])


@pytest.fixture(scope="session")
def files():
    """Files in LAION's layout: which there are, and what changes them."""
    return SimpleNamespace(
        vectors=VECTORS,
        counts=COUNTS,
        shard_of=shard_of,
        table_of=table_of,
        rewrite=rewrite,
        rewrite_table=rewrite_table,
        with_row=with_row,
        cut=cut,
    )


@pytest.fixture
def laion(tmp_path):
    root = tmp_path / "laion"
    write_laion_shards(root, sum(COUNTS), per_shard=COUNTS[0], vectors=VECTORS)
    return root
