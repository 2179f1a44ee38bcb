"""What `mindeye doctor` shows: a table for people, JSON for scripts."""

import json
from pathlib import Path

from mindeye import nsd_layout as layout
from mindeye.data.doctor.check import MISSING, OK, WRONG, Check, fetch_line
from mindeye.data.doctor.examine import Diagnosis
from mindeye.report.banner import SIMULATED

COLUMNS = ("subject", "state", "check", "seen", "expected")
MENDING = 2
"""Exit code where a user must mend something."""
_FILES_SHOWN = 3
_WIDEST = 60


def exit_code(diagnosis: Diagnosis) -> int:
    """0 if all that is there is right and what every preparation needs is there."""
    return MENDING if any(check.stops for check in diagnosis.checks) else 0


def as_table(diagnosis: Diagnosis) -> str:
    """One line a check, then how to fetch what is missing, then the sum."""
    checks = diagnosis.checks
    lines = [COLUMNS, *(_cells(check, diagnosis.root) for check in checks)]
    # A long sentence of one line does not push the columns of all the others away.
    lengths = [[min(len(cell), _WIDEST) for cell in line] for line in lines]
    widths = [max(column) for column in zip(*lengths, strict=True)]
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    counts = {state: sum(one.state == state for one in checks) for state in (OK, MISSING, WRONG)}
    needed = sum(check.stops for check in checks if check.state == MISSING)
    total = ", ".join(f"{count} {state}" for state, count in counts.items())
    if needed:
        total += f" ({needed} of the missing ones are needed)"
    banner = [SIMULATED] if diagnosis.simulated is not None else []
    return "\n".join([*table, *_fetching(diagnosis), total, *banner])


def as_json(diagnosis: Diagnosis) -> str:
    """Every field of every check, with the command for each missing file."""
    records = [
        {
            **check._asdict(),
            "paths": [path.as_posix() for path in check.paths],
            "fetch": [] if diagnosis.simulated else _commands(diagnosis, check),
        }
        for check in diagnosis.checks
    ]
    content = {
        "root": str(diagnosis.root),
        "simulated": diagnosis.simulated is not None,
        "good": exit_code(diagnosis) == 0,
        "checks": records,
    }
    return json.dumps(content, indent=1)


def _cells(check: Check, root: Path) -> tuple[str, ...]:
    """Paths in a tree are shown from its root on: the root is the same in every line."""
    subject = "all" if check.subject is None else layout.subject_name(check.subject)
    state = f"{check.state}, needed" if check.state == MISSING and check.stops else check.state
    return subject, state, check.name, check.seen.replace(f"{root}/", ""), check.expected


def _fetching(diagnosis: Diagnosis) -> list[str]:
    """Commands for what is missing, a few files a check: a made-up tree gets nothing of NSD's."""
    missing = [check for check in diagnosis.checks if check.paths]
    if diagnosis.simulated is not None or not missing:
        return []
    lines = ["", "To fetch what is missing (after accepting NSD's terms):"]
    for check in missing:
        commands = _commands(diagnosis, check)
        lines += commands[:_FILES_SHOWN]
        if len(commands) > _FILES_SHOWN:
            more = len(commands) - _FILES_SHOWN
            lines.append(f"# {check.name}: {more} more files; --json lists them all")
    return [*lines, ""]


def _commands(diagnosis: Diagnosis, check: Check) -> list[str]:
    return [fetch_line(diagnosis.root, path) for path in check.paths]
