from __future__ import annotations

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain.masking import MASK, Masker, mask

few = st.text("ab\n", min_size=1, max_size=8)
pieces = st.lists(st.text("abc\n", max_size=9), max_size=12)


def marked(text, secrets):
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
def test_however_the_text_is_cut_it_is_masked_as_the_whole_is(secrets, cut):
    masker = Masker(secrets)
    streamed = "".join(masker.feed(piece) for piece in cut) + masker.flush()
    assert streamed == marked("".join(cut), secrets)


@settings(deadline=None)
@given(st.lists(few, min_size=1, max_size=4), pieces, st.data())
def test_no_secret_gets_through(secrets, cut, data):
    text = "".join(itertools.chain(cut, [data.draw(st.sampled_from(secrets))], cut))
    shown = mask(text, secrets)
    for secret in secrets:
        for line in secret.splitlines():
            assert len(line.strip()) < 4 or line.strip() not in shown


def test_each_line_of_a_key_is_hidden_also_where_it_is_indented():
    key = "-----BEGIN KEY-----\nabcdefgh\nij\n-----END KEY-----\n"
    shown = mask(
        "  key = <<EOT\n    -----BEGIN KEY-----\n    abcdefgh\n    ij\n    -----END KEY-----\n", [key]
    )
    assert shown == f"  key = <<EOT\n    {MASK}\n    {MASK}\n    ij\n    {MASK}\n"


def test_a_secret_is_hidden_as_json_hcl_and_urls_spell_it():
    secret = 'p<ss"w&rd/${x}'
    spelled = [
        'p<ss\\"w&rd/${x}',
        'p\\u003css\\"w\\u0026rd/${x}',
        'p<ss\\"w&rd/$${x}',
        "p%3Css%22w%26rd%2F%24%7Bx%7D",
    ]
    assert mask(" ".join(spelled), [secret]) == " ".join([MASK] * 4)


def test_short_values_and_common_words_are_left_alone():
    assert mask("yes: abc true null", ["abc", "true", "null", "", "  "]) == "yes: abc true null"


def test_what_can_be_no_secret_is_not_held_back():
    masker = Masker(["secret"])
    assert masker.feed("one two se") == "one two "
    assert masker.feed("ven") == "seven"
