"""Which directories use a changed file through local modules."""

from __future__ import annotations

from bot.domain.workspaces.modules import users_of


def test_a_file_of_a_module_is_used_by_those_that_call_it() -> None:
    calls = {"app": ["modules/net"], "dns": ["modules/zone"], "web": ["modules/net"]}
    found = users_of(calls, ["modules/net/templates/a.tpl"])
    assert found.keys() == {"app", "web"}
    assert found["app"] == "modules/net/templates/a.tpl is in modules/net, a module that it uses"


def test_modules_call_modules() -> None:
    calls = {"app": ["modules/a"], "modules/a": ["modules/b"], "modules/b": ["lib/c"]}
    assert users_of(calls, ["lib/c/main.tf"]).keys() == {"app", "modules/a", "modules/b"}
    assert users_of(calls, ["lib/cc/main.tf", "lib/main.tf", "modules/x"]) == {}


def test_circles_and_long_chains_come_to_an_end() -> None:
    calls = {f"m{each}": [f"m{(each + 1) % 10_000}"] for each in range(10_000)}
    assert len(users_of(calls, ["m0/main.tf"])) == 10_000
    assert users_of({"a": ["a"]}, ["a/x"]).keys() == {"a"}


def test_a_module_at_the_root_has_all_files() -> None:
    assert users_of({"examples/basic": [""]}, ["templates/a.tpl"]).keys() == {"examples/basic"}
    assert users_of({"": ["modules/a"]}, ["modules/a/x.tf"]).keys() == {""}
