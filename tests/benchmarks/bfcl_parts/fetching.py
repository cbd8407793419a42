"""Fetches the package that holds the tool classes, the questions and the official state checker, at a pinned hash.

Nothing of it is installed: pip downloads two wheels and checks their hashes, and what is needed is unpacked into a folder of
its own below ``.cache``. The package has 148 dependencies, of which its multi-turn classes use one.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "data" / "bfcl_requirements.txt"
_HOME = Path(__file__).resolve().parents[3] / ".cache" / "bfcl"
#: What the multi-turn categories need.
_WANTED = (
    "mpmath",
    "bfcl_eval/__init__.py",
    "bfcl_eval/constants/__init__.py",
    "bfcl_eval/constants/executable_backend_config.py",
    "bfcl_eval/eval_checker/__init__.py",
    "bfcl_eval/eval_checker/multi_turn_eval",
    "bfcl_eval/data/BFCL_v4_multi_turn",
    "bfcl_eval/data/possible_answer/BFCL_v4_multi_turn",
)
_TIMEOUT_S = 300.0


class BfclUnavailableError(Exception):
    """The package cannot be had here; the message says why."""


def fetched() -> Path:
    """Return the folder that holds the unpacked packages, fetched first if need be.

    Raises:
        BfclUnavailableError: They cannot be fetched, or are not what was pinned.
    """
    folder = _HOME / "packages"
    pinned = REQUIREMENTS.read_text(encoding="utf-8")
    mark = folder / "pinned.txt"
    _HOME.mkdir(parents=True, exist_ok=True)
    with (_HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes may want it at once
        if not mark.exists() or mark.read_text(encoding="utf-8") != pinned:
            with tempfile.TemporaryDirectory(dir=_HOME) as place:
                _download(Path(place))
                shutil.rmtree(folder, ignore_errors=True)
                for wheel in sorted(Path(place).glob("*.whl")):
                    _unpack(wheel, folder)
            mark.write_text(pinned, encoding="utf-8")
    return folder


def _download(place: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--dest", str(place), "-r", str(REQUIREMENTS)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise BfclUnavailableError(f"bfcl-eval cannot be fetched by pip: {said[-1] if said else error}") from error


def _unpack(wheel: Path, folder: Path) -> None:
    with contextlib.closing(zipfile.ZipFile(wheel)) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(_WANTED)])
