"""The pages, and the Markdown on them."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.playground.server import Playground
from bot.playground.web.markdown import render

REPO = "acme/infra"


def page(playground: Playground, path: str) -> str:
    answer = httpx.get(playground.url + path)
    assert answer.status_code == 200, path
    assert answer.headers["Content-Type"].startswith("text/html")
    return answer.text


def test_a_pull_requests_page_shows_all_there_is_to_it(playground: Playground, pull: int) -> None:
    forge = playground.forge
    forge.install_app(forge.register_app(42, "plangate"), "acme")
    head = forge.pull(REPO, pull).head_sha
    forge.set_status(
        REPO, head, "plangate[bot]", "success", context="plan: net", target_url="http://x.test/runs/1"
    )
    comment = forge.comment(REPO, pull, "plangate[bot]", "<!-- marker -->\n| a |\n|---|\n| b |")
    forge.react(REPO, comment.id, "bob", "rocket")
    forge.review(REPO, pull, "bob", "APPROVE", "Good")
    text = page(playground, f"/{REPO}/pull/{pull}")
    for part in ("A database", "add-db", head[:10], "http://x.test/runs/1", "<table>", "🚀", "approved"):
        assert part in text
    assert "marker" not in text
    assert "+# db" in page(playground, f"/{REPO}/pull/{pull}/files")
    assert "A database" in page(playground, f"/{REPO}")
    assert "plan: net" in page(playground, f"/{REPO}/commit/{head}")
    assert REPO in page(playground, "/")
    assert httpx.get(f"{playground.url}/static/avatars/{comment.author.id}").status_code == 200
    forge.merge(REPO, pull, "bob")
    assert "merged this as" in page(playground, f"/{REPO}/pull/{pull}")


def test_an_empty_forge_and_an_empty_repository_have_pages(playground: Playground) -> None:
    playground.forge.create_repo("acme/empty")
    assert "Empty. Push to" in page(playground, "/acme/empty")
    assert httpx.get(f"{playground.url}/acme/nowhere").status_code == 404


def test_the_comment_box_speaks_for_whom_one_chooses(playground: Playground, pull: int) -> None:
    here = f"{playground.url}/{REPO}/pull/{pull}"
    answer = httpx.post(f"{here}/comments", data={"user": "bob", "body": "/apply\r\nnow"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/{REPO}/pull/{pull}#end")
    (said,) = playground.forge.pull(REPO, pull).comments
    assert (said.author.login, said.body) == ("bob", "/apply\nnow")
    assert httpx.post(f"{here}/comments", data={"user": "bob", "body": " "}).status_code == 422
    assert httpx.post(f"{here}/merge", data={"user": "carol"}).status_code == 409
    assert httpx.post(f"{here}/reviews", data={"user": "bob"}).status_code == 303
    assert httpx.post(f"{here}/merge", data={"user": "bob", "method": "squash"}).status_code == 303
    assert playground.forge.pull(REPO, pull).merged_at is not None


def test_another_sites_page_cannot_send_the_forms(playground: Playground, pull: int) -> None:
    here, form = f"{playground.url}/{REPO}/pull/{pull}/comments", {"user": "bob", "body": "/apply"}
    assert httpx.post(here, data=form, headers={"Origin": "http://evil.test"}).status_code == 403
    assert httpx.post(here, data=form, headers={"Origin": playground.url}).status_code == 303


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**b** ~~s~~ `c`", "<p><strong>b</strong> <s>s</s> <code>c</code></p>\n"),
        ("<!-- hidden -->\n\nseen", "\n<p>seen</p>\n"),
        ("a <script>alert(1)</script> b", "<p>a  b</p>\n"),
        ("<img src=x onerror=alert(1)>", "<img>"),
        ("<a href='javascript:alert(1)'>x</a>", '<p><a rel="nofollow noopener">x</a></p>\n'),
        ("[x](https://x.test)", '<p><a href="https://x.test" rel="nofollow noopener">x</a></p>\n'),
        ("<b class='evil' style='x'>x", "<p><b>x</b></p>\n"),
        ("</div></main>x", "x"),
        ("- [x] a\n- [ ] b", "<ul>\n<li>☑ a</li>\n<li>☐ b</li>\n</ul>\n"),
        ("```diff\n+ a\n- <b>\n```", None),
    ],
)
def test_markdown_lets_only_the_harmless_through(text: str, html: str | None) -> None:
    if html is None:
        html = (
            '<pre class="diff"><code><span class="add">+ a\n</span>'
            '<span class="del">- &lt;b&gt;\n</span></code></pre>\n'
        )
    assert render(text) == html


def test_folded_parts_hold_markdown() -> None:
    text = "<details open><summary>Plan of <b>net</b></summary>\n\n```hcl\na = 1\n```\n\n</details>"
    html = render(text)
    assert html.startswith('<details open=""><summary>Plan of <b>net</b></summary>')
    assert "<pre><code>a = 1\n</code></pre>" in html
    assert html.rstrip().endswith("</details>")


@settings(deadline=None)
@given(st.text(alphabet="<>/=\"'! abdimgonscriptxsv-&;:\n`#*[]()", max_size=120))
def test_no_text_can_smuggle_in_a_script(text: str) -> None:
    html = str(render(text)).lower()
    assert "<script" not in html
    assert "<svg" not in html
    assert "<!--" not in html
    assert html.count("<details") == html.count("</details>")
