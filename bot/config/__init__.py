"""The configuration: the sole reader of the environment and of plangate.yml."""

from bot.config.configuration import Config, LogLevel
from bot.config.file.isolation import RunSettings, SandboxMode
from bot.config.table import Setting, table

__all__ = ["Config", "LogLevel", "RunSettings", "SandboxMode", "Setting", "table"]
