"""Files that are whole or absent, and what every artefact says about its origin."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pcl.errors import UserError

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas")


def key(spec: Any) -> str:
    """The eight hexadecimal digits that name a spec in a path: a hash over its canonical JSON."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:8]


def write(path: Path, content: bytes | str | Callable[[BinaryIO], Any]) -> None:
    """Write a file through a temporary one, fsync and rename: readers see the old content or the new.

    Raises:
        UserError: the folder cannot be written or the disk is full; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def append(path: Path, content: str) -> None:
    """Add text to the end of a file, and return when it is on disk.

    Raises:
        UserError: the file cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(content.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(path, error) from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys, so that equal content gives equal bytes."""
    write(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); delete its folder and run the step again") from error


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write a compressed .npz of named arrays; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write(path, buffer.getvalue())


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path}: cannot be written ({error.strerror}); nothing was lost, free the disk or change the rights and "
        "start again"
    )


def provenance(**facts: Any) -> dict[str, Any]:
    """Facts about a run with code revision, versions and machine."""
    return {
        "code": revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {package: version(package) for package in PACKAGES},
        **facts,
    }


def revision() -> str:
    """The commit of the code, "-dirty" where files differ from it; "unknown" outside a checkout of its own."""
    root = Path(__file__).parents[1]
    # Installed packages may lie in a checkout of something else: that commit would say nothing.
    if shutil.which("git") is None or not (root / ".git").exists():
        return "unknown"
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else "unknown"
