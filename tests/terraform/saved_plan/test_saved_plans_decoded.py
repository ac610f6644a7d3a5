"""What is read from saved plans that Terraform made."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import msgpack
import pytest

from bot.terraform.saved_plan import SavedPlan, Unknown, UnreadablePlan, decode
from bot.terraform.saved_plan.addresses import Address, configured, parse_address, provider_source
from bot.terraform.saved_plan.model import Action, Mode, ResourceChange
from bot.terraform.saved_plan.values import decode_typed, decode_value
from tests.terraform.saved_plan.corpus import MODULES, ONE, VALUES, Recorded, recorded, recorded_case


def plan(case: str) -> SavedPlan:
    found = recorded_case(case)
    return decode(found.saved, found.kind)


def change(case: str, address: str) -> ResourceChange:
    return next(item for item in plan(case).resource_changes if item.address == address)


@pytest.mark.parametrize("found", recorded(), ids=str)
def test_every_recorded_plan_can_be_read(found: Recorded) -> None:
    saved = decode(found.saved, found.kind)
    assert saved.terraform_version.count(".") == 2
    assert saved.snapshot[0].key == ""
    assert saved.backend.workspace == "default"


def test_values_keep_their_exact_numbers_and_texts() -> None:
    values: Any = change("values", "terraform_data.values").change.after.value
    found = values["input"]
    assert found["number"] == 1
    assert found["fraction"] == Decimal("0.1")
    assert found["half"] == 2.5
    assert found["big"] == Decimal("123456789012345678901234567890")
    assert found["precise"] == Decimal("3.1415926535897932384626433832795028841971693993751")
    assert found["above"] == Decimal(2**63)
    assert found["lowest"] == -(2**63)
    assert found["numeral"] == "12345678901234567890123"
    assert found["nothing"] is None
    assert found["set"] == ["a", "x", "y"]
    assert found["unicode"].startswith("zażółć \u2028 \u202e")
    assert found["heredoc"].splitlines()[0] == "# not a comment"


def test_unknowns_are_told_from_nulls_and_keep_what_is_known_of_them() -> None:
    after: Any = change("unknown", "terraform_data.partly").change.after.value
    assert after["id"] == Unknown("", ((1, False),)) or isinstance(after["id"], Unknown)
    assert after["triggers_replace"] is None
    assert after["input"]["known"] == "k"
    assert isinstance(after["input"]["id"], Unknown)
    assert after["input"]["id"].kind == "string"
    assert after["input"]["list"][0] == "x"
    text = after["input"]["text"]
    assert isinstance(text, Unknown)
    assert (2, "prefix-") in text.refinements


def test_what_is_sensitive_is_told_by_paths() -> None:
    found = change("sensitive", "terraform_data.some").change.after_sensitive
    assert set(found) == {
        ("input", "secret"),
        ("input", "list", 1),
        ("input", "map", "a", "b"),
        ("input", "set"),
        ("input", "mixed"),
    }


def test_each_kind_of_change_is_read_with_its_reason() -> None:
    replaced = change("replace", "terraform_data.r")
    assert replaced.change.action == Action.DELETE_THEN_CREATE
    assert replaced.reason == "replace_because_cannot_update"
    assert replaced.replace_paths == (("triggers_replace",),)
    assert change("replace", "null_resource.c").change.action == Action.CREATE_THEN_DELETE
    assert change("replace", "null_resource.t").reason == "replace_by_triggers"
    assert change("tainted", "terraform_data.one").reason == "replace_because_tainted"
    assert change("removed", "terraform_data.one").change.action == Action.FORGET
    assert change("no change", "terraform_data.one").change.action == Action.NO_OP
    assert change("moved", "terraform_data.new").previous_address == "terraform_data.one"
    assert change("data", "data.null_data_source.later").change.action == Action.READ
    assert change("data gone", "terraform_data.one").change.action == Action.NO_OP
    deposed = [item for item in plan("deposed").resource_changes if item.deposed_key]
    assert [(item.deposed_key, item.change.action) for item in deposed] == [("0badc0de", Action.DELETE)]
    imported = change("import", "terraform_data.one").change.importing
    assert imported is not None
    assert imported.id == "an-id"
    assert (
        'resource "terraform_data" "one"'
        in change("import generated", "terraform_data.one").change.generated_config
    )


def test_modes_targets_and_forced_replacements_are_read() -> None:
    assert plan("destroy").mode == Mode.DESTROY
    assert plan("moved refresh only").mode == Mode.REFRESH_ONLY
    assert plan("targeted").targets == ("null_resource.a",)
    assert not plan("targeted").complete
    assert change("replace by request", "terraform_data.one").reason == "replace_by_request"
    assert plan("errored").errored
    assert not plan("errored").applyable


def test_drift_and_what_it_touched_are_read() -> None:
    found = plan("drift")
    assert [(item.address, item.change.action) for item in found.resource_drift] == [
        ("null_resource.gone", Action.DELETE)
    ]
    assert found.relevant_attributes == (("null_resource.gone", ("id",)),)


def test_variables_are_read_and_those_of_the_apply_are_named() -> None:
    found = plan("variables")
    assert found.variables["b"].value == [1, 2.5, Decimal("12345678901234567890123")]
    assert found.apply_time_variables == ("e",)


def test_providers_keep_their_alias_and_tell_their_source() -> None:
    found = change("providers", "null_resource.a")
    assert found.provider == 'provider["registry.terraform.io/hashicorp/null"].other'
    assert found.provider_name == "registry.terraform.io/hashicorp/null"


def test_checks_are_read_with_their_messages() -> None:
    found = {item.address: item for item in plan("checks").checks}
    assert found["check.fails"].status == "fail"
    assert set(found["check.fails"].objects[0].problems) == {'the size is "small"', "another"}
    assert found["terraform_data.r"].kind == "resource"


def test_the_place_of_the_state_the_lock_file_and_the_states_are_read() -> None:
    found = plan("overrides")
    config: Any = found.backend.config
    assert (found.backend.type, config["path"]) == ("local", "here.tfstate")
    kept = plan("values kept")
    assert b"registry.terraform.io/hashicorp/null" in kept.lock_file
    assert len(kept.prior_state.sha256) == 64
    assert [item["name"] for item in kept.previous_state.document["resources"]] == ["map", "values"]  # type: ignore[attr-defined]


def test_the_snapshot_holds_each_module_with_its_files() -> None:
    found = {module.key: module for module in plan("keys").snapshot}
    assert found["m.deeper"].source == "./deeper"
    assert found["m.deeper"].directory == "modules/m/deeper"
    assert found["m"].files == {"main.tf": MODULES["modules/m/main.tf"].encode()}
    assert plan("values").snapshot[0].files == {"main.tf": VALUES.encode()}
    assert plan("no change").snapshot[0].files == {"main.tf": ONE.encode()}


def test_private_bytes_of_a_provider_are_kept_as_a_hash() -> None:
    found = [item.private_sha256 for case in ("update", "keys") for item in plan(case).resource_changes]
    assert set(found) <= {"", *(digest for digest in found if len(digest) == 64)}
    assert hashlib.sha256(b"").hexdigest() not in found


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a.b", Address("", "managed", "a", "b")),
        ("data.a.b[0]", Address("", "data", "a", "b", 0)),
        (
            'module.m["x.y[1]\\"]"].module.n[2].data.a.b["q\\"]"]',
            Address('module.m["x.y[1]\\"]"].module.n[2]', "data", "a", "b", 'q"]'),
        ),
        ('a.b["$${x}%%{y}$${"]', Address("", "managed", "a", "b", "${x}%{y}${")),
        ('a.b["$$${x}"]', Address("", "managed", "a", "b", "$${x}")),
        ('a.b["\\u2028\\U000e0001\\n\\t\\\\"]', Address("", "managed", "a", "b", "\u2028\U000e0001\n\t\\")),
        ("a.b[*]", Address("", "managed", "a", "b", None, True)),
        ("ä.b-c", Address("", "managed", "ä", "b-c")),
        ("action.a.b", Address("", "action", "a", "b")),
        ("ephemeral.a.b[1]", Address("", "ephemeral", "a", "b", 1)),
    ],
)
def test_addresses_are_taken_apart(text: str, place: Address) -> None:
    assert parse_address(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a.b.c",
        "a.b.",
        "module.m",
        "module.m.a",
        "a[0].b",
        'a.b["x]',
        "a.b[x]",
        "a..b",
        "a.b\n",
        "a b.c",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UnreadablePlan):
        parse_address(text)


def test_an_address_leads_to_its_block_in_the_configuration() -> None:
    place = parse_address('module.m["a.module.x"].module.n[2].data.a.b["c"]')
    assert configured(place) == "module.m.module.n.data.a.b"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ('provider["registry.terraform.io/hashicorp/null"]', "registry.terraform.io/hashicorp/null"),
        ('module.a.provider["terraform.io/builtin/terraform"].x', "terraform.io/builtin/terraform"),
    ],
)
def test_the_address_of_a_provider_tells_its_source(text: str, source: str) -> None:
    assert provider_source(text) == source


def test_a_value_with_its_type_is_held_to_it() -> None:
    def typed(kind: bytes, value: Any) -> bytes:
        packed: bytes = bytes(msgpack.packb([kind, value]))
        return packed

    assert decode_typed(typed(b'"number"', "12345678901234567890")).value == Decimal("12345678901234567890")
    assert decode_typed(typed(b'"string"', "12345678901234567890")).value == "12345678901234567890"
    for kind, value in (
        (b'"number"', "x"),
        (b'"number"', True),
        (b'"string"', 1),
        (b'"bool"', 1),
        (b'["list","string"]', {}),
        (b'["object",{"a":"string"}]', {"b": "x"}),
        (b'["tuple",["string"]]', []),
        (b'"dynamic"', "x"),
        (b'"nonsense"', "x"),
        (b'["list"]', []),
        (b"{}", []),
        (b"[[[", []),
    ):
        with pytest.raises(UnreadablePlan):
            decode_typed(typed(kind, value))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x81\xa1a\x01\x00",  # bytes after the value
        b"\x82\xa1a\x01\xa1a\x02",  # a key twice
        b"\x81\x01\x02",  # a key that is no text
        b"\xc4\x01x",  # bytes
        b"\xd4\x05\x00",  # an extension that is not known
        b"\xd6\xff\x00\x00\x00\x00",  # a point in time
        b"\xa1\xff",  # no UTF-8
        b"\xdd\xff\xff\xff\xff",  # four thousand million elements
        b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",  # not a number
        b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00",  # infinity
        b"\xc7\x01\x0c\x90",  # what is known of an unknown is a list
        b"\x91" * 300 + b"\x01",
        b"\x91" * 100_000 + b"\x01",
    ],
)
def test_a_damaged_value_is_an_error_and_no_crash(data: bytes) -> None:
    with pytest.raises(UnreadablePlan):
        decode_value(data)
