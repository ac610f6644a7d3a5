"""The table of settings: every environment variable that Plangate reads."""

from __future__ import annotations

from dataclasses import dataclass

NEW_KEY = "openssl rand -base64 32 | tr '+/' '-_'"


@dataclass(frozen=True)
class Setting:
    """One environment variable. A secret may also be given as `<name>_FILE`, the path of a file with it.

    `default` is what is used where the variable is unset or empty; empty means none.
    """

    name: str
    default: str
    meaning: str
    secret: bool = False


_KEYS = f"Key that encrypts stored secrets; several, newest first, separated by commas. Make one: `{NEW_KEY}`"

SETTINGS: tuple[Setting, ...] = (
    Setting("PLANGATE_CONFIG", "plangate.yml", "Path of the file that names forges and workspaces"),
    Setting("PLANGATE_DATA", ".plangate", "Folder for the database, mirrors and caches"),
    Setting("PLANGATE_URL", "", "Address at which people reach the web pages; required"),
    Setting(
        "PLANGATE_INTERNAL_URL",
        "",
        "Address at which the workers' Terraform reaches the state backend; PLANGATE_URL where unset",
    ),
    Setting("PLANGATE_SECRET_KEY", "", _KEYS + "; required", secret=True),
    Setting(
        "DATABASE_URL",
        "",
        "`postgresql://user:password@host/name`, or SQLite in the data folder where unset",
        secret=True,
    ),
    Setting(
        "REDIS_URL",
        "",
        "`redis://host:6379/0`: Redis or Valkey, for the web and the workers; `plangate demo` brings its own",
        secret=True,
    ),
    Setting(
        "PLANGATE_GITHUB_WEBHOOK_SECRET",
        "",
        "Secret with which GitHub signs webhooks; several, with commas, while you change it; required",
        secret=True,
    ),
    Setting("PLANGATE_GITHUB_TOKEN", "", "Token of a GitHub user or bot; or give an App", secret=True),
    Setting("PLANGATE_GITHUB_APP_ID", "", "Id of the GitHub App; or give a token"),
    Setting("PLANGATE_GITHUB_APP_PRIVATE_KEY", "", "Private key (PEM) of the GitHub App", secret=True),
    Setting("PLANGATE_GITHUB_CLIENT_ID", "", "Client id of the GitHub App: with it, people sign in"),
    Setting("PLANGATE_GITHUB_CLIENT_SECRET", "", "A client secret of the GitHub App", secret=True),
    Setting(
        "PLANGATE_GITLAB_WEBHOOK_SECRET",
        "",
        "Secret token, or signing token (`whsec_...`), of the webhooks on GitLab; several, with commas, "
        "while you change it; required for a forge of the kind `gitlab`",
        secret=True,
    ),
    Setting(
        "PLANGATE_GITLAB_TOKEN",
        "",
        "Project, group or personal access token of GitLab, with the scope `api`; required as well",
        secret=True,
    ),
    Setting(
        "PLANGATE_GITLAB_CLIENT_ID", "", "Application id of an application on GitLab: with it, people sign in"
    ),
    Setting("PLANGATE_GITLAB_CLIENT_SECRET", "", "The application's secret", secret=True),
    Setting(
        "PLANGATE_TERRAFORM_DIR",
        "",
        "Folder of Terraform and OpenTofu binaries: `terraform_1.9.5`, `tofu_1.8.0`, ...",
    ),
    Setting("PLANGATE_TERRAFORM_FROM_PATH", "true", "Whether `terraform` and `tofu` on PATH may be used"),
    Setting(
        "PLANGATE_TERRAFORM_KEYS",
        "",
        "File of OpenPGP keys: what is not here is downloaded, if one of them signed its checksum",
    ),
    Setting(
        "PLANGATE_TERRAFORM_CHECKSUMS",
        "",
        "File of lines `<sha256>  terraform_1.9.5_linux_amd64.zip`: these are downloaded without a key",
    ),
    Setting(
        "PLANGATE_TERRAFORM_MIRROR",
        "https://releases.hashicorp.com",
        "Address that Terraform is downloaded from, laid out as HashiCorp's",
    ),
    Setting(
        "PLANGATE_TOFU_MIRROR",
        "https://github.com/opentofu/opentofu/releases/download",
        "Address that OpenTofu is downloaded from; a mirror has `api.json` there too",
    ),
    Setting("PLANGATE_PROVIDER_MIRROR", "", "Folder that serves providers as a filesystem mirror"),
    Setting(
        "PLANGATE_SANDBOX",
        "auto",
        "`auto`: Terraform runs in a sandbox where the system offers one; `required`: never without; `off`",
    ),
    Setting("PLANGATE_PLAN_TIMEOUT", "2h", "How long a plan may take, such as `90s`, `2h` or `1h30m`"),
    Setting("PLANGATE_APPLY_TIMEOUT", "24h", "How long an apply may take"),
    Setting("PLANGATE_LEASE_SECONDS", "60", "Seconds after which a silent worker's run is taken from it"),
    Setting(
        "PLANGATE_CANCEL_COOL_OFF",
        "30s",
        "How long after a cancel an administrator may force it, such as `30s`",
    ),
    Setting(
        "PLANGATE_STATE_LOCK_GRACE",
        "15m",
        "How long Terraform must be silent, its worker lost, before its lock on the state is released",
    ),
    Setting(
        "PLANGATE_PLAN_AGE",
        "1h",
        "How old a plan may be that `/apply` applies as it is, if nothing has changed; else it plans again",
    ),
    Setting(
        "PLANGATE_REPLAN_SIBLINGS",
        "10",
        "How many other open changes of a workspace an apply has planned again; `0`: none, only marked",
    ),
    Setting(
        "PLANGATE_POLICY_TIMEOUT",
        "5m",
        "How long one policy set may judge one plan, at most; a set may say less in plangate.yml",
    ),
    Setting(
        "PLANGATE_POLICY_MEMORY",
        "2048",
        "Megabytes of memory that judging one plan by one policy set may take; a set may say less",
    ),
    Setting(
        "PLANGATE_POLICY_REPLAY",
        "50",
        "On how many plans of the last runs a change of a policy set is tried, with a comment; `0`: none",
    ),
    Setting("PLANGATE_KEEP_DELIVERIES", "90d", "How long deliveries are kept once they are done with"),
    Setting(
        "PLANGATE_KEEP_PREVIEWS",
        "30d",
        "How long previews' output and plans are kept, longer while their pull request is open",
    ),
    Setting("PLANGATE_SWEEP_SECONDS", "15", "Seconds between two looks for work that was lost"),
    Setting(
        "PLANGATE_OWNERS",
        "",
        "Logins of those who may do everything, with commas; `github:ana` where there are several forges",
    ),
    Setting("PLANGATE_SESSION_IDLE", "12h", "How long somebody stays signed in who opens no page"),
    Setting("PLANGATE_SESSION_LIFE", "7d", "How long somebody stays signed in at most"),
    Setting(
        "PLANGATE_LOCAL_ADMIN",
        "",
        "Login of the administrator who may sign in on this machine, with what `plangate sign-in` prints",
    ),
    Setting("PLANGATE_LOG_LEVEL", "INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`"),
)
