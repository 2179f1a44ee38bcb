"""The pictures of gallery rows as pixels: from files and tars, or fetched from their addresses."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from mindeye.retrieval.gallery.folder import Gallery
from mindeye.retrieval.gallery.pictures.download import Downloader, decoded
from mindeye.retrieval.gallery.pictures.outcomes import Fetched, Unfetched
from mindeye.retrieval.gallery.pictures.places import GalleryPicture, pictures

MOST_PIXELS = 50_000_000
"""That are held of one picture; of a larger one that the gallery was built of, means of pixels."""


@dataclass(frozen=True, kw_only=True)
class PictureReader:
    """Reads pictures of one gallery; a picture that cannot be had comes with the reason."""

    gallery: Gallery
    downloader: Downloader | None = None
    """None: nothing is fetched."""

    def read(self, rows: Int[np.ndarray, "rows"]) -> list[Fetched]:
        """In their order; those that must be fetched are fetched together."""
        places = pictures(self.gallery, rows)
        found = [self._local(place) for place in places]
        absent = [
            number
            for number, (place, one) in enumerate(zip(places, found, strict=True))
            if one.picture is None and place.url
        ]
        if self.downloader is None:
            for number in absent:
                found[number] = Fetched(None, "only its address is known, and nothing is fetched")
            return found
        fetched = self.downloader.fetch_all([places[number].url for number in absent])
        for number, one in zip(absent, fetched, strict=True):
            found[number] = one
        return found

    def _local(self, place: GalleryPicture) -> Fetched:
        try:
            content = place.read()
            if content is None:
                return Fetched(None, "the gallery knows neither its file nor its address")
            return Fetched(_smaller(decoded(content, place.max_pixels)), None)
        except Unfetched as reason:
            return Fetched(None, str(reason))
        except (OSError, ValueError) as error:
            # A file that is gone or another one now can be restored.
            return Fetched(None, str(error), passing=True)


def _smaller(
    picture: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "_height _width 3"]:
    """Several are in memory at once, whatever the gallery was built of."""
    factor = math.ceil(math.sqrt(picture.shape[0] * picture.shape[1] / MOST_PIXELS))
    return np.asarray(Image.fromarray(picture).reduce(factor)) if factor > 1 else picture
