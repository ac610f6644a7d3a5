"""A client of its own that makes the calls of the terraform CLI, in its order, and times each.

A machine has no room for fifty real ones. The calls are those of terraform 1.11 with a `cloud` block.
"""

from __future__ import annotations

import io
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

JSON_API = "application/vnd.api+json"
_FINAL = frozenset({"applied", "planned_and_finished", "errored", "canceled", "discarded"})
# In seconds: the CLI looks as often at a run, at a log, and at the queue.
_LOOK = 3.0
_LOOK_AT_LOG = 1.0
_LOOK_AT_QUEUE = 30.0
_LOG_LIMIT = 65536


class ClientGaveUp(Exception):
    """The server answered in a way that the CLI takes for a failure, or not in time."""


@dataclass(frozen=True)
class Timed:
    """How long an answer took, in seconds. `call` is the method and the address without ids."""

    call: str
    seconds: float


@dataclass
class CloudClient:
    """One person's CLI. `patience`: how many seconds a run may take in all."""

    url: str
    token: str
    workspace: str
    patience: float
    times: list[Timed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._http = httpx.Client(timeout=60, headers={"Terraform-Version": "1.11.4"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def init(self) -> str:
        """Find the workspace, or create it, as `terraform init` does; return its id."""
        self._begin()
        here = "/organizations/plangate/workspaces"
        found = self._ask("GET", f"{here}/{self.workspace}", good=(200, 404))
        if found.status_code == 404:
            made = self._send("POST", here, "workspaces", {"name": self.workspace}, good=(201, 422))
            # Another client was first: the CLI would say so, and its second `init` finds it.
            if made.status_code == 422:
                self._ask("GET", f"{here}/{self.workspace}")
        workspace = str(self._data("GET", f"{here}/{self.workspace}")["id"])
        self._ask("GET", f"/workspaces/{workspace}/current-state-version", good=(200, 404))
        return workspace

    def apply(self, configuration: str, *, auto: bool) -> tuple[str, str]:
        """Plan and apply, with `-auto-approve` or with a `yes`; return the run and its log."""
        self._begin()
        here = self._data("GET", f"/organizations/plangate/workspaces/{self.workspace}")["id"]
        version = self._upload(here, configuration)
        related = {
            "workspace": {"data": {"type": "workspaces", "id": here}},
            "configuration-version": {"data": {"type": "configuration-versions", "id": version}},
        }
        made = self._send("POST", "/runs", "runs", {"auto-apply": auto, "message": "by a client"}, related)
        run = str(made.json()["data"]["id"])
        self._ask("GET", f"/runs/{run}/run-events")
        self._ask("GET", f"/runs/{run}?include=task_stages")
        self._until(run, lambda about: about["status"] not in ("pending", "confirmed"), here)
        log = self._log(f"/plans/plan-{run.removeprefix('run-')}")
        self._ask("GET", f"/runs/{run}?include=workspace,plan")
        if not auto:
            self._until(run, lambda about: about["actions"]["is-confirmable"] or about["status"] in _FINAL)
            self._ask("POST", f"/runs/{run}/actions/apply", {"comment": None}, good=(202,))
        self._until(run, lambda about: about["status"] in ("applying", *_FINAL))
        log += self._log(f"/applies/apply-{run.removeprefix('run-')}")
        about = self._until(run, lambda about: about["status"] in _FINAL)
        if about["status"] != "applied":
            raise ClientGaveUp(f"{run} in {self.workspace} is {about['status']}:\n{log}")
        return run, log

    def outputs(self, workspace: str) -> dict[str, Any]:
        """Return what `terraform output` shows."""
        found = self._ask("GET", f"/workspaces/{workspace}/current-state-version-outputs").json()["data"]
        return {each["attributes"]["name"]: each["attributes"]["value"] for each in found}

    def _begin(self) -> None:
        self._ask("GET", "/ping", good=(200, 204))
        self._ask("GET", "/organizations/plangate/entitlement-set")

    def _upload(self, workspace: str, configuration: str) -> str:
        path = f"/workspaces/{workspace}/configuration-versions"
        asked = {"auto-queue-runs": False, "speculative": False}
        made = self._send("POST", path, "configuration-versions", asked).json()["data"]
        self._timed("PUT", "upload", made["attributes"]["upload-url"], content=packed(configuration))
        at = f"/configuration-versions/{made['id']}"
        end = time.monotonic() + self.patience
        while self._data("GET", at)["attributes"]["status"] != "uploaded":
            self._pause(end, "the upload")
        return str(made["id"])

    def _until(self, run: str, ask: Callable[[dict[str, Any]], bool], waits_in: str = "") -> dict[str, Any]:
        """Look at a run until it is as asked for; look at the queue meanwhile, as the CLI does."""
        end, queue_seen = time.monotonic() + self.patience, 0.0
        while True:
            about: dict[str, Any] = self._data("GET", f"/runs/{run}")["attributes"]
            if ask(about):
                return about
            if waits_in and about["status"] == "pending" and time.monotonic() > queue_seen + _LOOK_AT_QUEUE:
                queue_seen = time.monotonic()
                self._ask("GET", f"/organizations/plangate/workspaces/{self.workspace}")
                self._ask("GET", f"/workspaces/{waits_in}/runs")
                self._ask("GET", "/organizations/plangate/runs/queue")
                self._ask("GET", "/organizations/plangate/capacity")
            self._pause(end, f"{run}, which is {about['status']},")

    def _log(self, stage: str) -> str:
        at = self._data("GET", stage)["attributes"]["log-read-url"]
        found, end = b"", time.monotonic() + self.patience
        while not found.endswith(b"\x03"):
            more = self._timed("GET", "log", at, params={"limit": _LOG_LIMIT, "offset": len(found)}).content
            found += more
            if not more:
                self._pause(end, f"the log of {stage}", _LOOK_AT_LOG)
        if found[:1] != b"\x02":
            raise ClientGaveUp(f"the log of {stage} does not begin with STX")
        self._ask("GET", stage)
        return found[1:-1].decode()

    def _pause(self, end: float, what: str, seconds: float = _LOOK) -> None:
        if time.monotonic() > end:
            raise ClientGaveUp(f"{what} took longer than {self.patience:.0f} s")
        time.sleep(seconds)

    def _data(self, method: str, path: str) -> dict[str, Any]:
        return dict(self._ask(method, path).json()["data"])

    def _send(
        self,
        method: str,
        path: str,
        kind: str,
        attributes: dict[str, Any],
        related: dict[str, Any] | None = None,
        good: Sequence[int] = (201,),
    ) -> httpx.Response:
        data = {"type": kind, "attributes": attributes, "relationships": related or {}}
        return self._ask(method, path, {"data": data}, good=good)

    def _ask(
        self, method: str, path: str, document: Any = None, good: Sequence[int] = (200,)
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": JSON_API}
        call = path.replace(self.workspace, "NAME").partition("?")[0]
        url = f"{self.url}/api/v2{path}"
        return self._timed(method, call, url, good, headers=headers, json=document)

    def _timed(
        self, method: str, call: str, url: str, good: Sequence[int] = (200,), **more: Any
    ) -> httpx.Response:
        while True:
            begun = time.perf_counter()
            said = self._http.request(method, url, **more)
            self.times.append(Timed(f"{method} {_shape(call)}", time.perf_counter() - begun))
            if said.status_code == 429:
                time.sleep(float(said.headers["X-RateLimit-Reset"]))
                continue
            if said.status_code not in good:
                raise ClientGaveUp(f"{method} {call}: {said.status_code} {said.text[:500]}")
            return said


def _shape(call: str) -> str:
    """Leave ids out of an address."""
    ids = ("ws-", "run-", "plan-", "apply-", "cv-")
    return "/".join("ID" if part.startswith(ids) and len(part) > 12 else part for part in call.split("/"))


def packed(configuration: str) -> bytes:
    """Return the archive of a directory with one file, as the CLI uploads it."""
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:gz") as archive:
        member, data = tarfile.TarInfo("main.tf"), configuration.encode()
        member.size, member.mode = len(data), 0o644
        archive.addfile(member, io.BytesIO(data))
    return kept.getvalue()


def all_at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do all jobs at the same time; return their results in order, or raise the first failure."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        futures = [pool.submit(job) for job in jobs]
        return [future.result() for future in futures]


def print_times(times: Sequence[Timed]) -> None:
    """Print p50, p99 and the worst of all requests and of each kind, the slowest kind first."""
    by_call: dict[str, list[float]] = {"all requests": [each.seconds for each in times]}
    for each in times:
        by_call.setdefault(each.call, []).append(each.seconds)
    for call, found in sorted(by_call.items(), key=lambda item: -max(item[1])):
        ordered = sorted(found)
        middle, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        sys.stdout.write(
            f"  {call:<60} {len(ordered):6}  p50 {middle * 1000:7.1f} ms  p99 {late * 1000:7.1f} ms"
            f"  max {ordered[-1] * 1000:7.1f} ms\n"
        )
