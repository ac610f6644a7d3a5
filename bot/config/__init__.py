"""The configuration: the sole reader of the environment and of plangate.yml."""

from bot.config.configuration import Config, LogLevel, SandboxMode
from bot.config.forges import AppAuth, ForgeConfig, ForgeKind, OAuthClient, TokenAuth
from bot.config.table import SETTINGS, Setting

__all__ = [
    "SETTINGS",
    "AppAuth",
    "Config",
    "ForgeConfig",
    "ForgeKind",
    "LogLevel",
    "OAuthClient",
    "SandboxMode",
    "Setting",
    "TokenAuth",
]
