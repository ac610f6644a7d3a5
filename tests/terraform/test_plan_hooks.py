"""Hooks in the real sandbox: what they see, how they end, and the recipes with stand-in programs."""

from __future__ import annotations

import base64
import json
import re
import textwrap
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import Interrupted
from bot.domain.tasks.tasks import PlanHook, TaskAnswer, TaskStage
from bot.services.ports import WatchSignal
from bot.terraform.running import hooks
from bot.terraform.running.hooks import SandboxedHooks
from bot.terraform.sandbox import Sandbox, SandboxMode
from tests.support.docs import page

PLAN = json.dumps({"format_version": "1.2", "resource_changes": []}).encode()


class Patience:
    """A watcher that says the same each time."""

    def __init__(self, says: WatchSignal = WatchSignal.GO_ON) -> None:
        self.says = says

    def output(self, text: str) -> None:
        raise AssertionError("a hook has no output of its own")

    def tick(self) -> WatchSignal:
        return self.says


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        path.chmod(0o755)
        return path

    return write


def run(
    path: Path, *words: str, plan: bytes = PLAN, watch: Patience | None = None, **fields: Any
) -> TaskAnswer:
    environment = {"TOKEN": "t0ken-of-the-hook", "OTHER": "0ther"}
    hook = PlanHook("h", (TaskStage.POST_PLAN,), **{"command": (str(path), *words), **fields})
    runner = SandboxedHooks(Sandbox(SandboxMode.AUTO), environment)
    return runner.run(hook, plan, {"PLANGATE_STAGE": "post_plan"}, watch or Patience())


def test_a_hook_reads_the_plan_and_its_variables_and_nothing_else(
    program: Callable[[str, str], Path],
) -> None:
    path = program(
        "look",
        """\
        #!/bin/sh
        cmp -s - "$PLANGATE_PLAN_JSON" && echo same
        cat "$PLANGATE_PLAN_JSON"; echo
        [ "$TOKEN" = t0ken-of-the-hook ] && echo given
        echo "$PLANGATE_STAGE ${OTHER:-none} ${PLANGATE_SECRET_KEY:-none} $1"
        """,
    )
    answer = run(path, "a b; $(id)", environment=("TOKEN",))
    assert answer.status.value == "passed"
    assert answer.outcomes == ("same", PLAN.decode(), "given", "post_plan none none a b; $(id)")


def test_a_hook_that_prints_its_own_secret_does_not_tell_it(program: Callable[[str, str], Path]) -> None:
    path = program("leaky", '#!/bin/sh\necho "401 for key $TOKEN"; printf "$TOKEN" | base64\nexit 2\n')
    told = " ".join(run(path, environment=("TOKEN",)).outcomes)
    assert "401 for key" in told
    assert "t0ken-of-the-hook" not in told
    assert base64.b64encode(b"t0ken-of-the-hook").decode().rstrip("=") not in told


@pytest.mark.parametrize(("code", "status"), [(0, "passed"), (1, "failed"), (2, "errored"), (127, "errored")])
def test_the_exit_code_is_the_result(program: Callable[[str, str], Path], code: int, status: str) -> None:
    answer = run(program("end", f"#!/bin/sh\necho why\necho secret >&2\nexit {code}\n"))
    assert (answer.status.value, answer.outcomes) == (status, ("why",))


def test_the_sandbox_hides_the_machine_and_its_network(
    program: Callable[[str, str], Path], tmp_path: Path
) -> None:
    if not Sandbox(SandboxMode.AUTO).active:
        pytest.skip("no sandbox on this machine")
    (tmp_path / "beside").write_text("x\n")
    path = program(
        "try",
        f"""\
        #!/bin/sh
        cat {tmp_path}/beside 2>/dev/null || echo hidden
        echo x 2>/dev/null >> "$PLANGATE_PLAN_JSON" || echo read-only
        echo x > /tmp/mine && echo scratch
        grep -c : /proc/net/dev
        """,
    )
    assert run(path).outcomes == ("hidden", "read-only", "scratch", "1")
    seen = run(path, reads=(str(tmp_path / "beside"),))
    assert seen.outcomes[0] == "x"


def test_a_hook_that_does_not_end_is_ended(program: Callable[[str, str], Path]) -> None:
    path = program("hang", "#!/bin/sh\necho begun\nsleep 600 &\nsleep 600\n")
    answer = run(path, timeout=timedelta(seconds=1))
    assert (answer.status.value, answer.message) == ("errored", "it did not end within its time limit")
    assert answer.outcomes == ("begun",)


