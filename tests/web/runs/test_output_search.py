"""The search in all of a stage's output."""

from __future__ import annotations

import html
import re

from bot.domain.people.permissions import Role
from bot.domain.runs.run import Run
from bot.web.page.output import MOST_LINES
from bot.web.runs.output_search import MOST_FOUND
from tests.web.conftest import World


def printed(world: World, *pieces: str) -> Run:
    run = world.run(world.workspace())
    with world.services.store.transaction() as tx:
        for piece in pieces:
            tx.artifacts.append_output(run.id, "plan", piece)
    return run


def found(world: World, path: str) -> list[tuple[str, str, str]]:
    answer = world.client.get(path)
    assert answer.status_code == 200
    rows = re.findall(
        r'<li><a href="([^"]+)">(\d+)</a><code>(.*?)</code></li>', answer.get_data(as_text=True)
    )
    return [(url, number, html.unescape(text)) for url, number, text in rows]


def test_lines_are_found_that_the_page_of_the_run_does_not_show(world: World) -> None:
    run = printed(
        world,
        "first: an Eni\nsecond: e",
        "ni and eni\nthird\n" + "noise\n" * (MOST_LINES + 5),
        "last: (eni)",
    )
    last = 3 + MOST_LINES + 5 + 1
    assert found(world, f"/runs/{run.id}/search/plan?q=ENI") == [
        (f"/runs/{run.id}#plan-L1", "1", "first: an <mark>Eni</mark>"),
        (f"/runs/{run.id}#plan-L2", "2", "second: <mark>eni</mark> and eni"),
        (f"/runs/{run.id}#plan-L{last}", f"{last}", "last: (<mark>eni</mark>)"),
    ]
    page = world.client.get(f"/runs/{run.id}").get_data(as_text=True)
    assert f'action="/runs/{run.id}/search/plan"' in page
    assert "first: an Eni" not in page
    by_signs = found(world, f"/runs/{run.id}/search/plan?q=%28eni%29")
    assert by_signs == [(f"/runs/{run.id}#plan-L{last}", f"{last}", "last: <mark>(eni)</mark>")]
    assert found(world, f"/runs/{run.id}/search/plan?q=") == []
    assert found(world, f"/runs/{run.id}/search/apply?q=eni") == []


def test_the_places_are_right_after_letters_of_any_alphabet(world: World) -> None:
    run = printed(world, "\u0130stanbul ΑΣ ß: eni\nÉTÉ\n")
    assert found(world, f"/runs/{run.id}/search/plan?q=ENI")[0][2] == "\u0130stanbul ΑΣ ß: <mark>eni</mark>"
    assert found(world, f"/runs/{run.id}/search/plan?q=%C3%A9t%C3%A9")[0][1:] == ("2", "<mark>ÉTÉ</mark>")


def test_more_lines_than_are_shown_are_told_of(world: World) -> None:
    run = printed(world, "noise\n" * (MOST_FOUND + 1))
    path = f"/runs/{run.id}/search/plan?q=noise"
    assert len(found(world, path)) == MOST_FOUND
    assert f"The first {MOST_FOUND} lines" in world.client.get(path).get_data(as_text=True)


def test_what_is_found_is_escaped_and_long_lines_are_cut(world: World) -> None:
    run = printed(world, f"{'x' * 5000}<b>here\u202e</b>{'y' * 5000}\n")
    text = world.client.get(f"/runs/{run.id}/search/plan?q=<b>here").get_data(as_text=True)
    assert "&lt;mark&gt;" not in text
    assert "<mark>&lt;b&gt;here</mark>\\u202e&lt;/b&gt;yyy" in text
    assert "x" * 301 not in text
    assert "<b>here" not in text


def test_only_people_who_may_see_the_run_search_its_output(world: World) -> None:
    run = printed(world, "hush")
    path = f"/runs/{run.id}/search/plan?q=hush"
    assert world.visitor("nora").get(path).status_code == 404
    assert world.visitor("rea", Role.READ).get(path).status_code == 200
    assert world.client.get(f"/runs/{run.id}/search/policies?q=hush").status_code == 404
    assert world.client.get("/runs/run-nowhere/search/plan?q=hush").status_code == 404
