"""Promise 5: code from a change sees its own run and nothing else of this machine that matters."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.domain.events import RepoRef
from bot.domain.workspaces.isolation import Isolation, Network
from bot.domain.workspaces.variables import Category, Variable
from bot.services.ports import ApplyResult, EngineJob, PlanResult
from bot.terraform.engine import TerraformEngine
from bot.terraform.files.runfolder import RunFolder
from bot.terraform.repository.reach import reach
from bot.terraform.sandbox import Sandbox, SandboxMode
from tests.terraform.conftest import Onlooker, Rig


def spy(command: str) -> str:
    provisioner = f'provisioner "local-exec" {{\n    command = <<-EOT\n{command}\nEOT\n  }}'
    return f'resource "terraform_data" "x" {{\n  {provisioner}\n}}\n'


def applied(engine: TerraformEngine, job: EngineJob, watch: Onlooker) -> ApplyResult:
    engine.fetch(job, watch)
    return engine.apply(job, engine.plan(job, watch), watch)


def planned(engine: TerraformEngine, job: EngineJob, watch: Onlooker) -> PlanResult:
    engine.fetch(job, watch)
    return engine.plan(job, watch)


@pytest.fixture
def sandboxed(rig: Rig) -> None:
    if not Sandbox(SandboxMode.AUTO).active:
        pytest.skip("bubblewrap does not work on this machine")


@pytest.mark.parametrize("mode", [SandboxMode.AUTO, SandboxMode.OFF])
def test_nothing_of_the_workers_environment_gets_in(
    rig: Rig, onlooker: Callable[..., Onlooker], monkeypatch: pytest.MonkeyPatch, mode: SandboxMode
) -> None:
    monkeypatch.setenv("PLANGATE_SECRET_KEY", "the-workers-own-secret")
    outside = {"PLANGATE_SECRET_KEY": "the-workers-own-secret", "https_proxy": "http://proxy.example:3128"}
    engine, watch = rig.engine(sandbox=mode, worker_environment=outside), onlooker()
    variables = (Variable("AWS_REGION", "eu-north-1", category=Category.ENV),)
    sharing = Isolation(network=Network.HOST)
    job = rig.job(spy("env"), variables=variables, environment={"TFC_RUN_ID": "run-1"}, isolation=sharing)

    assert applied(engine, job, watch).succeeded

    assert "PLANGATE_SECRET_KEY" not in watch.text
    assert "the-workers-own-secret" not in watch.text
    for line in ("AWS_REGION=eu-north-1", "TFC_RUN_ID=run-1", "https_proxy=http://proxy.example:3128"):
        assert line in watch.text


def test_the_sandbox_hides_the_data_directory_and_other_processes(
    rig: Rig, onlooker: Callable[..., Onlooker], monkeypatch: pytest.MonkeyPatch, sandboxed: None
) -> None:
    monkeypatch.setenv("PLANGATE_SECRET_KEY", "the-workers-own-secret")
    (rig.data / "runs" / "run-other").mkdir(parents=True)
    for place in ("plangate.db", "runs/run-other/plan.tfplan"):
        (rig.data / place).write_text("hidden-from-view")
    hidden = rig.root / "plangate.yml"
    hidden.write_text("hidden-from-view")
    command = f"""
    cat /proc/[0-9]*/environ | tr '\\0' '\\n'
    cat {rig.data}/plangate.db {rig.data}/runs/run-other/plan.tfplan {hidden} /run/plangate/../../{hidden}
    ls -A {rig.data} | sed 's/^/data: /'
    ls -A /root /home | sed 's/^/home: /'
    touch /etc/planted /usr/planted && echo WROTE OUTSIDE
    echo processes: $(ls -d /proc/[0-9]* | wc -l)
    pwd; echo uid: $(id -u)
    """
    watch = onlooker()
    assert applied(rig.engine(), rig.job(spy(command)), watch).succeeded

    assert "hidden-from-view" not in watch.text
    assert "the-workers-own-secret" not in watch.text
    assert "WROTE OUTSIDE" not in watch.text.replace("&& echo WROTE OUTSIDE", "")
    assert "data: mirrors" not in watch.text
    assert "data: plangate.db" not in watch.text
    assert "/run/plangate/tree" in watch.text
    count = int(watch.text.split("(local-exec): processes: ")[1].split()[0])
    assert count < 20
    assert "uid: 1000" in watch.text


NULL = """
terraform {
  required_providers {
    null = {
      source  = "hashicorp/null"
      version = "2.1.2"
    }
  }
}
resource "null_resource" "x" {}
"""


OWN = Isolation(own_providers=True)


def bring_a_provider(rig: Rig, null_mirror: Path, script: str = "") -> None:
    """Put the null provider into the repository, behind a script of the change's."""
    (real,) = null_mirror.rglob("terraform-provider-null*")
    place = rig.repository.root / "terraform.d" / "plugins" / real.relative_to(null_mirror)
    place.parent.mkdir(parents=True)
    os.link(real, place.with_name("real"))
    place.write_text(f'#!/bin/sh\n{script}\nexec "$(dirname "$0")/real"\n')
    place.chmod(0o755)


