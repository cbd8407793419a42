"""Print one of the README's commands, so that what is documented is what is run.

Usage: python .ci/readme_command.py demo|test
"""

import re
import sys
from pathlib import Path

MARKS = {"demo": "asyncfc-jupyter demo", "test": "python -m pytest"}


def main() -> None:
    """Find the one line of a shell block that holds the command."""
    readme = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```bash\n(.*?)```", readme, re.DOTALL) for line in block.splitlines()]
    found = [line for line in lines if MARKS[sys.argv[1]] in line and "pip install -e" in line]
    if len(found) != 1:
        sys.exit(f"README.md holds {len(found)} commands with {MARKS[sys.argv[1]]!r}, not one")
    sys.stdout.write(found[0] + "\n")


main()
