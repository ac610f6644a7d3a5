"""Files that are no saved plans, or try to look different to two readers."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_STORED, ZipFile, ZipInfo

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.errors import EngineError
from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.saved_plan import UnknownPlanFormat, UnreadablePlan, agree, decode
from bot.terraform.saved_plan import archive as archive_module
from bot.terraform.saved_plan.archive import members
from tests.terraform.saved_plan.corpus import RECORDED, recorded_case
from tests.terraform.saved_plan.rewriting import members_of, with_member, with_message, zipped

PLAN = recorded_case("update").saved
JSON = recorded_case("update").shown


def refused(data: bytes, why: str) -> None:
    with pytest.raises(UnreadablePlan, match=why):
        decode(data)


def _end(data: bytes) -> int:
    return data.rindex(b"PK\x05\x06")


def _patched(offset: int, new: bytes, data: bytes = PLAN) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


# --- the zip ------------------------------------------------------------------------------------------------


def test_a_plan_that_was_packed_by_another_zip_program_is_read_the_same() -> None:
    assert decode(zipped(members_of(PLAN))) == decode(PLAN)
    assert decode(zipped(members_of(PLAN), ZIP_STORED)) == decode(PLAN)


def test_data_before_after_and_between_members_is_refused() -> None:
    refused(b"#!/bin/sh\n" + PLAN, "directory is not where")
    refused(PLAN + b"x", "end record")
    refused(PLAN + PLAN, "directory is not where")
    directory = struct.unpack_from("<L", PLAN, _end(PLAN) + 16)[0]
    moved = _patched(_end(PLAN) + 16, struct.pack("<L", directory + 1))
    moved = moved[:directory] + b"x" + moved[directory:]
    refused(moved, "belongs to no member")


def test_a_comment_and_a_second_end_record_are_refused() -> None:
    refused(_patched(len(PLAN) - 2, b"\x05\x00") + b"hello", "end record")
    inner = PLAN[_end(PLAN) :]
    refused(_patched(len(PLAN) - 2, struct.pack("<H", len(inner))) + inner, "directory is not where")


def test_a_member_that_is_there_twice_is_refused() -> None:
    packed = io.BytesIO()
    with ZipFile(packed, "w") as file:
        for name, content in members_of(PLAN).items():
            file.writestr(name, content)
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("tfplan", b"harmless")
    refused(packed.getvalue(), "in it twice")


def test_two_directory_entries_for_one_place_are_refused() -> None:
    # The second entry points at the first member's header, under another name.
    names = {"tfplan": b"a", "tfstatX": b"b"}
    data = zipped(names, ZIP_STORED)
    second = data.rindex(b"PK\x01\x02")
    with pytest.raises(UnreadablePlan, match="does not begin where"):
        members(_patched(second + 42, struct.pack("<L", 0), data))


@pytest.mark.parametrize(
    ("field", "new"),
    [
        (0, b"XX"),  # the signature
        (4, b"\x3f\x00"),  # the version needed
        (6, b"\x09\x00"),  # encrypted
        (8, b"\x00\x00"),  # stored and not deflated
        (14, b"\x01\x02\x03\x04"),  # the checksum
        (18, b"\x01\x00\x00\x00"),  # the packed size
        (22, b"\x01\x00\x00\x00"),  # the size
        (30, b"X"),  # the name
    ],
)
def test_a_local_header_that_contradicts_the_directory_is_refused(field: int, new: bytes) -> None:
    with pytest.raises(UnreadablePlan):
        decode(_patched(field, new))


def test_the_sizes_after_a_member_must_be_those_of_the_directory() -> None:
    described = PLAN.index(b"PK\x07\x08")
    refused(_patched(described + 4, b"\0\0\0\0"), "contradicts the directory")


def test_a_count_of_members_that_is_not_true_is_refused() -> None:
    count = struct.unpack_from("<H", PLAN, _end(PLAN) + 8)[0]
    for wrong in (count - 1, count + 1, 0xFFFF):
        with pytest.raises(UnreadablePlan):
            decode(_patched(_end(PLAN) + 8, struct.pack("<HH", wrong, wrong)))


@pytest.mark.parametrize(
    "name",
    [
        "../tfplan",
        "/tfplan",
        "a/../tfplan",
        "a//b",
        "tfplan/",
        "./tfplan",
        "a\\b",
        "tfplan\n",
        "\u202etfplan",
        "a\x00b",
    ],
)
def test_names_that_are_no_plain_paths_are_refused(name: str) -> None:
    # ZipFile would cut the name at a zero byte: it is put in afterwards.
    data = zipped({name.replace("\x00", "\x01"): b"x"}).replace(b"a\x01b", b"a\x00b")
    with pytest.raises(UnreadablePlan, match="not a plain path"):
        members(data)


def test_a_member_with_an_extra_field_or_another_compression_is_refused() -> None:
    packed = io.BytesIO()
    with ZipFile(packed, "w") as file:
        info = ZipInfo("tfplan")
        info.extra = struct.pack("<HHBL", 0x7075, 5 + 4, 1, zlib.crc32(b"tfplan")) + b"evil"
        file.writestr(info, b"x")
    with pytest.raises(UnreadablePlan, match="extra field"):
        members(packed.getvalue())
    with pytest.raises(UnreadablePlan, match="part of the zip format"):
        members(zipped({"tfplan": b"x"}, ZIP_BZIP2))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    refused(with_member(PLAN, "tfstate", b"0" * 3_000_000), "packed more than")


def test_sizes_and_numbers_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "MOST_MEMBERS", 3)
    refused(PLAN, "more than 3 members")
    monkeypatch.setattr(archive_module, "MOST_UNPACKED", 100)
    monkeypatch.setattr(archive_module, "MOST_MEMBERS", 100)
    refused(PLAN, "unpacks to more")
    monkeypatch.setattr(archive_module, "MOST_BYTES", 100)
    refused(PLAN, "larger than")


@pytest.mark.parametrize("data", [b"", b"tfplan", b"PK\x05\x06" + b"\0" * 18, b"\x1f\x8b\x08", b"{}"])
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadablePlan):
        decode(data)


def test_an_encrypted_plan_of_opentofu_says_what_to_do() -> None:
    data = (RECORDED / "encrypted.tfplan").read_bytes()
    with pytest.raises(UnreadablePlan, match="is encrypted"):
        decode(data, EngineKind.TOFU)


# --- what is in it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["tfplan", "tfstate", "tfstate-prev", ".terraform.lock.hcl", "tfconfig/modules.json"]
)
def test_a_plan_that_lacks_a_part_is_refused(name: str) -> None:
    refused(with_member(PLAN, name, None), "has no ")


def test_a_member_that_is_not_known_is_an_unknown_format() -> None:
    with pytest.raises(UnknownPlanFormat, match="'surprise'"):
        decode(with_member(PLAN, "surprise", b""))


def test_another_format_version_is_told() -> None:
    def later(message: Any) -> None:
        message.version = 4

    def earlier(message: Any) -> None:
        message.version = 0

    for change, said in ((later, "format version 4"), (earlier, "format version 0")):
        with pytest.raises(UnknownPlanFormat, match=said):
            decode(with_message(PLAN, change))


def _field(number: int, content: bytes = b"x") -> bytes:
    key = number << 3 | 2
    return bytes([key & 0x7F | 0x80, key >> 7, len(content)]) + content


def test_a_field_that_is_not_known_is_named_wherever_it_is() -> None:
    plan = members_of(PLAN)["tfplan"]
    with pytest.raises(UnknownPlanFormat, match=r"Plan\.99"):
        decode(with_member(PLAN, "tfplan", plan + _field(99)))
    inside: list[tuple[str, Callable[[Any], Any]]] = [
        (r"ResourceInstanceChange\.99", lambda m: m.resource_changes[0]),
        (r"Change\.99", lambda m: m.resource_changes[0].change),
        (r"DynamicValue\.99", lambda m: m.output_changes[0].change.values[0]),
        (r"Backend\.99", lambda m: m.backend),
    ]
    for named, part in inside:

        def add(message: Any, part: Callable[[Any], Any] = part) -> None:
            part(message).MergeFromString(_field(99))

        with pytest.raises(UnknownPlanFormat, match=named):
            decode(with_message(PLAN, add))


def test_fields_of_one_program_are_not_those_of_the_other() -> None:
    # 25 is `applyable` to Terraform, and nothing to OpenTofu.
    with pytest.raises(UnknownPlanFormat, match=r"Plan\.25"):
        decode(PLAN, EngineKind.TOFU)


def test_a_message_that_says_one_thing_twice_is_refused() -> None:
    # Readers take the last of two numbers, and merge two messages.
    plan = members_of(PLAN)["tfplan"]
    for more in (b"\x08\x03", b"\xa0\x01\x00", b"\x6a\x00"):
        refused(with_member(PLAN, "tfplan", plan + more), "not encoded as Terraform encodes it")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: setattr(m.resource_changes[0].change, "action", 4), "action 4"),
        (lambda m: setattr(m.resource_changes[0], "action_reason", 77), "reason 77"),
        (lambda m: setattr(m, "ui_mode", 3), "mode 3"),
        (lambda m: setattr(m.resource_changes[0], "addr", "x"), "not the address"),
        (lambda m: setattr(m.resource_changes[0], "provider", "null"), "not the address of a provider"),
        (lambda m: m.resource_changes[0].ClearField("change"), "no change for"),
        (lambda m: m.resource_changes[0].change.values.add(msgpack=b"\xc0"), "3 values"),
        (lambda m: m.resource_changes[0].change.ClearField("values"), "0 values"),
        (lambda m: m.resource_changes[0].required_replace.add().steps.add(), "leads nowhere"),
        (lambda m: m.ClearField("backend"), "where the state is kept"),
        (lambda m: m.state_store.SetInParent(), "where the state is kept"),
        (lambda m: m.check_results.add(kind=9), "kind of check 9"),
        (lambda m: m.deferred_changes.add(), "deferring 0"),
        (lambda m: m.action_invocations.add(addr="action.a.b"), "trigger"),
        (lambda m: m.variables["x"].SetInParent(), "it is empty"),
    ],
)
def test_a_message_that_means_nothing_is_refused(change: Callable[[Any], Any], said: str) -> None:
    refused(with_message(PLAN, change), said)


def test_a_change_to_an_object_of_another_kind_is_refused() -> None:
    def ephemeral(message: Any) -> None:
        message.resource_changes[0].addr = "ephemeral.a.b"

    with pytest.raises(UnknownPlanFormat, match="ephemeral object"):
        decode(with_message(PLAN, ephemeral))


def test_a_value_that_was_swapped_in_the_plan_no_longer_agrees_with_the_json() -> None:
    def swap(message: Any) -> None:
        after = message.resource_changes[0].change.values[1]
        value = msgpack.unpackb(after.msgpack, strict_map_key=False)
        value["input"] = [b'"string"', "evil"]
        after.msgpack = msgpack.packb(value)

    found = agree(decode(with_message(PLAN, swap)), JSON)
    assert "resource_changes: terraform_data.one after.input" in [item.where for item in found]


def test_an_object_that_is_changed_twice_is_a_difference() -> None:
    def twice(message: Any) -> None:
        message.resource_changes.add().CopyFrom(message.resource_changes[0])

    assert agree(decode(with_message(PLAN, twice)), JSON) != []


def _with_index(key: bytes) -> bytes:
    instances = b'"instances": [{"index_key": ' + key + b"}]"
    return b'{"resources": [{"mode": "managed", "type": "a", "name": "b", ' + instances + b"}]}"


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"[]",
        b"{",
        b'{"resources": [{}]}',
        _with_index(b"1e999999999"),
        _with_index(b"0.5"),
        b'{"outputs": {"a": 1}}',
        b'{"outputs": [1], "resources": {}}',
        b'{"check_results": [{}]}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
)
def test_a_state_that_is_none_is_an_error_or_a_difference(state: bytes) -> None:
    try:
        found = agree(decode(with_member(PLAN, "tfstate", state)), JSON)
    except UnreadablePlan:
        return
    assert found != []


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{}",
        b"[1]",
        b"[]",
        b'[{"Key": "", "Dir": ".", "More": ""}]',
        b'[{"Key": "", "Dir": 1}]',
        b'[{"Key": ""}]',
        b'[{"Key": "", "Dir": "."}, {"Key": "", "Dir": "x"}]',
        b'[{"Key": "m", "Dir": "."}]',
    ],
)
def test_a_list_of_modules_that_is_none_is_refused(manifest: bytes) -> None:
    with pytest.raises(UnreadablePlan):
        decode(with_member(PLAN, "tfconfig/modules.json", manifest))


def test_files_of_a_module_that_is_not_listed_are_refused() -> None:
    refused(with_member(PLAN, "tfconfig/m-x/main.tf", b""), "does not match its files")
    refused(with_member(PLAN, "tfconfig/m-x", b""), "belongs to no module")


# --- anything -----------------------------------------------------------------------------------------------


def _survives(data: bytes) -> None:
    try:
        agree(decode(data), JSON)
    except EngineError as error:
        assert str(error) != ""


def test_a_state_that_can_be_read_in_endlessly_many_ways_is_given_up() -> None:
    found = recorded_case("no change")
    value: Any = "saved"
    for _ in range(60):
        value = {"type": "string", "value": value}
    other = json.loads(json.dumps(value).replace("saved", "shown"))
    state, shown = json.loads(members_of(found.saved)["tfstate"]), json.loads(found.shown)
    state["resources"][0]["instances"][0]["attributes"]["input"] = value
    shown["prior_state"]["values"]["root_module"]["resources"][0]["values"]["input"] = other
    saved = decode(with_member(found.saved, "tfstate", json.dumps(state).encode()))
    where = [item.where for item in agree(saved, json.dumps(shown).encode())]
    assert "prior_state: terraform_data.one values" in where


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_the_documented_error(data: bytes) -> None:
    _survives(data)
    _survives(with_member(PLAN, "tfplan", data))
    _survives(with_member(PLAN, "tfstate", data))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(PLAN) * 8 - 1))
def test_a_flipped_bit_raises_nothing_but_the_documented_error(bit: int) -> None:
    _survives(_patched(bit // 8, bytes([PLAN[bit // 8] ^ (1 << bit % 8)])))


MESSAGE = members_of(PLAN)["tfplan"]


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(MESSAGE) * 8 - 1), st.booleans())
def test_a_flipped_bit_in_the_message_raises_nothing_but_the_documented_error(bit: int, cut: bool) -> None:
    flipped = _patched(bit // 8, bytes([MESSAGE[bit // 8] ^ (1 << bit % 8)]), MESSAGE)
    _survives(with_member(PLAN, "tfplan", flipped[: bit // 8] if cut else flipped))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_random_values_raise_nothing_but_the_documented_error(value: bytes) -> None:
    def swap(message: Any) -> None:
        message.resource_changes[0].change.values[1].msgpack = value
        message.resource_changes[0].change.after_sensitive_paths.add().steps.add().element_key.msgpack = value

    _survives(with_message(PLAN, swap))


def test_every_truncation_is_refused() -> None:
    for length in range(0, len(PLAN), 7):
        with pytest.raises(UnreadablePlan):
            decode(PLAN[:length])
