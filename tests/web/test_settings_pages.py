"""A workspace's settings: what each is, where it comes from; and its current and latest run."""

from __future__ import annotations

import html
import re

from bot.domain.lifecycle import RunStatus
from bot.domain.workspace import Triggers


def text(world, path, status=200):
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def settings(page):
    return {
        name: (value, source)
        for name, value, source in re.findall(
            r"<tr><td>([^<]+)</td><td[^>]*>([^<]+)</td><td[^>]*>([^<]+)</td>", page
        )
    }


def test_each_setting_says_where_it_comes_from(world):
    triggers = Triggers(patterns=("net/**",))
    world.workspace("named", branch="main", auto_apply=True, triggers=triggers)
    found = settings(text(world, "/workspaces/named/settings"))
    assert found["Auto-apply"] == ("on", "plangate.yml: its own entry, or defaults")
    assert found["Runs on changes of"] == ("net/**", "plangate.yml: its own entry, or defaults")
    assert found["Engine"] == ("terraform", "the default")
    world.workspace("found", discovered=True, tags=("prod", "eu"))
    page = text(world, "/workspaces/found/settings")
    assert "found by a rule under discover in plangate.yml" in page
    assert settings(page)["Tags"] == ("prod, eu", "plangate.yml: the rule that found it, or defaults")


def test_run_triggers_are_shown_on_both_ends(world):
    world.workspace("first")
    world.workspace("second", run_triggers=("first",))
    assert 'apply here starts a run in <a href="/workspaces/second">' in text(
        world, "/workspaces/first/settings"
    )
    assert 'apply of <a href="/workspaces/first">' in text(world, "/workspaces/second/settings")
    text(world, "/workspaces/nowhere/settings", 404)


def test_a_workspace_shows_its_current_and_its_latest_run(world):
    workspace = world.workspace()
    page = text(world, "/workspaces/network")
    assert "Current run" not in page
    assert "Latest run" not in page
    world.run(workspace, status=RunStatus.APPLIED, message="Done before")
    world.run(workspace, status=RunStatus.APPLYING, message="At it now")
    world.run(workspace, status=RunStatus.PLANNED_AND_FINISHED, plan_only=True, message="A preview")
    page = text(world, "/workspaces/network")
    current, latest = page.partition("Current run</h2>")[2].split("Latest run</h2>")
    assert "At it now" in current
    assert "Done before" in latest.partition("<h2>")[0]
