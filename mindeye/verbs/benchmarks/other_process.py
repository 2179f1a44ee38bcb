"""What another process of a benchmark says: memory is told of a whole process."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any


def told(command: Sequence[str]) -> Any:
    """Runs a program of ours to its end; its last line is JSON."""
    run = [sys.executable, *command]
    output = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])
