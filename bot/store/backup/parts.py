"""The file of a backup: lines of encrypted parts, numbered, so that none can be missing or exchanged.

The first line says what the file is. Each other line is one token of the vault: a compressed JSON
document with the backup's id, the part's number, and a table's rows. The last one has the number of rows
of each table.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from bot.domain.errors import Invalid, PlangateError
from bot.domain.ids import new_id
from bot.services.ports import Vault

MAGIC = b"plangate backup 1\n"

_LONGEST_LINE = 1 << 30
_MOST_UNPACKED = 1 << 31
_BYTES, _MOMENT = "b", "t"


@dataclass(frozen=True)
class BackupHeader:
    """What a backup is of: the revision of the schema, the version of Plangate, and when it was made."""

    revision: str
    version: str
    at: datetime


@dataclass
class BackupWriter:
    """Writes a backup, part by part."""

    file: IO[bytes]
    vault: Vault
    _id: str = field(default_factory=lambda: new_id("bak"))
    _number: int = 0

    def begin(self, header: BackupHeader) -> None:
        """Write the header."""
        self.file.write(MAGIC)
        about = {"revision": header.revision, "version": header.version, "at": header.at.isoformat()}
        self._part({"header": about})

    def rows(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write some rows of a table."""
        self._part(
            {"table": table, "columns": columns, "rows": [[_packed(cell) for cell in r] for r in rows]}
        )

    def end(self, counts: Mapping[str, int]) -> None:
        """Write how many rows each table has. Without it, a backup is not complete."""
        self._part({"end": dict(counts)})

    def _part(self, content: Mapping[str, object]) -> None:
        document = json.dumps({"id": self._id, "number": self._number, **content})
        self._number += 1
        # Compressed before the encryption: afterwards, nothing is left to compress.
        self.file.write(self.vault.encrypt(zlib.compress(document.encode(), 6)) + b"\n")


class BackupReader:
    """Reads a backup. Raises Invalid, with what is wrong, and PlangateError if no key fits."""

    def __init__(self, file: IO[bytes], vault: Vault) -> None:
        self._file = file
        self._vault = vault
        self._id = ""
        if file.readline(len(MAGIC)) != MAGIC:
            raise Invalid("this is not a backup of Plangate")
        found = self._next(0).get("header")
        try:
            about: Any = found
            self.header = BackupHeader(
                str(about["revision"]), str(about["version"]), datetime.fromisoformat(about["at"])
            )
        except (TypeError, KeyError, ValueError) as error:
            raise Invalid("the backup has no header") from error

    def parts(self) -> Iterator[tuple[str, Sequence[str], list[list[Any]]]]:
        """Yield tables with their columns and some rows. At the end, checks that nothing is missing."""
        counts: dict[str, int] = {}
        number = 1
        while True:
            part = self._next(number)
            if "end" in part:
                if part["end"] != counts or self._file.read(1):
                    raise Invalid("the backup is damaged: its end does not fit its content")
                return
            name, rows = part["table"], [[_unpacked(cell) for cell in row] for row in part["rows"]]
            counts[name] = counts.get(name, 0) + len(rows)
            yield name, part["columns"], rows
            number += 1

    def _next(self, number: int) -> dict[str, Any]:
        line = self._file.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise Invalid("the backup is cut off: make or copy it again")
        try:
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(self._vault.decrypt(line.rstrip(b"\n")), _MOST_UNPACKED)
            part = json.loads(data)
        except PlangateError as error:
            raise PlangateError(
                f"part {number} of the backup can't be decrypted: it is damaged, or PLANGATE_SECRET_KEY does "
                "not have the key of that time"
            ) from error
        except (zlib.error, ValueError, RecursionError) as error:
            raise Invalid(f"part {number} of the backup can't be read") from error
        self._id = self._id or str(part.get("id"))
        if part.get("number") != number or part.get("id") != self._id:
            raise Invalid(f"part {number} of the backup is missing, or comes from another backup")
        return dict(part)


def _packed(cell: Any) -> Any:
    if isinstance(cell, bytes | memoryview):
        return {_BYTES: base64.b64encode(bytes(cell)).decode()}
    if isinstance(cell, datetime):
        return {_MOMENT: cell.isoformat()}
    # A document of the database may look like one of the two above.
    return [cell] if isinstance(cell, dict | list) else cell


def _unpacked(cell: Any) -> Any:
    if isinstance(cell, list):
        return cell[0]
    if isinstance(cell, dict):
        return base64.b64decode(cell[_BYTES]) if _BYTES in cell else datetime.fromisoformat(cell[_MOMENT])
    return cell
