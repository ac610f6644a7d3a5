"""One run's workbench: its folder with our files in it, its environment, and Terraform's commands."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain import masking
from bot.domain.errors import EngineError
from bot.services.ports import EngineJob, StageWatch, StateAccess
from bot.terraform import configuration, environment, process, provider_cache
from bot.terraform.binaries import LAUNCHER, Program, python
from bot.terraform.checkout import repository_folder
from bot.terraform.environment import Places
from bot.terraform.runfolder import RunFolder, remove_tree
from bot.terraform.sandbox import Sandbox
from bot.terraform.transcript import Transcript

LOCK_FILE = ".terraform.lock.hcl"
# Providers make their sockets in TMPDIR, and a socket's path holds 107 characters at most.
_LONGEST_TMP = 85


@dataclass(frozen=True)
class Settings:
    """What is the same for every run on this worker. Times are in seconds.

    `grace` is how long a plan may take to stop when its time is up or its watcher raised; `apply_grace` is
    the same for an apply.
    """

    data: Path
    plugin_cache: Path | None
    mirror: Path | None
    passed: Mapping[str, str]
    plan_limit: float
    apply_limit: float
    grace: float
    apply_grace: float


class Bench:
    """Terraform at work on one run's tree. Raises EngineError where the tree is not there."""

    def __init__(
        self,
        job: EngineJob,
        folder: RunFolder,
        program: Program,
        sandbox: Sandbox,
        settings: Settings,
        watch: StageWatch,
    ) -> None:
        self._job = job
        self._folder = folder
        self._program = program
        self._sandbox = sandbox
        self._settings = settings
        self._watch = watch
        self.directory = folder.working_directory(job.working_directory)
        self.said = Transcript(masking.TerraformMasker(secrets_of(job)), watch.output)

    def lay_inputs(self, dependency_lock: bytes = b"") -> None:
        """Put our files beside the configuration's; remove what a hostile commit may have brought along."""
        # A `.terraform` from the commit could name another backend and hold plugins (promise 5).
        for name in (".terraform", "terraform.tfstate", "terraform.tfstate.backup", "errored.tfstate"):
            remove_tree(self.directory / name)
        files = list(configuration.variable_files(self.directory, self._job.variables))
        state = None
        own = configuration.own_backend(self.directory, self._job.engine, self._folder.tree)
        if self._job.state and not own:
            files.append((configuration.override_name(self.directory), configuration.OVERRIDE))
            state = self._job.state
        if dependency_lock:
            files.append((LOCK_FILE, dependency_lock))
        for name, data in files:
            self._folder.write(self.directory / name, data)
        self._note({"state_here": state is not None, "inited": ""})

    def init(self, *, readonly_lock: bool = False) -> None:
        """Init. Raises EngineError, also where the state would not be kept; Interrupted; TimedOut."""
        flags = ("-input=false", "-no-color", *(("-lockfile=readonly",) if readonly_lock else ()))
        limit = self._settings.plan_limit
        cache = None if provider_cache.brings_providers(self.directory) else self._cache
        if cache is None or not self._inited_from(cache, flags):
            self._succeed("init", flags, limit=limit)
            if cache is not None and self._job.fills_cache:
                provider_cache.add(cache, self.directory)
        self._check_backend()
        self._note({**self._noted(), "inited": self._mark()})
        self._watch.initialized()

    def _inited_from(self, cache: Path, flags: tuple[str, ...]) -> bool:
        """Init with what the cache has of providers; False where that does not suffice."""
        if not provider_cache.has_all(cache, self.read(LOCK_FILE)):
            return False
        self.said.heading(f"$ {self._program.kind.value} init")
        done = self._run("init", flags, self._settings.plan_limit, cached=True)
        done.check(f"{self._program.kind.value} init", self._settings.plan_limit)
        # Terraform wraps its lines.
        if done.code and "read-only file system" not in " ".join(self.said.everything().split()):
            raise EngineError(self.words("init"))
        return not done.code

    @property
    def _cache(self) -> Path | None:
        folder = self._settings.plugin_cache
        return folder / repository_folder(self._job.remote) if folder else None

    @property
    def inited(self) -> bool:
        """Whether this very tree has been inited by this program."""
        return self._noted().get("inited") == self._mark()

    @property
    def state_here(self) -> bool:
        """Whether the state is kept in Plangate, and not where the configuration says."""
        return bool(self._noted().get("state_here"))

    def plan(self, name: str) -> bytes:
        """Plan, and return the saved plan."""
        job = self._job
        modes = [
            *(["-destroy"] if job.modes.destroy else []),
            *(["-refresh-only"] if job.modes.refresh_only else []),
            *(f"-replace={address}" for address in job.modes.replace_addrs),
            *(f"-target={address}" for address in job.modes.target_addrs),
        ]
        place = self._folder.root / name
        flags = ("-input=false", "-no-color", f"-out={self._folder.seen(place)}", *self._locking())
        self._succeed("plan", (*flags, *modes), shown=" ".join(modes), limit=self._settings.plan_limit)
        return self._result(place)

    def show(self, name: str) -> bytes:
        """Return the JSON of a saved plan; it holds secrets and does not go into the log."""
        seen = self._folder.seen(self._folder.root / name)
        limit = self._settings.plan_limit
        done = self._run("show", ("-json", "-no-color", str(seen)), limit, capture=True)
        done.check(f"{self._program.kind.value} show", limit)
        if done.code:
            raise EngineError(self.words("show"))
        return done.stdout

    def apply(self, name: str, saved_plan: bytes) -> process.Finished:
        """Apply a saved plan, and return how the process ended."""
        place = self._folder.root / name
        self._folder.write(place, saved_plan)
        locking = self._locking() if self._job.state and self._job.state.lock else ()
        flags = ("-input=false", "-no-color", *locking, str(self._folder.seen(place)))
        self.said.heading(f"$ {self._program.kind.value} apply")
        return self._run("apply", flags, self._settings.apply_limit)

    def read(self, name: str) -> bytes:
        """Return a file of the working directory, empty where there is none."""
        return self._folder.read(self.directory / name) or b""

    def words(self, command: str) -> str:
        """Say why the last command failed, in words fit for a comment; masked."""
        name = f"{self._program.kind.value} {command}"
        last = self.said.last_words()
        return self.said.error_words() or (f"{name} failed: {last}" if last else f"{name} failed")

    def _succeed(
        self,
        command: str,
        flags: tuple[str, ...],
        *,
        limit: float,
        shown: str = "",
    ) -> None:
        name = f"{self._program.kind.value} {command}"
        self.said.heading(f"$ {name} {shown}".rstrip())
        done = self._run(command, flags, limit)
        done.check(name, limit)
        if done.code:
            raise EngineError(self.words(command))

    def _run(
        self,
        command: str,
        flags: tuple[str, ...],
        limit: float,
        *,
        capture: bool = False,
        cached: bool = False,
    ) -> process.Finished:
        folder, settings = self._folder, self._settings
        applies = command == "apply"
        grace = settings.apply_grace if applies else settings.grace
        # An apply whose worker died may finish its step; a plan has nothing to lose.
        linger = limit if applies else settings.grace
        launch = (*python(), str(LAUNCHER), str(linger), *self._program.argv, command, *flags)
        readable = [*self._program.needs, *map(Path, self._authorities())]
        readable += [path for path in (self._program.path, settings.mirror, self._cache) if path]
        return process.run(
            process.Command(
                argv=self._sandbox.wrap(launch, folder, self.directory, readable),
                environment=self._environment(cached),
                cwd=self.directory,
                scratch=folder.root,
            ),
            self._watch,
            self.said,
            limit=limit,
            grace=grace,
            capture=capture,
        )

    def _environment(self, cached: bool) -> dict[str, str]:
        folder, settings = self._folder, self._settings
        config = folder.root / "cli.tfrc"
        cache = self._cache if cached else None
        folder.write(config, environment.cli_config(cache, settings.mirror))
        short = len(str(folder.tmp)) < _LONGEST_TMP
        tmp = folder.tmp if short and not self._sandbox.active else Path("/tmp")  # noqa: S108 -- a sandbox's own
        places = Places(folder.inside / "home", tmp, folder.seen(config))
        return environment.for_terraform(self._job, places, settings.passed, self._state())

    def _authorities(self) -> tuple[str, ...]:
        return tuple(value for name, value in self._settings.passed.items() if name.startswith("SSL_CERT_"))

    def _state(self) -> StateAccess | None:
        return self._job.state if self.state_here else None

    def _locking(self) -> tuple[str, ...]:
        if self._job.state and not self._job.state.lock:
            return ("-lock=false",)
        return ("-lock-timeout=30s",)

    def _check_backend(self) -> None:
        """Make sure that the state outlives the tree, should our reading of the files have been wrong."""
        if self._job.state is None:
            return
        try:
            pointer = json.loads(self.read(".terraform/terraform.tfstate") or b"{}")
            kind = str((pointer.get("backend") or pointer.get("state_store") or {}).get("type", ""))
        except (ValueError, AttributeError):
            kind = ""
        if kind in ("", "local") or (self.state_here and kind != "http"):
            raise EngineError(
                f"after init the state would be kept in {kind or 'the working tree'} and be lost; "
                "remove the backend block to keep it in Plangate"
            )

    def _result(self, place: Path) -> bytes:
        data = self._folder.read(place)
        if data is None:
            raise EngineError("the plan was made, but its file is not there")
        return data

    def _mark(self) -> str:
        program = self._program
        return f"{self._job.commit} {self._job.working_directory} {program.title} {program.path or 'bundled'}"

    def _noted(self) -> Mapping[str, Any]:
        try:
            noted = json.loads(self._folder.read(self._folder.root / "bench.json") or b"{}")
        except ValueError:
            return {}
        return noted if isinstance(noted, dict) else {}

    def _note(self, facts: Mapping[str, Any]) -> None:
        self._folder.write(self._folder.root / "bench.json", json.dumps(facts).encode())


def secrets_of(job: EngineJob) -> tuple[str, ...]:
    """Return everything that must not show in the output of a run's processes (promise 6)."""
    found = [*job.secrets, *masking.secrets_of(job.variables)]
    if job.state:
        credentials = f"{job.state.username}:{job.state.password}"
        found += [job.state.password, base64.b64encode(credentials.encode()).decode()]
    if header := job.remote.auth_header:
        found += [header, header.split(" ")[-1]]
    return tuple(found)