def test_a_cancel_ends_a_hook(program: Callable[[str, str], Path]) -> None:
    path = program("hang", "#!/bin/sh\nsleep 600\n")
    with pytest.raises(Interrupted, match="the hook h was running"):
        run(path, watch=Patience(WatchSignal.INTERRUPT))


def test_of_a_flood_only_the_beginning_is_kept(
    program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "MOST_READ", 100)
    answer = run(program("flood", "#!/bin/sh\nyes a-line | head -c 3000000\nexit 1\n"))
    assert answer.status.value == "failed"
    assert set(answer.outcomes[:-1]) == {"a-line"} and len(answer.outcomes) <= 17


def test_hostile_output_is_printable_lines(program: Callable[[str, str], Path]) -> None:
    path = program("evil", "#!/bin/sh\nprintf 'a\\033[31mb\\r\\n\\342\\200\\256c\\n\\377\\n'\n")
    answer = run(path)
    assert all(line.isprintable() for line in answer.outcomes)
    assert "\x1b" not in "".join(answer.outcomes)


def test_a_program_that_is_not_there_says_so(tmp_path: Path) -> None:
    answer = run(tmp_path / "nowhere")
    assert answer.status.value == "errored"
    assert answer.message == "it can't be started: there is no program that this worker may run at its path"


# --- recipes ------------------------------------------------------------------------------------------------


def recipe(program: Callable[[str, str], Path], tool: str, stand_in: str) -> Path:
    """Write a recipe of the page, with a program in place of the real one."""
    scripts = re.findall(r"^```sh\n(#!.*?)^```", page("how-to/hooks"), re.MULTILINE | re.DOTALL)
    (script,) = [each for each in scripts if f"plangate-{tool}" in each]
    path = program(tool, stand_in)
    return program(f"plangate-{tool}", script.replace(f"/usr/local/bin/{tool}", str(path)))


@pytest.mark.parametrize(("found", "status"), [("aws_s3_bucket", "failed"), ("nothing", "passed")])
def test_the_recipe_for_checkov(program: Callable[[str, str], Path], found: str, status: str) -> None:
    path = recipe(
        program,
        "checkov",
        """\
        #!/bin/sh
        [ "$1" = --file ] || exit 2
        grep -q aws_s3_bucket "$2" || exit 0
        echo "Check: CKV_AWS_20: S3 Bucket has an ACL"
        exit 1
        """,
    )
    answer = run(path, plan=json.dumps({"x": found}).encode(), reads=(str(path.parent / "checkov"),))
    assert answer.status.value == status
    assert answer.outcomes == (("Check: CKV_AWS_20: S3 Bucket has an ACL",) if status == "failed" else ())


@pytest.mark.parametrize(("found", "status"), [("0.0.0.0/0", "failed"), ("192.168.0.0/16", "passed")])
def test_the_recipe_for_trivy(program: Callable[[str, str], Path], found: str, status: str) -> None:
    path = recipe(
        program,
        "trivy",
        """\
        #!/bin/sh
        for last; do :; done
        [ "$1" = config ] && [ "$last" = /tmp/tfplan.json ] || exit 2
        grep -q '0\\.0\\.0\\.0' "$last" || exit 0
        echo "AVD-AWS-0107 (CRITICAL): open to the internet"
        exit 1
        """,
    )
    answer = run(path, plan=json.dumps({"cidr": found}).encode(), reads=(str(path.parent / "trivy"),))
    assert answer.status.value == status


@pytest.mark.parametrize(("cost", "status"), [("250.5", "failed"), ("-3", "passed"), ("200", "passed")])
def test_the_recipe_for_infracost(program: Callable[[str, str], Path], cost: str, status: str) -> None:
    path = recipe(
        program,
        "infracost",
        f"""\
        #!/bin/sh
        [ "$2" = --path ] && [ "$INFRACOST_API_KEY" ] && [ "$7" ] || exit 9
        echo '{{"totalMonthlyCost":"900","diffTotalMonthlyCost":"{cost}"}}' > "$7"
        """,
    )
    runner = SandboxedHooks(Sandbox(SandboxMode.AUTO), {"INFRACOST_API_KEY": "k"})
    hook = PlanHook(
        "infracost",
        (TaskStage.POST_PLAN,),
        command=(str(path), "200"),
        reads=(str(path.parent / "infracost"),),
        environment=("INFRACOST_API_KEY",),
    )
    answer = runner.run(hook, PLAN, {}, Patience())
    assert answer.status.value == status, answer
    assert answer.outcomes == (f"{cost} more per month, at most 200 are allowed",)
    silent = SandboxedHooks(Sandbox(SandboxMode.AUTO), {}).run(hook, PLAN, {}, Patience())
    assert silent.status.value == "errored"
