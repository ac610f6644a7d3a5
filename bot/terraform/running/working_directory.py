"""One run's workbench: its folder with our files in it, its environment, and Terraform's commands."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.domain.errors import EngineError
from bot.domain.runs.masking import TerraformMasker
from bot.domain.workspaces.versions import Version
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports import HERE, EngineJob, PlanResult, StageWatch, StateAccess
from bot.terraform.files.runfolder import RunFolder, remove_tree
from bot.terraform.network.proxy import Upstream
from bot.terraform.processes import environment, process
from bot.terraform.processes.environment import Places
from bot.terraform.processes.transcript import Transcript, signal_of
from bot.terraform.programs.binaries import Program
from bot.terraform.repository import configuration
from bot.terraform.repository.checkout import repository_folder
from bot.terraform.running import init_needs, provider_cache, state_keeper
from bot.terraform.running.apply_record import ApplyRecord
from bot.terraform.running.delivery import delivery
from bot.terraform.running.job_secrets import secrets_of
from bot.terraform.running.lock_file import LOCK_FILE, check_sources, lock_file
from bot.terraform.running.room import Room, Terms
from bot.terraform.sandbox import Sandbox

# Providers make their sockets in TMPDIR, and a socket's path holds 107 characters at most.
_LONGEST_TMP = 85
_TMP = Path("/tmp")  # noqa: S108 -- a sandbox's own
_CLI_CONFIG = "cli.tfrc"


@dataclass(frozen=True)
class Settings:
    """What is the same for every run on this worker. Times are in seconds.

    `grace` is how long a plan may take to stop when its time is up or its watcher raised; `apply_grace` is
    the same for an apply. `state_patience` is how long an apply tries to store its state.
    """

    data: Path
    plugin_cache: Path | None
    mirror: Path | None
    terms: Terms
    plan_limit: float
    apply_limit: float
    grace: float
    apply_grace: float
    state_patience: float


class Bench:
    """Terraform at work on one run's tree. Raises EngineError if the tree is not there."""

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
        self.said = Transcript(TerraformMasker(secrets_of(job)), watch.output)
        self.refused: dict[str, None] = {}
        self._early = False
        reads = [path for path in (settings.mirror, self._cache) if path]
        reads += map(Path, self._authorities())
        self._room = Room(
            folder, self.directory, program, sandbox, job.isolation, settings.terms, tuple(reads)
        )

    def lay_inputs(self, dependency_lock: bytes = b"") -> None:
        """Put our files beside the configuration's; remove files that a hostile commit may contain."""
        # A `.terraform` from the commit could name another backend and hold plugins (promise 5).
        for name in (".terraform", "terraform.tfstate", "terraform.tfstate.backup", "errored.tfstate"):
            remove_tree(self.directory / name)
        files = list(configuration.variable_files(self.directory, self._job.variables))
        state = None
        own = configuration.own_backend(self.directory, self._job.engine, self._folder.tree)
        own = state_keeper.check_configuration(self._job, own)
        if self._job.state and not own:
            files.append((configuration.override_name(self.directory), configuration.OVERRIDE))
            state = self._job.state
        if dependency_lock:
            files.append((LOCK_FILE, dependency_lock))
        for name, data in files:
            self._folder.write(self.directory / name, data)
        kept = "http" if state else own or "local"
        self._note({"state_here": state is not None, "backend": kept, "inited": ""})

    def init(self, *, readonly_lock: bool = False) -> None:
        """Init. Raises EngineError, also where the state would not be kept; Interrupted; TimedOut."""
        flags = ("-input=false", "-no-color", *(("-lockfile=readonly",) if readonly_lock else ()))
        limit = self._settings.plan_limit
        own = provider_cache.brings_providers(self.directory)
        if own and not self._job.isolation.own_providers:
            raise EngineError(
                "this commit brings providers of its own in terraform.d/plugins, which run as they are: "
                "remove them, or set `own_providers: true` for this workspace in plangate.yml"
            )
        self._check_sources()
        cache = None if own else self._cache
        if cache is None or not self._inited_from(cache, flags):
            self._succeed("init", flags, limit=limit)
            if cache is not None and self._job.fills_cache:
                provider_cache.add(cache, self.directory)
        state_keeper.check_pointer(self._job, self.read(str(init_needs.POINTER)), self.state_here)
        self._check_sources()
        self._room.keep_providers()
        self._note({**self._noted(), "inited": self._mark()})
        self._watch.initialized()

    def ready_to_plan(self) -> bool:
        """Make the tree ready to plan without `init`; False if the plan needs one.

        Should Terraform want an `init` after all, `plan` raises InitNeeded.
        """
        version, lock = self._program.version, self.dependency_lock()
        if not self._is_plain() or Version.parse(version).full < init_needs.SINCE:
            return False
        packages = init_needs.locked_packages(lock, self._cache)
        if packages is None:
            return False
        if (files := init_needs.files_of_init(self._folder, self.directory, lock, version)) is None:
            return False
        init_needs.write(self._folder, self.directory, files)
        self._ready(packages)
        self._early = True
        return True

    def ready_to_apply(self, plan: PlanResult) -> bool:
        """Make the tree ready to apply a plan without `init`; False if the apply needs one.

        The plan was verified when it was made, with its modules and its backend.
        """
        if not self._is_plain():
            return False
        packages = init_needs.packages(plan.saved_plan, plan.dependency_lock, self._cache)
        if packages is None:
            return False
        self._ready(packages)
        return True

    def _is_plain(self) -> bool:
        plain = self._program.kind is EngineKind.TERRAFORM and self._sandbox.active and self.state_here
        return plain and not provider_cache.brings_providers(self.directory)

    def _ready(self, packages: Sequence[Path]) -> None:
        self._check_sources()
        if cache := self._cache:
            self._room.link_providers(cache, packages)
        self._note({**self._noted(), "inited": self._mark()})
        self._watch.initialized()

    def _check_sources(self) -> None:
        check_sources(self.dependency_lock(), self._job.isolation)

    def _inited_from(self, cache: Path, flags: tuple[str, ...]) -> bool:
        """Init with the providers of the cache; False if it lacks some."""
        if not provider_cache.has_all(cache, self.dependency_lock()):
            return False
        self.said.heading(f"$ {self._program.kind.value} init")
        done = self._run("init", flags, self._settings.plan_limit, cached=True)
        done.check(f"{self._program.kind.value} init", self._settings.plan_limit)
        # Terraform wraps its lines.
        if done.code and "read-only file system" not in " ".join(self.said.everything().split()):
            raise EngineError(self.words("init", done))
        return not done.code

    @property
    def _cache(self) -> Path | None:
        folder = self._settings.plugin_cache
        return folder / repository_folder(self._job.remote) if folder and self._job.remote else None

    @property
    def inited(self) -> bool:
        """Whether this very tree has been inited by this program."""
        return self._noted().get("inited") == self._mark()

    @property
    def state_here(self) -> bool:
        """Whether the state is kept in Plangate, and not where the configuration says."""
        return bool(self._noted().get("state_here"))

    @property
    def backend(self) -> str:
        """The type of the backend that keeps the state."""
        return str(self._noted().get("backend", ""))

    def plan(self, name: str) -> bytes:
        """Plan, and return the saved plan. Raises InitNeeded only after `ready_to_plan`."""
        job = self._job
        modes = [
            *(["-destroy"] if job.modes.destroy else []),
            *(["-refresh-only"] if job.modes.refresh_only else []),
            *([] if job.modes.refresh else ["-refresh=false"]),
            *(f"-replace={address}" for address in job.modes.replace_addrs),
            *(f"-target={address}" for address in job.modes.target_addrs),
        ]
        place = self._folder.out / name
        flags = ("-input=false", "-no-color", f"-out={self._folder.seen(place)}", *self._locking())
        self._succeed("plan", (*flags, *modes), shown=" ".join(modes), limit=self._settings.plan_limit)
        return self._result(place)

    def show(self, name: str, saved_plan: bytes, dependency_lock: bytes) -> bytes:
        """Return the JSON of a saved plan; it holds secrets and does not go into the log.

        Without a sandbox there is no clean room: then it is read in the tree.
        """
        limit, linger = self._settings.plan_limit, self._settings.grace
        if self._sandbox.active:
            files = {
                name: saved_plan,
                LOCK_FILE: dependency_lock,
                _CLI_CONFIG: environment.cli_config(None, None),
            }
            place = self._folder.inside / "room"
            variables = environment.for_show(self._job, Places(_TMP, _TMP, place / _CLI_CONFIG))
            files = {name: data for name, data in files.items() if data}
            task = self._room.clean(("show", "-json", "-no-color", name), variables, files, linger)
        else:
            self._folder.write(self._folder.out / name, saved_plan)
            argv = ("show", "-json", "-no-color", str(self._folder.out / name))
            task = self._room.task(argv, self._environment(cached=False), linger=linger, state=self._state())
        done = process.run(
            task, self._watch, self.said, limit=limit, grace=self._settings.grace, capture=True
        )
        done.check(f"{self._program.kind.value} show", limit)
        if done.code:
            raise EngineError(self.words("show", done))
        return done.stdout

    def apply(self, name: str, saved_plan: bytes) -> process.Finished:
        """Apply a saved plan, and return how the process ended."""
        place = self._folder.root / name
        self._folder.write(place, saved_plan)
        locking = self._locking() if self._job.state and self._job.state.lock else ()
        flags = ("-input=false", "-no-color", *locking, str(self._folder.seen(place)))
        self.said.heading(f"$ {self._program.kind.value} apply")
        record = ApplyRecord(self._folder, self.directory, self._delivery())
        try:
            return self._run("apply", flags, self._settings.apply_limit, reads=(place,), record=record)
        finally:
            record.close()

    def _delivery(self) -> Callable[[bytes, bool], None] | None:
        state = self._state()
        upstream = Upstream.of(self._settings.terms.passed)
        return delivery(state, upstream, self._settings.state_patience) if state else None

    def dependency_lock(self) -> bytes:
        """Return the dependency lock file; empty if there is none. Raises EngineError as `lock_file` does."""
        return lock_file(self._folder, self.directory)

    def read(self, name: str) -> bytes:
        """Return a file of the working directory; empty if there is none."""
        return self._folder.read(self.directory / name) or b""

    def words(self, command: str, done: process.Finished) -> str:
        """Say why the last command failed, in words fit for a comment; masked."""
        name = f"{self._program.kind.value} {command}"
        if by := signal_of(done.code):
            return self.said.error_words() or f"{name} was killed ({by}); the machine may lack memory"
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
        if self._early:
            self.said.hold()
        try:
            done = self._run(command, flags, limit)
            done.check(name, limit)
            if self._early and done.code and init_needs.wanted(self.said.everything()):
                self.said.drop()
                raise init_needs.InitNeeded
        finally:
            self.said.release()
        if done.code:
            raise EngineError(self.words(command, done))

    def _run(
        self,
        command: str,
        flags: tuple[str, ...],
        limit: float,
        *,
        cached: bool = False,
        reads: tuple[Path, ...] = (),
        record: ApplyRecord | None = None,
    ) -> process.Finished:
        settings = self._settings
        applies = command == "apply"
        variables = self._environment(cached)
        if applies and self.state_here:
            variables |= environment.state_retries(settings.state_patience)
        task = self._room.task(
            (command, *flags),
            variables,
            # An apply whose worker died may finish its step; a plan has nothing to lose.
            linger=limit if applies else settings.grace,
            state=self._state(),
            reads=(self._folder.root / _CLI_CONFIG, *reads),
            record=record,
        )
        grace = settings.apply_grace if applies else settings.grace
        done = process.run(task, self._watch, self.said, limit=limit, grace=grace)
        self.refused.update(dict.fromkeys(done.refused))
        if done.refused:
            self.said.note(f"[not reached from this run: {'; '.join(done.refused)}]")
        return done

    def _environment(self, cached: bool) -> dict[str, str]:
        folder, settings = self._folder, self._settings
        config = folder.root / _CLI_CONFIG
        cache = self._cache if cached else None
        own = self._job.isolation.own_providers
        folder.write(config, environment.cli_config(cache, settings.mirror, own=own))
        short = len(str(folder.tmp)) < _LONGEST_TMP
        tmp = folder.tmp if short and not self._sandbox.active else _TMP
        places = Places(folder.inside / "home", tmp, folder.seen(config))
        filtered = self._room.filtered
        passed = settings.terms.passed
        if filtered:
            passed = {name: value for name, value in passed.items() if name.startswith("SSL_CERT_")}
        return environment.for_terraform(
            self._job, places, passed, self._state(), self._hand_over(), filtered=filtered
        )

    def _hand_over(self) -> dict[str, str]:
        """Lay out the job's files in the run's home; return their paths by the variables that hold them."""
        folder, paths = self._folder, dict[str, str]()
        here = str(folder.seen(folder.home))
        for file in self._job.files:
            folder.write(folder.home / file.name, file.text.replace(HERE, here).encode())
            paths |= dict.fromkeys(file.variables, str(folder.seen(folder.home / file.name)))
        return paths

    def take_back(self) -> None:
        """Remove the job's files: they are for one phase."""
        for file in self._job.files:
            # What hostile code made of it must not change how the phase ended.
            with contextlib.suppress(EngineError, OSError):
                remove_tree(self._folder.home / file.name)

    def _authorities(self) -> tuple[str, ...]:
        return tuple(
            value for name, value in self._settings.terms.passed.items() if name.startswith("SSL_CERT_")
        )

    def _state(self) -> StateAccess | None:
        return self._job.state if self.state_here else None

    def _locking(self) -> tuple[str, ...]:
        if self._job.state and not self._job.state.lock:
            return ("-lock=false",)
        return ("-lock-timeout=30s",)

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
