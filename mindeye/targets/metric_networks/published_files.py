"""Where the judging networks are published, and under which terms."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_TORCHVISION = "https://download.pytorch.org/models"
_LPIPS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1"
)


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """A file of weights."""

    url: str
    sha256: str | None
    """The first hex digits of its SHA-256 that are known; None where none was published."""

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]


@dataclass(frozen=True, kw_only=True)
class PublishedNetwork:
    """Either files that are converted once, or a repository of the hub in open_clip's layout."""

    files: tuple[PublishedFile, ...] = ()
    hub: str | None = None
    terms: str


def _torchvision(name: str) -> PublishedFile:
    # torchvision puts the first eight digits of the hash into the name.
    digits = name.removesuffix(".pth").rsplit("-", 1)[1]
    return PublishedFile(url=f"{_TORCHVISION}/{name}", sha256=digits)


def _lpips(name: str, sha256: str, backbone: str) -> PublishedNetwork:
    heads = PublishedFile(url=f"{_LPIPS}/{name}.pth", sha256=sha256)
    return PublishedNetwork(
        files=(_torchvision(backbone), heads), terms="backbone BSD-3, heads BSD-2"
    )


PUBLISHED_NETWORKS: Mapping[str, PublishedNetwork] = MappingProxyType(
    {
        "alexnet": PublishedNetwork(
            files=(_torchvision("alexnet-owt-7be5be79.pth"),), terms="BSD-3 (torchvision)"
        ),
        "inception": PublishedNetwork(
            files=(_torchvision("inception_v3_google-0cc3c7bd.pth"),), terms="BSD-3 (torchvision)"
        ),
        "efficientnet": PublishedNetwork(
            files=(_torchvision("efficientnet_b1-c27df63c.pth"),), terms="BSD-3 (torchvision)"
        ),
        "swav": PublishedNetwork(
            files=(
                PublishedFile(
                    url="https://dl.fbaipublicfiles.com/deepcluster/swav_800ep_pretrain.pth.tar",
                    sha256=None,
                ),
            ),
            terms="CC BY-NC 4.0 (facebookresearch/swav)",
        ),
        "clip-vit-l-14": PublishedNetwork(
            hub="timm/vit_large_patch14_clip_224.openai", terms="MIT (openai/CLIP)"
        ),
        "siglip2": PublishedNetwork(hub="timm/ViT-SO400M-16-SigLIP2-384", terms="Apache-2.0"),
        "lpips-alex": _lpips(
            "alex",
            "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
            "alexnet-owt-7be5be79.pth",
        ),
        "lpips-squeeze": _lpips(
            "squeeze",
            "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
            "squeezenet1_1-b8a52dc0.pth",
        ),
        "lpips-vgg": _lpips(
            "vgg",
            "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
            "vgg16-397923af.pth",
        ),
    }
)
"""Networks of torchvision: IMAGENET1K_V1 (EfficientNet-B1: V2, its default), as published."""
