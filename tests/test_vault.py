"""Secrets stay secret, and survive a change of keys (promise 6)."""

from __future__ import annotations

import traceback

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import ConfigError, PlangateError
from bot.services.ports import Vault
from bot.vault import FernetVault, generate_key

OLD, NEW = generate_key(), generate_key()


@given(st.binary(max_size=300))
def test_what_goes_in_comes_out_and_does_not_show(data: bytes) -> None:
    vault: Vault = FernetVault([NEW])
    token = vault.encrypt(data)
    assert vault.decrypt(token) == data
    assert len(data) < 8 or data not in token


def test_every_key_decrypts_and_the_first_encrypts() -> None:
    token = FernetVault([OLD]).encrypt(b"plan")
    both = FernetVault([NEW, OLD])
    assert both.decrypt(token) == b"plan"
    assert Fernet(NEW).decrypt(both.encrypt(b"plan")) == b"plan"


def test_after_rotation_the_old_key_may_go() -> None:
    both = FernetVault([NEW, OLD])
    rotated = both.rotate(FernetVault([OLD]).encrypt(b"plan"))
    assert FernetVault([NEW]).decrypt(rotated) == b"plan"


def test_without_the_key_nothing_opens() -> None:
    token = FernetVault([OLD]).encrypt(b"plan")
    with pytest.raises(PlangateError, match="none of the encryption keys fits"):
        FernetVault([NEW]).decrypt(token)
    with pytest.raises(PlangateError):
        FernetVault([NEW]).rotate(token)


@pytest.mark.parametrize("place", [0, 20, -1])
def test_a_tampered_token_does_not_open(place: int) -> None:
    vault = FernetVault([NEW])
    token = bytearray(vault.encrypt(b"plan"))
    token[place] ^= 1
    with pytest.raises(PlangateError):
        vault.decrypt(bytes(token))


def test_derived_keys_are_one_for_each_purpose_and_survive_a_new_key() -> None:
    before, after = FernetVault([OLD]), FernetVault([NEW, OLD])
    assert before.key("digest") == after.key("digest")
    assert len(before.key("digest")) == 32
    assert before.key("digest") != before.key("state token")
    assert before.key("digest") != FernetVault([NEW]).key("digest")


def test_space_around_a_key_does_not_matter() -> None:
    padded, plain = FernetVault([f" {OLD}\n"]), FernetVault([OLD])
    assert padded.decrypt(plain.encrypt(b"x")) == b"x"
    assert padded.key("digest") == plain.key("digest")


def test_a_derived_key_is_not_the_key() -> None:
    assert FernetVault([OLD]).key("digest") not in (OLD.encode(), OLD[:32].encode())


def test_derivation_never_changes() -> None:
    """Digests in a database outlive versions of the program."""
    vault = FernetVault(["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="])
    assert (
        vault.key("plan digest").hex() == "454e3f5b443f309056438f8259cb2a6e857d5d8c136cfc289155c9ade252a300"
    )


def test_no_key_says_how_to_make_one() -> None:
    with pytest.raises(ConfigError, match="generate_key"):
        FernetVault([])


@pytest.mark.parametrize("malformed", ["", "hunter2-hunter2", "!" * 44, "ü" * 44, "A" * 42])
def test_a_malformed_key_is_named_by_its_place_and_not_repeated(malformed: str) -> None:
    with pytest.raises(ConfigError, match=r"key 2 of 2 is not valid.*generate_key") as caught:
        FernetVault([NEW, malformed])
    told = "".join(traceback.format_exception(caught.value))
    assert not malformed or malformed not in told


def test_a_vault_shows_no_key() -> None:
    assert NEW not in repr(FernetVault([NEW]))
