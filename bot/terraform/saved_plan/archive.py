"""Opens the zip of a saved plan so strictly that every zip reader sees the same members.

Terraform reads the file with Go's `archive/zip`. Two readers may disagree about a zip with gaps, with data
before or after it, with two members of one name, or with local headers that contradict the directory. Such a
file is refused. Nothing is extracted to disk.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from bot.terraform.saved_plan.faults import UnreadablePlan

MOST_BYTES = 256 * 2**20
MOST_MEMBERS = 20_000
MOST_UNPACKED = 512 * 2**20
# Above this size a member may not be packed more tightly than this.
_SMALL, _MOST_RATIO = 2**20, 500

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = struct.Struct("<4s3L")
_EXTRA = struct.Struct("<2H")
_STORED, _DEFLATED = 0, 8
_DESCRIBED_LATER, _UTF8 = 0x8, 0x800
_TIMESTAMP = 0x5455


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def members(data: bytes) -> dict[str, bytes]:
    """Return the contents of each member by name. Raises UnreadablePlan saying why a file is refused."""
    if len(data) > MOST_BYTES:
        raise UnreadablePlan(f"the saved plan is larger than {MOST_BYTES // 2**20} MiB")
    if data[:1] == b"{" and b'"encryption_version"' in data[-10_000:] + data[:10_000]:
        raise UnreadablePlan(
            "the saved plan is encrypted (OpenTofu's `encryption` block): Plangate can't compare it with its "
            "JSON. Remove the `plan` part of the `encryption` block"
        )
    try:
        entries = _directory(data)
        found, position, unpacked = {}, 0, 0
        for entry in entries:
            unpacked += entry.size
            if unpacked > MOST_UNPACKED:
                raise _refused(f"it unpacks to more than {MOST_UNPACKED // 2**20} MiB")
            if entry.size > max(_SMALL, entry.packed * _MOST_RATIO):
                raise _refused(f"{entry.name!r} is packed more than {_MOST_RATIO} to 1")
            packed, position = _locate(data, entry, position)
            found[entry.name] = _unpack(packed, entry)
    except struct.error:
        raise _refused("a header is cut off") from None
    if position != _END.unpack_from(data, len(data) - _END.size)[6]:
        raise _refused("there is data that belongs to no member")
    return found


def _refused(why: str) -> UnreadablePlan:
    return UnreadablePlan(f"the saved plan is not a zip as Terraform writes it: {why}")


def _directory(data: bytes) -> list[_Entry]:
    """Return the central directory, which must end exactly where the end record begins."""
    end_at = len(data) - _END.size
    if end_at < 0 or data[end_at : end_at + 4] != b"PK\x05\x06":
        raise _refused("it does not end with the end record of a zip")
    _, disk, start_disk, here, total, size, start, comment = _END.unpack_from(data, end_at)
    if disk or start_disk or comment or here != total:
        raise _refused("its end record is not the one of a single file")
    if total > MOST_MEMBERS:
        raise _refused(f"it has more than {MOST_MEMBERS} members")
    if start + size != end_at:
        raise _refused("its directory is not where its end record says")
    entries, names, position = [], set(), start
    for _ in range(total):
        entry, position = _central(data, position)
        if entry.name in names:
            raise _refused(f"{entry.name!r} is in it twice")
        names.add(entry.name)
        entries.append(entry)
    if position != end_at:
        raise _refused("its directory has more entries than its end record says")
    return sorted(entries, key=lambda entry: entry.offset)


def _central(data: bytes, position: int) -> tuple[_Entry, int]:
    fields = _CENTRAL.unpack_from(data, position)
    signature, _, needed, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, _, offset = (
        fields
    )
    if signature != b"PK\x01\x02":
        raise _refused("an entry of its directory does not begin like one")
    after = position + _CENTRAL.size
    raw = data[after : after + name]
    _check_extra(data[after + name : after + name + extra])
    if (
        comment
        or disk
        or needed > 20
        or flags & ~(_DESCRIBED_LATER | _UTF8)
        or method not in (_STORED, _DEFLATED)
    ):
        raise _refused(f"{raw!r} uses a part of the zip format that plans don't use")
    if 0xFFFFFFFF in (packed, size, offset):
        raise _refused("it uses zip64")
    return _Entry(_name(raw, flags), raw, flags, method, crc, packed, size, offset), after + name + extra


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise _refused(f"the name {raw!r} is not text") from None
    parts = name.split("/")
    if not name or "\\" in name or not name.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise _refused(f"the name {name!r} is not a plain path")
    return name


def _check_extra(extra: bytes) -> None:
    position = 0
    while position < len(extra):
        kind, size = _EXTRA.unpack_from(extra, position)
        position += _EXTRA.size + size
        if kind != _TIMESTAMP or position > len(extra):
            raise _refused("a member has an extra field that plans don't have")


def _locate(data: bytes, entry: _Entry, position: int) -> tuple[bytes, int]:
    """Return the packed bytes of a member that must begin at a position, and where the next begins."""
    if entry.offset != position:
        raise _refused(f"{entry.name!r} does not begin where the member before it ends")
    signature, needed, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack_from(
        data, position
    )
    body = position + _LOCAL.size + name + extra
    raw = data[position + _LOCAL.size : position + _LOCAL.size + name]
    _check_extra(data[body - extra : body])
    told = (entry.crc, entry.packed, entry.size)
    later = bool(flags & _DESCRIBED_LATER)
    here = (crc, packed, size)
    same = raw == entry.raw_name and flags == entry.flags and method == entry.method and needed <= 20
    if signature != b"PK\x03\x04" or not same or (here != told and not (later and here == (0, 0, 0))):
        raise _refused(f"the header of {entry.name!r} contradicts the directory")
    after = body + entry.packed
    if later:
        if _DESCRIPTOR.unpack_from(data, after) != (b"PK\x07\x08", *told):
            raise _refused(f"what follows {entry.name!r} contradicts the directory")
        after += _DESCRIPTOR.size
    return data[body : body + entry.packed], after


def _unpack(packed: bytes, entry: _Entry) -> bytes:
    if entry.method == _STORED:
        content = packed
    else:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, entry.size + 1)
        except zlib.error:
            raise _refused(f"{entry.name!r} is damaged") from None
        if not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
            raise _refused(f"{entry.name!r} is not as long as the directory says")
    if len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise _refused(f"{entry.name!r} is damaged")
    return content