def cached(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("linux_amd64"))


def lock_of(rig: Rig, run_id: str) -> str:
    return (rig.data / "runs" / run_id / "tree" / ".terraform.lock.hcl").read_text()


def linked_to(rig: Rig, run_id: str) -> Path:
    (link,) = (rig.data / "runs" / run_id / "providers").glob("*/*/*/*/*")
    return link.readlink()


def test_providers_of_a_commit_get_into_no_cache(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    bring_a_provider(rig, null_mirror)
    cache = rig.root / "cache"
    engine = rig.engine(plugin_cache=cache)
    planned(engine, rig.job(NULL, fills_cache=True, isolation=OWN), onlooker())
    assert cached(cache) == []


def test_code_of_a_change_only_reads_the_cache_of_its_repository(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path, sandboxed: None
) -> None:
    cache = rig.root / "cache"
    engine = rig.engine(plugin_cache=cache, provider_mirror=null_mirror)
    hostile = rig.job(NULL)
    planned(engine, hostile, onlooker())
    assert cached(cache) == []

    planned(engine, dataclasses.replace(hostile, run_id="run-2", fills_cache=True), onlooker())
    assert cached(cache) == ["linux_amd64"]

    locked = {"main.tf": NULL, ".terraform.lock.hcl": lock_of(rig, "run-2")}
    reading = rig.job(locked, run_id="run-3")
    planned(engine, reading, onlooker())
    assert linked_to(rig, "run-3").is_relative_to(cache)

    other = dataclasses.replace(reading.git, repo=RepoRef("test", "acme/other"))
    planned(engine, dataclasses.replace(reading, run_id="run-4", remote=other), onlooker())
    assert not linked_to(rig, "run-4").is_relative_to(cache)


def test_a_provider_that_is_not_the_locked_one_in_the_cache_is_brought_anew(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path, sandboxed: None
) -> None:
    cache = rig.root / "cache"
    engine = rig.engine(plugin_cache=cache, provider_mirror=null_mirror)
    planned(engine, rig.job(NULL, fills_cache=True), onlooker())
    (there,) = cache.rglob("linux_amd64")
    there.unlink()
    there.mkdir()
    (there / "terraform-provider-null_v2.1.2_x4").write_text("another")
    locked = {"main.tf": NULL, ".terraform.lock.hcl": lock_of(rig, "run-1")}
    planned(engine, rig.job(locked, run_id="run-2"), onlooker())
    assert [path.read_text() for path in there.iterdir()] == ["another"]


def test_code_of_a_change_does_not_say_what_is_in_its_commit(
    rig: Rig, onlooker: Callable[..., Onlooker], null_mirror: Path
) -> None:
    forge = "echo forged > ../files-of-the-commit; echo '# forged' >> .terraform.lock.hcl"
    bring_a_provider(rig, null_mirror, forge)
    plan = planned(rig.engine(), rig.job(NULL, isolation=OWN), onlooker())
    folder = RunFolder.of(rig.data, "run-1")
    assert "forged" in (folder.tree / ".terraform.lock.hcl").read_text()
    files = rig.repository.git("ls-tree", "-r", "-z", "HEAD").encode()
    assert plan.files == reach(files, folder, folder.tree).hash
    assert b"forged" not in plan.dependency_lock


def test_a_terraform_folder_from_the_commit_is_thrown_away(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    pointer = (
        '{"version":3,"backend":{"type":"http","config":{"address":"http://127.0.0.1:9/evil"},"hash":1}}'
    )
    files = {
        "main.tf": 'resource "terraform_data" "x" {}\n',
        ".terraform/terraform.tfstate": pointer,
        "terraform.tfstate": '{"version":4,"serial":99,"lineage":"evil","resources":[]}',
    }
    watch = onlooker()
    assert applied(rig.engine(), rig.job(files), watch).succeeded
    assert rig.server.resources == ["terraform_data.x"]


@pytest.mark.parametrize(
    ("directory", "reason"),
    [
        ("../..", "leaves the repository"),
        ("infra/../../..", "leaves the repository"),
        ("out", "goes through the symbolic link out"),
        ("out/ssl", "goes through the symbolic link out"),
        ("nowhere", "the working directory nowhere does not exist"),
        ("main.tf", "the working directory main.tf does not exist"),
    ],
)
def test_a_working_directory_outside_the_tree_is_refused(
    rig: Rig, onlooker: Callable[..., Onlooker], directory: str, reason: str
) -> None:
    job = rig.job("", links={"out": "/etc"}, working_directory=directory)
    with pytest.raises(EngineError, match=reason):
        rig.engine().fetch(job, onlooker())


def test_our_files_do_not_follow_links_that_bear_their_names(
    rig: Rig, onlooker: Callable[..., Onlooker]
) -> None:
    target = rig.root / "target"
    links = dict.fromkeys(
        ("zzz_plangate_override.tf", "zzz_plangate.auto.tfvars.json", ".terraform"), str(target)
    )
    job = rig.job('variable "a" {}\n', links=links, variables=(Variable("a", "value"),))
    engine = rig.engine()
    engine.fetch(job, onlooker())
    with pytest.raises(EngineError):
        engine.plan(job, onlooker())
    assert not target.exists()


@pytest.mark.parametrize("name", ["TF_HTTP_ADDRESS", "LD_PRELOAD", "TF_CLI_CONFIG_FILE", "HOME", "A=B", ""])
def test_a_variable_may_not_replace_a_guard(rig: Rig, onlooker: Callable[..., Onlooker], name: str) -> None:
    job = rig.job("", variables=(Variable(name, "x", category=Category.ENV),))
    engine = rig.engine()
    engine.fetch(job, onlooker())
    with pytest.raises(EngineError, match=r"environment variable|needs a key"):
        engine.plan(job, onlooker())


def test_a_required_sandbox_that_does_not_work_refuses_runs(
    rig: Rig, onlooker: Callable[..., Onlooker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin" / "bwrap"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho no permission >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("bot.terraform.sandbox.closed._bundled", lambda: None)
    strict = Sandbox(SandboxMode.REQUIRED, path=str(broken.parent))
    with pytest.raises(EngineError, match=r"a sandbox is required .* no permission"):
        _ = strict.active
    lenient = Sandbox(SandboxMode.AUTO, path=str(broken.parent))
    assert not lenient.active
    assert lenient.describe() == "no sandbox: bubblewrap does not work here: no permission"


def test_a_sandbox_that_was_killed_when_it_was_tried_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlucky, tried = tmp_path / "bin" / "bwrap", tmp_path / "tried"
    unlucky.parent.mkdir()
    unlucky.write_text(f"#!/bin/sh\n[ -e {tried} ] || {{ : > {tried}; kill -KILL $$; }}\nexit 0\n")
    unlucky.chmod(0o755)
    monkeypatch.setattr("bot.terraform.sandbox.closed._bundled", lambda: None)
    found = Sandbox(SandboxMode.AUTO, path=str(unlucky.parent))
    assert found.active
    assert found.describe() == Sandbox(SandboxMode.AUTO, path=str(unlucky.parent)).describe()
