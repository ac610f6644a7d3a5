"""The table of settings: every environment variable that Plangate reads."""

from __future__ import annotations

from dataclasses import dataclass

from bot.services.ports import ForgeKinds

NEW_KEY = "openssl rand -base64 32 | tr '+/' '-_'"


@dataclass(frozen=True)
class Setting:
    """One environment variable. A secret may also be given as `<name>_FILE`, the path of a file with it.

    `default` is used if the variable is unset or empty. An empty `default` means that there is none.
    """

    name: str
    default: str
    meaning: str
    secret: bool = False


_KEYS = f"Key that encrypts stored secrets. Several keys: newest first, with commas. Create one: `{NEW_KEY}`"

_PROCESSES: tuple[Setting, ...] = (
    Setting("PLANGATE_CONFIG", "plangate.yml", "Path of the file that names forges and workspaces"),
    Setting("PLANGATE_DATA", ".plangate", "Folder for the database, mirrors and caches"),
    Setting("PLANGATE_URL", "", "Address of the web pages, as people open it. Required"),
    Setting(
        "PLANGATE_INTERNAL_URL",
        "",
        "Address at which the workers' Terraform reaches the state backend. If unset: PLANGATE_URL",
    ),
    Setting("PLANGATE_SECRET_KEY", "", _KEYS + ". Required", secret=True),
    Setting(
        "DATABASE_URL",
        "",
        "`postgresql://user:password@host/name`. If unset: SQLite in the data folder",
        secret=True,
    ),
    Setting(
        "REDIS_URL",
        "",
        "Redis or Valkey for the web and the workers: `redis://host:6379/0`. `plangate demo` brings its own",
        secret=True,
    ),
    Setting(
        "PLANGATE_REDIS_WITHOUT_PASSWORD",
        "false",
        "`true` accepts a Redis on TCP without a password: anyone who reaches it can start and delay jobs",
    ),
    Setting(
        "PLANGATE_START_WAIT",
        "60s",
        "How long the web and the workers wait for the database and Redis when they start",
    ),
    Setting(
        "PLANGATE_TRUSTED_PROXIES",
        "",
        "Addresses or networks of your reverse proxies, with commas, such as `10.0.0.0/8`. "
        "Plangate reads people's addresses from their `X-Forwarded-For`",
    ),
)

