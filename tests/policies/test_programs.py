"""Finding OPA: a setting, a folder, PATH; what is too old or does not start is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.policies.programs import Programs
from tests.policies.conftest import Patience
from tests.support.opa import opa_script


def put(path: Path, version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(opa_script(version))
    path.chmod(0o755)
    return path


def test_a_folder_comes_before_path_and_the_newest_in_it_first(tmp_path: Path) -> None:
    folder, path = tmp_path / "folder", put(tmp_path / "bin" / "opa", "1.30.0").parent
    put(folder / "opa_1.9.0", "1.9.0")
    put(folder / "1.22.3" / "opa", "1.22.3")
    found = Programs(folder=folder, path=str(path)).find()
    assert found is not None
    assert (found.version, found.origin) == ("1.22.3", f"in {folder}")
    older = Programs("1.9.0", folder=folder, path=str(path)).find()
    assert older is not None
    assert older.title == "OPA 1.9.0"
    on_path = Programs("1.30.0", folder=folder, path=str(path)).find()
    assert on_path is not None
    assert on_path.origin == "on PATH"


def test_a_path_names_one_program_and_no_other(tmp_path: Path) -> None:
    put(tmp_path / "bin" / "opa", "1.30.0")
    chosen = put(tmp_path / "other" / "opa", "1.22.3")
    found = Programs(str(chosen), path=str(tmp_path / "bin")).find()
    assert found is not None
    assert found.version == "1.22.3"
    missing = Programs(str(tmp_path / "nowhere" / "opa"), path=str(tmp_path / "bin"))
    with pytest.raises(EngineError, match="PLANGATE_OPA asks for"):
        missing.provide(Patience())


def test_one_that_was_killed_when_it_was_asked_is_asked_again(tmp_path: Path) -> None:
    real, asked = put(tmp_path / "real" / "opa", "1.30.0"), tmp_path / "asked"
    opa = tmp_path / "bin" / "opa"
    opa.parent.mkdir()
    opa.write_text(f'#!/bin/sh\n[ -e {asked} ] || {{ : > {asked}; kill -KILL $$; }}\nexec {real} "$@"\n')
    opa.chmod(0o755)
    found = Programs(path=str(opa.parent)).find()
    assert found is not None
    assert found.version == "1.30.0"


@pytest.mark.parametrize("version", ["0.70.0", "nonsense"])
def test_what_is_too_old_or_no_opa_is_none(tmp_path: Path, version: str) -> None:
    put(tmp_path / "opa", version)
    assert Programs(path=str(tmp_path)).provide(Patience()) is None


def test_a_version_that_is_not_here_is_an_error_and_off_is_none(tmp_path: Path) -> None:
    put(tmp_path / "opa", "1.22.3")
    with pytest.raises(EngineError, match=r"PLANGATE_OPA asks for 1\.22\.4"):
        Programs("1.22.4", path=str(tmp_path)).provide(Patience())
    assert Programs("off", path=str(tmp_path)).provide(Patience()) is None


def test_what_reaches_out_is_no_part_of_what_policies_may_use(tmp_path: Path) -> None:
    put(tmp_path / "opa", "1.22.3")
    found = Programs(path=str(tmp_path)).find()
    assert found is not None
    able = json.loads(found.capabilities)
    assert [each["name"] for each in able["builtins"]] == ["count"]
    assert able["allow_net"] == []
