"""What stands wherever results stand that could be taken for more than they are."""

from collections.abc import Mapping
from typing import Any

SIMULATED = "SIMULATED subject: this tests the software and says nothing about brains."
"""Of a simulated subject: on page, terminal and tables."""


def lines_of_test(about: Mapping[str, Any]) -> list[str]:
    """Of data that only test a run: what they are, what saw the test, what is left out."""
    if "trained_by" not in about:
        return []
    name = " ".join(str(about[key]) for key in ("protocol", "task") if about.get(key))
    seen = ", ".join(about["transductive"]) or "none"
    trained = about["trained_by"]["protocol"]
    lines = [f"protocol: {name}; the run was trained by {trained}; steps that saw the test: {seen}"]
    for reason, what in about.get("left_out", {}).items():
        lines.append(f"left out ({reason}): {', '.join(what)}")
    for system, reason in about.get("without", {}).items():
        lines.append(f"no {system}. {reason}")
    return lines
