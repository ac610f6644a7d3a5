"""Runs share a commit's files: none of them changes what another one sees."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.services.ports import EngineJob, PlanResult
from bot.terraform.engine import TerraformEngine
from bot.terraform.sandbox import Sandbox, SandboxMode
from tests.terraform.conftest import Onlooker, Rig

ATTACK = """
resource "terraform_data" "x" {
  provisioner "local-exec" {
    command = <<-EOT
      echo evil > kept.sh; echo evil >> main.tf; chmod 777 ../modules/a/main.tf; rm -r ../gone
      echo evil > ../modules/a/main.tf; echo evil > ../modules/a/more.tf; mv ../far/file ../far/moved
      ln ../far/other ../far/linked && echo evil > ../far/linked; echo evil > errored.tfstate
      mkdir ../gone && echo evil > ../gone/file
      cat ../gone/file ../modules/a/main.tf | sed 's/^/seen: /'
EOT
  }
}
"""
FILES = {
    "infra/main.tf": ATTACK,
    "infra/kept.sh": "kept\n",
    "modules/a/main.tf": 'output "a" {\n  value = 1\n}\n',
    "gone/file": "kept\n",
    "far/file": "kept\n",
    "far/other": "kept\n",
}


@pytest.fixture
def sharing(rig: Rig, shut: Sandbox) -> TerraformEngine:
    if not shut.layers(rig.data):
        pytest.skip("left out: overlayfs does not work in a sandbox on this machine")
    return rig.engine(trees_from=0)


def planned(engine: TerraformEngine, job: EngineJob, watch: Onlooker) -> PlanResult:
    engine.fetch(job, watch)
    return engine.plan(job, watch)


def tree_of(rig: Rig) -> Path:
    (found,) = (rig.data / "trees").glob("*/*/*/tree")
    return found


def everything(tree: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path.relative_to(tree)): (path.lstat().st_mode, "" if path.is_dir() else path.read_text())
        for path in sorted(tree.rglob("*"))
    }


def test_what_a_run_writes_reaches_no_other_run_and_not_its_apply_elsewhere(
    rig: Rig, sharing: TerraformEngine, onlooker: Callable[..., Onlooker]
) -> None:
    job = rig.job(FILES, working_directory="infra")
    plan = planned(sharing, job, onlooker())
    before = everything(tree_of(rig))
    assert sorted(name for name in before if before[name][1]) == sorted(FILES)

    watch = onlooker()
    assert sharing.apply(job, plan, watch).succeeded, watch.text

    # The run sees what it wrote, as if the tree were its own.
    assert watch.text.count("seen: evil") == 2
    assert everything(tree_of(rig)) == before
    rig.server.state = None
    watch = onlooker()
    other = dataclasses.replace(job, run_id="run-2")
    again = planned(sharing, other, watch)
    assert again.files == plan.files
    assert sharing.apply(other, again, watch).succeeded, watch.text
    assert everything(tree_of(rig)) == before


def test_the_overlay_has_no_way_to_the_folders_below_it(
    rig: Rig, sharing: TerraformEngine, onlooker: Callable[..., Onlooker]
) -> None:
    command = f"""
      (ls -d {rig.data}; ls -d /tmp/layers; ls -d /tmp/0
      cut -d' ' -f5 /proc/self/mountinfo | grep -c layers; id -u) 2>&1 | sed s/^/said:/
    """
    files = {
        "main.tf": 'resource "terraform_data" "x" {\n  provisioner "local-exec" {\n'
        f"    command = <<-EOT\n{command}\nEOT\n  }}\n}}\n"
    }
    job, watch = rig.job(files), onlooker()
    assert sharing.apply(job, planned(sharing, job, watch), watch).succeeded, watch.text
    said = [line.partition("said:")[2] for line in watch.text.splitlines() if "): said:" in line]
    assert "0" in said
    assert "1000" in said
    assert sum("No such file" in line for line in said) == 3
    assert not any(line.startswith("/") for line in said)


@pytest.mark.parametrize("lost", ["the commit's files", "the sandbox"])
def test_a_tree_that_is_not_whole_any_more_is_made_anew_for_the_apply(
    rig: Rig, sharing: TerraformEngine, onlooker: Callable[..., Onlooker], lost: str
) -> None:
    files = {
        "infra/main.tf": 'resource "terraform_data" "x" {\n  provisioner "local-exec" {\n'
        '    command = "cat ../far/file"\n  }\n}\n',
        "far/file": "what was committed",
    }
    job, watch = rig.job(files, working_directory="infra"), onlooker()
    plan = planned(sharing, job, watch)
    if lost == "the sandbox":
        sharing = rig.engine(sandbox=SandboxMode.OFF)
    else:
        shutil.rmtree(rig.data / "trees")
    assert sharing.apply(job, plan, watch).succeeded, watch.text
    assert "what was committed" in watch.text


@pytest.mark.parametrize("mode", [SandboxMode.AUTO, SandboxMode.OFF])
def test_a_shared_tree_is_read_as_one_of_its_own(
    rig: Rig, sharing: TerraformEngine, onlooker: Callable[..., Onlooker], mode: SandboxMode
) -> None:
    files = {
        "infra/main.tf": 'module "a" {\n  source = "../modules/real"\n}\n'
        'module "b" {\n  source = "./below"\n}\n'
        'output "text" {\n  value = join(" ", [file("${path.module}/text.txt"), '
        "module.a.text, module.b.text])\n"
        "}\n",
        "infra/text.txt": "one",
        "infra/below/main.tf": 'output "text" {\n  value = "two"\n}\n',
        "modules/real/main.tf": 'output "text" {\n  value = file("${path.module}/../../far/text.txt")\n}\n',
        "far/text.txt": "three",
    }
    job = rig.job(files, working_directory="infra")
    shared = planned(sharing, job, onlooker())
    alone = planned(
        rig.engine(rig.root / "alone", sandbox=mode, trees_disk=0),
        dataclasses.replace(job, run_id="run-2"),
        onlooker(),
    )
    assert b"one three two" in shared.plan_json
    assert (shared.files, shared.configuration) == (alone.files, alone.configuration)
    assert not (rig.root / "alone" / "trees").exists()
    assert [path.name for path in (rig.data / "runs" / "run-1" / "tree").iterdir()] == ["infra"]


@pytest.mark.parametrize(
    ("more", "links"),
    [
        ({"infra/.terraform/terraform.tfstate": "{}"}, {}),
        ({"infra/terraform.tfstate": "{}"}, {}),
        ({"infra/errored.tfstate": "{}"}, {}),
        ({"far.tf": ""}, {"infra/more.tf": "../far.tf"}),
        ({"far/a": ""}, {"infra/data": "../far"}),
    ],
)
def test_a_working_directory_that_is_not_plain_is_the_run_s_own(
    rig: Rig,
    sharing: TerraformEngine,
    onlooker: Callable[..., Onlooker],
    more: dict[str, str],
    links: dict[str, str],
) -> None:
    job = rig.job(
        {"infra/main.tf": 'output "a" {\n  value = 1\n}\n', "far/b": "", **more},
        links=links,
        working_directory="infra",
    )
    plan = planned(sharing, job, onlooker())
    assert sharing.apply(job, plan, onlooker()).succeeded
    assert (rig.data / "runs" / "run-1" / "tree" / "far" / "b").is_file()
