"""A gallery whose pictures are here: the server shows them."""

import io
import tarfile

import numpy as np
from PIL import Image

from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.verbs.gallery.serve import open_service


def test_the_picture_of_a_row_is_shown(gallery, networks, scenes):
    service = open_service(gallery, limits=ServeLimits(), clip=networks.clip)
    with tarfile.open(scenes / "00001.tar") as tar:
        file = tar.extractfile(tar.getmembers()[4])  # gallery row 14, as in test_search
        seen = np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")).astype(float)
    shown = np.asarray(Image.open(io.BytesIO(service.thumbnail(14)))).astype(float)
    assert shown.shape == seen.shape == (32, 32, 3)
    # A JPEG of it, and nearer to it than that of any other row.
    others = [np.asarray(Image.open(io.BytesIO(service.thumbnail(row)))) for row in range(12)]
    distances = [np.abs(one - seen).mean() for one in (shown, *others)]
    assert int(np.argmin(distances)) == 0