_OTHERS: tuple[Setting, ...] = (
    Setting(
        "PLANGATE_TERRAFORM_DIR",
        "",
        "Folder of Terraform and OpenTofu binaries: `terraform_1.9.5`, `tofu_1.8.0`, ...",
    ),
    Setting("PLANGATE_TERRAFORM_FROM_PATH", "true", "Whether `terraform` and `tofu` on PATH may be used"),
    Setting(
        "PLANGATE_TERRAFORM_KEYS",
        "",
        "File of OpenPGP keys. A missing version is downloaded if one of them signed its checksum",
    ),
    Setting(
        "PLANGATE_TERRAFORM_CHECKSUMS",
        "",
        "File of lines `<sha256>  terraform_1.9.5_linux_amd64.zip`. These are downloaded without a key",
    ),
    Setting(
        "PLANGATE_TERRAFORM_MIRROR",
        "https://releases.hashicorp.com",
        "Address to download Terraform from, with the same paths as HashiCorp's",
    ),
    Setting(
        "PLANGATE_TOFU_MIRROR",
        "https://github.com/opentofu/opentofu/releases/download",
        "Address to download OpenTofu from. A mirror must also have `api.json`",
    ),
    Setting("PLANGATE_PROVIDER_MIRROR", "", "Folder that serves providers as a filesystem mirror"),
    Setting(
        "PLANGATE_SANDBOX",
        "required",
        "`required`: no run without a sandbox; `auto`: in one if the system has it; `off`",
    ),
    Setting(
        "PLANGATE_NETWORK",
        "filtered",
        "What runs reach if plangate.yml does not say: `filtered`, `host` or `none`",
    ),
    Setting("PLANGATE_RUN_MEMORY", "4096", "Megabytes of memory that a run may use; `0`: no limit"),
    Setting("PLANGATE_RUN_PROCESSES", "4096", "How many processes and threads a run may have; `0`: no limit"),
    Setting(
        "PLANGATE_RUN_FILES", "16384", "How many files each process of a run may have open; `0`: no limit"
    ),
    Setting("PLANGATE_RUN_FILE_SIZE", "4096", "Megabytes that one file of a run may have; `0`: no limit"),
    Setting("PLANGATE_RUN_DISK", "10240", "Megabytes that a run's files may have together; `0`: no limit"),
    Setting("PLANGATE_RUN_OUTPUT", "512", "Megabytes that one command of a run may print; `0`: no limit"),
    Setting(
        "PLANGATE_DISK_FREE",
        "512",
        "Megabytes that must be free for the data folder. With less, no run starts and `/readyz` answers 503",
    ),
    Setting(
        "PLANGATE_TREES_DISK",
        "2048",
        "Megabytes of commits that are kept laid out, for the next runs of them; `0`: each run has its own",
    ),
    Setting("PLANGATE_PLAN_TIMEOUT", "2h", "How long a plan may take, such as `90s`, `2h` or `1h30m`"),
    Setting("PLANGATE_APPLY_TIMEOUT", "24h", "How long an apply may take"),
    Setting(
        "PLANGATE_LEASE_SECONDS", "60", "Seconds without a sign of life after which a worker loses its run"
    ),
    Setting(
        "PLANGATE_CANCEL_COOL_OFF",
        "30s",
        "How long an administrator must wait after a cancel before forcing it, such as `30s`",
    ),
    Setting(
        "PLANGATE_STATE_LOCK_GRACE",
        "15m",
        "How long after the last request of a lost worker's Terraform its lock on the state is released",
    ),
    Setting(
        "PLANGATE_STATE_PATIENCE",
        "10m",
        "How long an apply keeps trying to store its state while the web or the database is away",
    ),
    Setting(
        "PLANGATE_PLAN_AGE",
        "1h",
        "Greatest age of a plan that `/apply` or a newer commit reuses if nothing has changed. "
        "An older plan is made again. `0s`: none is reused",
    ),
    Setting(
        "PLANGATE_SHOWN_FOR",
        "3s",
        "How long the comment must have shown a plan when `/apply` is written; else it is asked for again",
    ),
    Setting(
        "PLANGATE_REPLAN_SIBLINGS",
        "10",
        "How many other open changes of a workspace an apply has planned again, and how many plans a push to "
        "their base. The rest are only marked",
    ),
    Setting(
        "PLANGATE_FORECASTS",
        "3",
        "How many other open changes a change is planned together with while no run waits for a worker. "
        "`0`: none",
    ),
    Setting(
        "PLANGATE_DRIFT_CHECKS",
        "2",
        "How many drift checks may be under way at once. They start while no other run waits for a worker. "
        "`0`: none",
    ),
    Setting(
        "PLANGATE_POLICY_TIMEOUT",
        "5m",
        "Time limit for one policy set to judge one plan. A set can have a lower limit in plangate.yml",
    ),
    Setting(
        "PLANGATE_POLICY_MEMORY",
        "2048",
        "Memory limit in megabytes for one policy set to judge one plan. A set can have a lower limit",
    ),
    Setting(
        "PLANGATE_POLICY_REPLAY",
        "50",
        "On how many recent plans a change of a policy set is tried; the result is a comment. `0`: none",
    ),
    Setting(
        "PLANGATE_OPA",
        "",
        "OPA that evaluates policies: a version such as `1.22.3`, a path, or `off`. If unset: any",
    ),
    Setting(
        "PLANGATE_OPA_DIR",
        "",
        "Folder of OPA programs: `opa_1.22.3`, `1.22.3/opa` or `opa`. PATH is searched after it",
    ),
    Setting(
        "PLANGATE_OPA_CHECKSUMS",
        "",
        "File of lines `<sha256>  v1.22.3/opa_linux_amd64_static`. If set, OPA is downloaded as needed",
    ),
    Setting(
        "PLANGATE_OPA_MIRROR",
        "https://github.com/open-policy-agent/opa/releases/download",
        "Address that OPA is downloaded from",
    ),
    Setting("PLANGATE_KEEP_DELIVERIES", "90d", "How long deliveries are kept after they were handled"),
    Setting(
        "PLANGATE_KEEP_PREVIEWS",
        "30d",
        "How long output and plans of previews are kept. They stay while the pull request is open",
    ),
    Setting(
        "PLANGATE_KEEP_RUNS",
        "",
        "How long plans and other files of runs that may apply are kept after they ended, 7d or more. The "
        "runs themselves stay. If unset: for ever",
    ),
    Setting(
        "PLANGATE_KEEP_LOGS",
        "",
        "How long the output of runs that may apply is kept, 7d or more. If unset: for ever",
    ),
    Setting(
        "PLANGATE_KEEP_STATES",
        "",
        "How long versions of states are kept after another one replaced them, 7d or more. The current one "
        "always stays. If unset: for ever",
    ),
    Setting(
        "PLANGATE_LEGAL_HOLD",
        "",
        "Names of workspaces, with commas, from which the three above delete nothing. `*`: all workspaces",
    ),
    Setting(
        "PLANGATE_CATCH_UP_EVERY",
        "5m",
        "How often each repository is compared with its forge, and the forge's list of failed deliveries "
        "is read, to find webhooks that never came",
    ),
    Setting(
        "PLANGATE_CATCH_UP_CALLS",
        "60",
        "Requests per minute for that, for all repositories and processes together. `0`: never",
    ),
    Setting("PLANGATE_SWEEP_SECONDS", "15", "Seconds between two searches for lost work"),
    Setting(
        "PLANGATE_OWNERS",
        "",
        "Logins of the owners, who may do everything, with commas. With several forges: `github:ana`",
    ),
    Setting(
        "PLANGATE_ORGANIZATION",
        "plangate",
        "Name of the organization, which the terraform CLI and other programs give",
    ),
    Setting(
        "PLANGATE_MEMBER_ROLE",
        "none",
        "What everybody who can sign in may do in workspaces without a repository: "
        "`none`, `read`, `plan`, `write` or `admin`",
    ),
    Setting(
        "PLANGATE_UPLOAD_LIMIT", "64", "Megabytes that an uploaded configuration may have, as the archive"
    ),
    Setting(
        "PLANGATE_UPLOAD_PATIENCE",
        "24h",
        "How long a run of an upload waits for somebody to confirm or discard it. Then it is discarded. "
        "The same for saved plans",
    ),
    Setting("PLANGATE_SESSION_IDLE", "12h", "How long people stay signed in without opening a page"),
    Setting("PLANGATE_SESSION_LIFE", "7d", "How long people stay signed in at most"),
    Setting(
        "PLANGATE_LOCAL_ADMIN",
        "",
        "Login of the local administrator, who signs in on this machine with `plangate sign-in`",
    ),
    Setting(
        "PLANGATE_METRICS_TOKEN",
        "",
        "Token that `/metrics` asks for, 16 characters or more. Several: with commas. If unset: there is no "
        "`/metrics`",
        secret=True,
    ),
    Setting("PLANGATE_POOL", "", "Pool of workspaces that this worker works for: the same as `--pool`"),
    Setting(
        "PLANGATE_SMTP",
        "",
        "Mail server for notifications: `smtps://user:password@host:465`, or `smtp://host:587` with STARTTLS",
        secret=True,
    ),
    Setting("PLANGATE_SMTP_FROM", "", "E-mail address that notifications come from"),
    Setting("PLANGATE_LOG_LEVEL", "INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`"),
    Setting("PLANGATE_LOG_FORMAT", "text", "`text`, or `json`: one JSON object in one line for each event"),
    Setting(
        "PLANGATE_TRACES",
        "",
        "Address of a collector that takes OpenTelemetry's OTLP over HTTP, such as `http://collector:4318`. "
        "Needs `plangate[otel]`",
    ),
)

SETTINGS = (*_PROCESSES, *_OTHERS)
"""The settings that belong to no forge."""


def table(kinds: ForgeKinds) -> tuple[Setting, ...]:
    """Return all settings, those of the forges included, in the order of docs/reference/settings.md."""
    return (
        *_PROCESSES,
        *(
            Setting(f"PLANGATE_{kind.name}_{each.role}".upper(), "", each.meaning, secret=each.secret)
            for kind in kinds.values()
            for each in kind.form.settings
        ),
        *_OTHERS,
    )
