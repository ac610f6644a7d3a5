"""The token for a server elsewhere: from the environment or a file, never from the command line (promise 6).

Other users of a machine can read the command lines of its processes, and shells keep them in a history.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from bot.domain.errors import ConfigError

VARIABLE = "PLANGATE_TOKEN"  # a name, not a token

_FORM = re.compile(r"[!-~]{1,500}")
_LONGEST = 1000


def token() -> str:
    """Return the token. Raises ConfigError, which says where to put one."""
    if given := os.environ.get(VARIABLE, "").strip():
        return _checked(given, VARIABLE)
    path = token_file()
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no token: create one on the server's page Your tokens. Set {VARIABLE} to it, or write "
            f"it into {path} (chmod 600). No option takes a token, because others can read a command line"
        ) from None
    except OSError as error:
        raise ConfigError(f"can't read the token in {path}: {error.strerror}") from error
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise ConfigError(f"{path} is not a file: write the token into a file of this name")
        if about.st_mode & 0o077 or about.st_uid != os.geteuid():
            raise ConfigError(
                f"other users may read or change the token in {path}: run chmod 600 {path}, as its owner. If "
                "others have used this machine, revoke the token and create another"
            )
        return _checked(os.read(handle, _LONGEST).decode("utf-8", "replace").strip(), str(path))
    finally:
        os.close(handle)


def token_file() -> Path:
    """Return the path of the file with the token."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(folder) if folder.startswith("/") else Path.home() / ".config") / "plangate" / "token"


def _checked(text: str, where: str) -> str:
    if not _FORM.fullmatch(text):
        raise ConfigError(f"{where} has no token: it must have only the token, in one line")
    return text
