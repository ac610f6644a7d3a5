from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain.runs.masking import MASK, Masker, TerraformMasker, mask, secrets_of
from bot.domain.workspaces.variables import Category, Variable

few = st.text("ab\n", min_size=1, max_size=8)
pieces = st.lists(st.text("abc\n", max_size=9), max_size=12)


def marked(text: str, secrets: Sequence[str]) -> str:
    """Mask in the plainest way: mark each character that belongs to a secret, then fold the marks."""
    forms = {line.strip() for secret in secrets for line in (secret, *secret.splitlines())}
    # A secret of several lines may also be printed on one, as JSON has it; no such text occurs here.
    hidden = [False] * len(text)
    for form in forms:
        for at in range(len(text)):
            if len(form) >= 4 and text.startswith(form, at):
                hidden[at : at + len(form)] = [True] * len(form)
    groups = itertools.groupby(zip(text, hidden, strict=True), key=lambda pair: pair[1])
    return "".join(MASK if mark else "".join(char for char, _ in group) for mark, group in groups)


@settings(max_examples=500, deadline=None)
@given(st.lists(few, max_size=4), pieces)
@example(["aaaa"], ["aa"] * 6)
@example(["abab"], ["ab", "ab", ""])
@example(["abab", "ababab"], ["ab", "ab", "ab", "a"])
def test_however_the_text_is_cut_it_is_masked_as_the_whole_is(secrets: list[str], cut: list[str]) -> None:
    masker = Masker(secrets)
    streamed = "".join(masker.feed(piece) for piece in cut) + masker.flush()
    assert streamed == marked("".join(cut), secrets)


@settings(deadline=None)
@given(st.lists(few, min_size=1, max_size=4), pieces, st.data())
def test_no_secret_gets_through(secrets: list[str], cut: list[str], data: st.DataObject) -> None:
    text = "".join(itertools.chain(cut, [data.draw(st.sampled_from(secrets))], cut))
    shown = mask(text, secrets)
    for secret in secrets:
        for line in secret.splitlines():
            assert len(line.strip()) < 4 or line.strip() not in shown


def test_each_line_of_a_key_is_hidden_also_where_it_is_indented() -> None:
    key = "-----BEGIN KEY-----\nabcdefgh\nij\n-----END KEY-----\n"
    shown = mask(
        "  key = <<EOT\n    -----BEGIN KEY-----\n    abcdefgh\n    ij\n    -----END KEY-----\n", [key]
    )
    assert shown == f"  key = <<EOT\n    {MASK}\n    {MASK}\n    ij\n    {MASK}\n"


def test_a_secret_is_hidden_as_json_hcl_and_urls_spell_it() -> None:
    secret = 'p<ss"w&rd/${x}'
    spelled = [
        'p<ss\\"w&rd/${x}',
        'p\\u003css\\"w\\u0026rd/${x}',
        'p<ss\\"w&rd/$${x}',
        "p%3Css%22w%26rd%2F%24%7Bx%7D",
    ]
    assert mask(" ".join(spelled), [secret]) == " ".join([MASK] * 4)


def test_short_values_and_common_words_are_left_alone() -> None:
    assert mask("yes: abc true null", ["abc", "true", "null", "", "  "]) == "yes: abc true null"


def test_what_can_be_no_secret_is_not_held_back() -> None:
    masker = Masker(["secret"])
    assert masker.feed("one two se") == "one two "
    assert masker.feed("ven") == "seven"


def test_a_secret_is_hidden_where_it_was_wrapped_at_its_spaces() -> None:
    phrase = "correct horse battery staple"
    assert mask("it is correct\nhorse battery\nstaple, alas", [phrase]) == f"it is {MASK}, alas"
    assert mask("correct horse", [phrase]) == "correct horse"


def test_a_secret_is_hidden_in_json_within_json_within_a_string() -> None:
    secret = 'a "quoted" <tag>\\ and ü'
    text = secret
    for _ in range(3):
        text = json.dumps(text, ensure_ascii=False)
        assert mask(text, [secret]).strip('\\"') == MASK
    assert mask(json.dumps(secret), [secret]) == f'"{MASK}"'


