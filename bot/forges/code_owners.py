"""Finds CODEOWNERS where a forge looks for it: the first place that has one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence

from bot.domain.errors import Invalid, NotFound
from bot.forges.fields import optional_text, storable, text


def first_text(places: Sequence[str], read: Callable[[str], object]) -> str | None:
    """Return the text of the first of these files that there is, None if there is none.

    `read` returns a forge's answer for a path. Raises Invalid if that is without the file's text: taken
    for an empty file, it would say that nobody has to approve.
    """
    for place in places:
        try:
            found = read(place)
        except NotFound:
            continue
        # GitHub omits the text of files above a megabyte, with the encoding "none".
        if (optional_text(found, "encoding") or "base64") != "base64":
            raise Invalid(f"{place} comes without its text: it is too large")
        try:
            return storable(base64.b64decode(text(found, "content")).decode(errors="replace"))
        except binascii.Error:
            raise Invalid(f"the text of {place} is garbled") from None
    return None
