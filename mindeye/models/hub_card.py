"""The model card of a decoder: what it is, and honestly where it comes from."""

from collections.abc import Mapping
from typing import Any

from mindeye.models.architecture import Architecture
from mindeye.models.published_prior import PublishedPriorConfig

CARD_TEMPLATE = """---
{{ card_data }}
---

# Brain decoder of {{ subjects }}
{% if simulated %}
**SIMULATED: the brain responses behind these weights were made up by software. They test software
and say nothing about brains.**
{% endif %}
Betas of an fMRI scan -> embeddings for retrieval, image tokens for reconstruction
{%- if has_low_level %}, VAE latents of a blurry picture{% endif %}.

| | |
|---|---|
| origin | {{ origin }} |
| subjects | {{ voxels }} |
| parts | {{ parts }} |
| parameters | {{ "{:,}".format(num_parameters) }} |
| targets | {{ targets }} |
| quirks of the published code | {{ quirks }} |
| licence | {{ licence }} |

```python
from mindeye.models.decoder import Decoder

decoder = Decoder.from_pretrained("OWNER/NAME")
output = decoder(betas, subject={{ first_subject }})
```

It decodes only the brains that it was fitted to, and only their voxels in their order.
{%- if has_provenance %} `bundle/`
holds what is known of them, `provenance.json` what is known of the making.{% endif %}
"""
UNKNOWN = "not recorded"


def card_facts(
    architecture: Architecture, provenance: Mapping[str, Any] | None, *, is_changed: bool
) -> dict[str, Any]:
    """What the template takes, but for the number of parameters."""
    about = provenance or {}
    config, num_voxels_of = architecture.decoder, architecture.num_voxels_of
    parts = (config.backbone, config.token_head, config.prior, config.low_level)
    changed = " The weights have been changed after that." if is_changed else ""
    return {
        "subjects": ", ".join(f"subject {subject}" for subject in num_voxels_of),
        "first_subject": next(iter(num_voxels_of)),
        "simulated": about.get("simulated"),
        "has_provenance": provenance is not None,
        "has_low_level": config.low_level is not None,
        "origin": _origin(about) + changed,
        "voxels": "; ".join(f"{one}: {count} voxels" for one, count in num_voxels_of.items()),
        "parts": ", ".join(type(one).__name__.removesuffix("Config") for one in parts if one),
        "targets": _targets(about, is_published=isinstance(config.prior, PublishedPriorConfig)),
        "quirks": _quirks(about),
        "licence": _licence(about),
    }


def _origin(about: Mapping[str, Any]) -> str:
    version = about.get("versions", {}).get("mindeye", "of an unknown version")
    if "converted" in about:
        converted = about["converted"]
        files = ", ".join(f"`{one['name']}` (sha256 {one['sha256']})" for one in converted["files"])
        return (
            f"Converted by mindeye {version} from a {converted['family']} checkpoint, {files}. "
            "It was trained by others; its file does not tell on which scans."
        )
    if about.get("data"):
        scans = "; ".join(
            f"subject {one['subject']}, {one['roi']}, {len(one['sessions'])} sessions"
            for one in about["data"]
        )
        made_up = "simulated scans" if about.get("simulated") else "scans"
        own = f"Trained by mindeye {version} on {made_up}: {scans}."
        if "started_from" not in about:
            return own
        return f"{own} It started from another decoder. {_origin(about['started_from'])}"
    return "Not recorded: this decoder was saved from memory, not from a run."


def _targets(about: Mapping[str, Any], *, is_published: bool) -> str:
    if about.get("networks"):
        return "; ".join(f"{kind}: {name}" for kind, name in about["networks"].items())
    if is_published and "converted" in about:
        return "those of the published system; the checkpoint does not name them"
    return UNKNOWN


def _quirks(about: Mapping[str, Any]) -> str:
    if "quirks" not in about:
        return UNKNOWN
    on = [name for name, state in about["quirks"].items() if state is True]
    return f"{about['quirks']['compat']}: {', '.join(on)}" if on else "none"


def _licence(about: Mapping[str, Any]) -> str:
    started_from = about.get("started_from")
    if started_from and not (started_from.get("simulated") and about.get("simulated")):
        return _licence({**started_from, "simulated": None})
    if "converted" in about:
        return "that of the checkpoint, which its file does not tell; mindeye's code is MIT"
    if about.get("simulated"):
        return "MIT, as mindeye's code; no person's scans went in"
    return (
        "not stated: who publishes these weights must add it, within the terms of the scans; "
        "mindeye's code is MIT"
    )
