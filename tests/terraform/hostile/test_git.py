"""Git can't be turned against the worker, which fetches and checks out, nor by a module inside of a run."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.services.ports import EngineJob, GitRemote
from bot.terraform.files.runfolder import RunFolder
from tests.terraform.conftest import Onlooker, Rig


def fetched(rig: Rig, onlooker: Callable[..., Onlooker], job: EngineJob) -> Path:
    rig.engine().fetch(job, onlooker())
    return RunFolder.of(rig.data, job.run_id).tree


def test_a_filter_of_the_commit_s_attributes_is_not_run(
    rig: Rig, onlooker: Callable[..., Onlooker], tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    files = {
        ".gitattributes": "*.tf filter=evil diff=evil\n",
        ".gitconfig": f'[filter "evil"]\n\tsmudge = touch {trap}\n\tprocess = touch {trap}\n',
        "main.tf": "x",
    }
    tree = fetched(rig, onlooker, rig.job(files))
    assert (tree / "main.tf").read_text() == "x"
    assert not trap.exists()


def test_a_submodule_is_not_fetched(rig: Rig, onlooker: Callable[..., Onlooker], tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    listed = f'[submodule "evil"]\n\tpath = evil\n\turl = ext::touch% {trap}\n\tupdate = !touch {trap}\n'
    job = rig.job({"main.tf": "", ".gitmodules": listed})
    commit = job.commit
    rig.repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},evil")
    rig.repository.git("commit", "-q", "-m", "a submodule")
    job = rig.job({}, "run-2")
    tree = fetched(rig, onlooker, job)
    assert (tree / "main.tf").exists()
    assert not trap.exists()
    assert not any((tree / "evil").glob("*"))


def test_a_folder_named_as_git_s_own_does_not_get_into_the_tree(
    rig: Rig, onlooker: Callable[..., Onlooker], tmp_path: Path
) -> None:
    # Made past Git's own checks, as a hostile server can.
    def git(*args: str, input: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *args], cwd=rig.repository.root, check=True, capture_output=True, input=input
        )
        return done.stdout.decode().strip()

    rig.repository.commit({"main.tf": ""})
    blob = git("hash-object", "-w", "--stdin", input=f"#!/bin/sh\ntouch {tmp_path}/trap\n".encode())
    inner = git("mktree", input=f"100755 blob {blob}\tpost-checkout\n".encode())
    hooks = git("mktree", input=f"040000 tree {inner}\thooks\n".encode())
    root = git("mktree", input=f"040000 tree {hooks}\t.git\n".encode())
    commit = rig.repository.git("commit-tree", root, "-m", "x")
    rig.repository.git("update-ref", "refs/heads/evil", commit)
    job = dataclasses.replace(rig.job(""), commit=commit, ref="refs/heads/evil")
    with pytest.raises(EngineError):
        fetched(rig, onlooker, job)
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("name", ["working_directory", "main.tf"])
def test_a_symbolic_link_out_of_the_tree_is_refused(
    rig: Rig, onlooker: Callable[..., Onlooker], name: str
) -> None:
    if name == "main.tf":
        job = rig.job({"other.tf": ""}, links={"main.tf": "/etc/passwd"})
    else:
        job = rig.job("", links={"out": "/etc"}, working_directory="out")
    engine = rig.engine()
    with pytest.raises(EngineError, match="symbolic link"):
        engine.fetch(job, onlooker())
        engine.plan(job, onlooker())


@pytest.mark.parametrize(
    "source", ["git::ext::sh -c 'touch /run/plangate/home/ran'", "git::file:///run/plangate/tree/bare"]
)
def test_a_module_s_source_starts_no_program_and_reads_no_local_repository(
    rig: Rig, onlooker: Callable[..., Onlooker], source: str
) -> None:
    config = f'module "evil" {{\n  source = "{source}"\n}}\n'
    engine, job, watch = rig.engine(), rig.job(config), onlooker()
    engine.fetch(job, watch)
    with pytest.raises(EngineError):
        engine.plan(job, watch)
    assert not (rig.data / "runs" / "run-1" / "home" / "ran").exists()
    assert (
        "not allowed" in " ".join(watch.text.split()) or "nvalid" in watch.text or "unsupported" in watch.text
    )


def test_a_repository_is_fetched_over_https_or_http_alone(
    rig: Rig, onlooker: Callable[..., Onlooker], tmp_path: Path
) -> None:
    for url in (
        f"ext::touch% {tmp_path}/trap",
        "ssh://host/x",
        f"--upload-pack=touch {tmp_path}/trap",
        "host:x",
    ):
        job = rig.job("")
        job = dataclasses.replace(job, remote=GitRemote(job.git.repo, url))
        with pytest.raises(EngineError, match="https or http"):
            rig.engine().fetch(job, onlooker())
    assert not (tmp_path / "trap").exists()
