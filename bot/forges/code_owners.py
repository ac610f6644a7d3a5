"""Finds CODEOWNERS where a forge looks for it: the first place that has one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence

from bot.domain.errors import Invalid, NotFound
from bot.forges.fields import optional_text, storable, text


def first_text(places: Sequence[str], read: Callable[[str], object]) -> str | None:
    """Return the text of the first of these files that there is, None where there is none.

    `read` returns a forge's answer for a path. Raises Invalid where that is without the file's text: taken
    for an empty file, it would say that nobody has to approve.
    """
    for place in places:
        try:
            found = read(place)
        except NotFound:
            continue
        # GitHub leaves out what has more than a megabyte, and says that it is encoded in no way.
        if (optional_text(found, "encoding") or "base64") != "base64":
            raise Invalid(f"{place} comes without its text: it is too large")
        try:
            return storable(base64.b64decode(text(found, "content")).decode(errors="replace"))
        except binascii.Error:
            raise Invalid(f"the text of {place} is garbled") from None
    return None
