"""The environment of child processes, from scratch: of the worker's own, only what is named here gets in.

Terraform's own settings are guards: a workspace's variables may not replace them (promise 5).
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.domain.errors import EngineError
from bot.domain.workspaces.variables import Category, is_guard, wrong_key
from bot.services.ports import EngineJob, StateAccess
from bot.services.states.backend import RETRY_SECONDS
from bot.terraform.sandbox import SAFE_PATH
from bot.terraform.sandbox.supervisor import PROXY_PORT

# How this machine reaches the network; both spellings, because curl reads only the lower one.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PASSED = frozenset({*_PROXIES, *map(str.lower, _PROXIES), *_AUTHORITIES})

_STATE_PREFIX = "TF_HTTP_"
# A plan has nothing to lose: it waits for a server that restarts, in seconds.
_PLAN_PATIENCE = 60
_QUICK_RETRIES = 4


@dataclass(frozen=True)
class Places:
    """Where things lie, as the processes see them."""

    home: Path
    tmp: Path
    cli_config: Path


def ambient(worker: Mapping[str, str]) -> dict[str, str]:
    """Return what of the worker's environment children may have: proxies and certificate authorities."""
    return {name: value for name, value in worker.items() if name in PASSED and value}


def for_terraform(
    job: EngineJob,
    places: Places,
    passed: Mapping[str, str],
    state: StateAccess | None,
    files: Mapping[str, str],
    *,
    filtered: bool = False,
) -> dict[str, str]:
    """Return the environment of a run's Terraform. `state` is None if the configuration keeps its own.

    `filtered` says that the network is reached through the run's proxy alone.
    `files` are the paths of the job's files by variable; a variable of the workspace's own wins over them.

    Raises EngineError if a variable has no name, or a name that our own protection uses.
    """
    guards = {
        "HOME": str(places.home),
        "TMPDIR": str(places.tmp),
        "TF_CLI_CONFIG_FILE": str(places.cli_config),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
        # Git for modules: no helper that is a program, no file of this machine, nothing that asks.
        "GIT_ALLOW_PROTOCOL": "https:http:ssh",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        **(_through_proxy() if filtered else {}),
        **(_state(state) if state else {}),
    }
    base = {"PATH": SAFE_PATH, "LANG": "C.UTF-8", **ambient(passed), **job.environment, **files}
    wanted = {variable.key: variable.value for variable in job.variables if variable.category == "env"}
    for name, value in wanted.items():
        _check(name, value, guarded=state is not None)
    return {**base, **wanted, **guards}


def for_show(job: EngineJob, places: Places) -> dict[str, str]:
    """Return the environment of what reads a saved plan: no secrets, but what decrypts the plan itself."""
    keys = {v.key: v.value for v in job.variables if v.category == "env" and v.key == "TF_ENCRYPTION"}
    return {
        **{"PATH": SAFE_PATH, "LANG": "C.UTF-8", "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"},
        **{"HOME": str(places.home), "TMPDIR": str(places.tmp), "TF_CLI_CONFIG_FILE": str(places.cli_config)},
        **keys,
    }


def _through_proxy() -> dict[str, str]:
    address = f"http://127.0.0.1:{PROXY_PORT}"
    names = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    return {**dict.fromkeys(names, address), "NO_PROXY": "", "no_proxy": "", "ALL_PROXY": "", "all_proxy": ""}


def _check(name: str, value: str, guarded: bool) -> None:
    """Make sure again of what was made sure of when the variable was kept: this is the guard that counts."""
    taken = is_guard(name) or (guarded and name.startswith(_STATE_PREFIX))
    if taken:
        raise EngineError(f"the environment variable {name} is set by Plangate itself: remove it")
    if wrong := wrong_key(name, Category.ENV):
        raise EngineError(wrong)
    if "\0" in value:
        raise EngineError(f"the environment variable {name} holds a NUL character, which none can")


def _state(state: StateAccess) -> dict[str, str]:
    """Terraform's `http` backend by the environment: what stands in files would end up in saved plans.

    The lock's addresses are given to previews too, which pass `-lock=false`: a preview's plan may be applied.
    """
    return {
        "TF_HTTP_ADDRESS": state.address,
        "TF_HTTP_LOCK_ADDRESS": state.address,
        "TF_HTTP_UNLOCK_ADDRESS": state.address,
        "TF_HTTP_UPDATE_METHOD": "POST",
        "TF_HTTP_LOCK_METHOD": "LOCK",
        "TF_HTTP_UNLOCK_METHOD": "UNLOCK",
        "TF_HTTP_USERNAME": state.username,
        "TF_HTTP_PASSWORD": state.password,
        **state_retries(_PLAN_PATIENCE),
    }


def state_retries(patience: float) -> dict[str, str]:
    """Return how Terraform's `http` backend retries, so that it gives up only after `patience` seconds.

    It waits 1, 2, 4, 8 and then 10 seconds, or as long as our server tells it to, which is 10 seconds too.
    """
    return {
        "TF_HTTP_RETRY_MAX": str(_QUICK_RETRIES + math.ceil(patience / RETRY_SECONDS)),
        "TF_HTTP_RETRY_WAIT_MIN": "1",
        "TF_HTTP_RETRY_WAIT_MAX": str(RETRY_SECONDS),
    }


def cli_config(plugin_cache: Path | None, mirror: Path | None, *, own: bool = False) -> bytes:
    """Return Terraform's CLI configuration: where providers come from and are cached.

    Providers that the mirror has come from there alone, so that they need no network; all others as usual.
    With `own`, and without a mirror, folders of the commit are searched too.
    """
    lines = ["disable_checkpoint = true"]
    if plugin_cache:
        lines.append(f"plugin_cache_dir = {_quoted(plugin_cache)}")
    if mirror is None and not own:
        # Said outright, or folders of the commit would be searched too.
        lines.append("provider_installation {\n  direct {}\n}")
    if mirror:
        names = sorted(
            str(path.relative_to(mirror)) for path in mirror.glob("*/*/*") if path.is_dir()
        )  # <host>/<namespace>/<type>
        here = ", ".join(f'"{name}"' for name in names)
        lines += [
            "provider_installation {",
            f"  filesystem_mirror {{\n    path = {_quoted(mirror)}\n    include = [{here}]\n  }}",
            f"  direct {{\n    exclude = [{here}]\n  }}",
            "}",
        ]
    return ("\n".join(lines) + "\n").encode()


def platform_name() -> str:
    """Return this machine's name in Terraform's registry layout, as in `linux_amd64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    return f'"{text}"'
