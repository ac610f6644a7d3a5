"""What GitLab takes out of a note and does itself: lines that begin with a word of its own.

Source: https://docs.gitlab.com/user/project/quick_actions/
"""

from __future__ import annotations

import re

# As GitLab's older versions find out what is code: by the first fence, however long it is.
_CODE = re.compile(r"^```.+?\n```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_ACTION = re.compile(
    r"^/(approve|assign|close|draft|label|lock|merge|ready|rebase|reopen|title|unapprove|unlock)\b[^\n]*\n?",
    re.MULTILINE,
)


def taken_out(body: str) -> tuple[str, tuple[str, ...]]:
    """Return what is left of a note, and the words that GitLab has acted on."""
    kept, found, at = "", [], 0
    for code in (*_CODE.finditer(body), None):
        said = body[at : code.start() if code else len(body)]
        found += _ACTION.findall(said)
        kept += _ACTION.sub("", said) + (code[0] if code else "")
        at = code.end() if code else at
    return (kept, tuple(found)) if found else (body, ())
