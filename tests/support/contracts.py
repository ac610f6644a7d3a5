"""What others recorded of the forges: payloads, answers and API descriptions, in `../shared/contracts`.

They are not part of the project. If the folder is missing, tests that need them are skipped, with one reason.
Set CONTRACTS to look for them in another folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = Path(os.environ.get("CONTRACTS") or ROOT.parent / "shared" / "contracts")
MISSING = "needs the recorded contracts: put them into ../shared/contracts, or set CONTRACTS to their folder"

needs_contracts = pytest.mark.skipif(not CONTRACTS.is_dir(), reason=MISSING)

# The names of the recorded payloads for each forge, so that each is a test even if the folder is missing.
NAMES = ROOT / "tests" / "payloads" / "recorded.json"


def skip_without_contracts(path: Path) -> Path:
    """Return the path; skip the test if it is missing."""
    if not path.exists():
        pytest.skip(MISSING)
    return path


def manifest(forge: str) -> list[dict[str, Any]]:
    """Return what was recorded of a forge: for each payload `file`, headers and tags. Empty if missing."""
    path = CONTRACTS / forge / "MANIFEST.json"
    return json.loads(path.read_text()) if path.is_file() else []


def recorded(forge: str) -> list[Any]:
    """Return a parameter for each recorded payload of a forge: its entry, or a skip with its name."""
    found = {entry["file"]: entry for entry in manifest(forge)}
    names = found or json.loads(NAMES.read_text())[forge]
    return [
        pytest.param(found.get(name, {}), id=name.removesuffix(".json"), marks=needs_contracts)
        for name in names
    ]