def test_a_secret_is_hidden_in_base64_of_a_longer_text() -> None:
    befores, afters = ["", "x", "ab", "user:"], ["", "y", "yz", "\n#!/bin/sh"]
    for secret, before, after in itertools.product(["hunter2?~>>s3cret", "p~?ss!"], befores, afters):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            shown = mask(encode(f"{before}{secret}{after}".encode()).decode(), [secret])
            assert MASK in shown
            # A character at each end or two are made of what stands beside the secret as well.
            rest = shown.replace(MASK, "").rstrip("=")
            assert len(rest) <= len(encode(before.encode())) + len(encode(after.encode())) + 2


def test_a_secret_is_hidden_in_base64_with_all_its_lines() -> None:
    key = "-----BEGIN-----\nabcdef\n-----END-----\n"
    assert mask(base64.b64encode(key.encode()).decode(), [key]).rstrip("=") == MASK


SAID = "terraform_data.x (local-exec): "
LETTERS = "abcdefghijklmnopqrst"


@settings(deadline=None)
@given(st.lists(st.integers(1, len(LETTERS) - 1), max_size=6), st.booleans(), st.integers(1, 7))
def test_what_a_provisioner_says_in_pieces_is_hidden_but_for_three_characters(
    cuts: list[int], others: bool, step: int
) -> None:
    places = [0, *sorted(set(cuts)), len(LETTERS)]
    between = "terraform_data.y: Creating...\nterraform_data.y (local-exec): klm\n" if others else ""
    lines = [f"{SAID}{LETTERS[one:two]}\n{between}" for one, two in itertools.pairwise(places)]
    text = "".join(lines)
    masker = TerraformMasker([LETTERS])
    shown = "".join(masker.feed(text[at : at + step]) for at in range(0, len(text), step)) + masker.flush()
    said = "".join(line.removeprefix(SAID) for line in shown.splitlines() if line.startswith(SAID))
    assert said.replace(MASK, "") in ("", "a", "ab", "abc")
    assert shown.count("terraform_data.y: Creating...") == text.count("terraform_data.y: Creating...")


def test_pieces_of_two_resources_make_no_secret() -> None:
    masker = TerraformMasker(["abcdefgh"])
    text = "one.x (local-exec): abc\ntwo.x (local-exec): defgh\nend"
    assert masker.feed(text) + masker.flush() == text


@given(st.lists(few, max_size=4), pieces)
def test_what_no_provisioner_says_is_masked_as_ever(secrets: list[str], cut: list[str]) -> None:
    masker = TerraformMasker(secrets)
    streamed = "".join(masker.feed(piece) for piece in cut) + masker.flush()
    assert streamed == mask("".join(cut), secrets)


def test_a_line_without_an_end_is_not_held_back_for_ever() -> None:
    masker = TerraformMasker(["secret"])
    assert len(masker.feed("x" * 100_000)) > 90_000


def test_what_terraform_takes_apart_is_hidden_part_by_part() -> None:
    document = '{"user": "admin-user", "list": ["deep-secret", 5, null, true], "key": "one\\ntwo-three"}'
    variables = [
        Variable("document", document, sensitive=True),
        Variable("expression", '{ a = "in-hcl", b = "with \\"quotes\\"" }', hcl=True, sensitive=True),
        Variable("GOOGLE_CREDENTIALS", '{"project": "acme-prod"}', Category.ENV, sensitive=True),
        Variable("open", "not-hidden"),
        Variable("odd", "{not json", sensitive=True),
        Variable("deep", "[" * 100_000, sensitive=True),
    ]
    found = secrets_of(variables)
    hidden = ["admin-user", "deep-secret", "one\ntwo-three", "in-hcl", 'with \\"quotes\\"', 'with "quotes"']
    assert set(hidden) <= set(found)
    assert {"acme-prod", "not-hidden"}.isdisjoint(found)


def test_numbers_of_a_sensitive_hcl_value_are_hidden() -> None:
    expression = (
        '{ pin = 48213, port_7777 = -90.125, "quoted 5555" = [1.50E+3, 443, 1e99999999], t-8888 = 12 }'
    )
    found = secrets_of([Variable("x", expression, hcl=True, sensitive=True)])
    assert set(found) == {expression, "quoted 5555", "48213", "90.125", "1.50E+3", "1500", "1e99999999"}
    shown = mask("pin = 48213, at = -90.125, n = 1500, port_7777 = 443, t-8888 = 12", found)
    assert shown == "pin = ***, at = -***, n = ***, port_7777 = 443, t-8888 = 12"
    assert "48213" not in secrets_of([Variable("x", "[48213]", hcl=True)])
