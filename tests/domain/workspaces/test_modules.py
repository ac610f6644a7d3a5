"""Which directories use a changed file through local modules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.workspaces.modules import users_of


def test_a_file_of_a_module_is_used_by_those_that_call_it() -> None:
    calls = {"app": ["modules/net"], "dns": ["modules/zone"], "web": ["modules/net"]}
    found = users_of(calls, ["modules/net/templates/a.tpl"])
    assert found.keys() == {"app", "web"}
    assert found["app"] == "modules/net/templates/a.tpl is in modules/net, a module that it uses"


def test_a_single_file_may_be_used_by_a_link() -> None:
    assert users_of({"app": ["shared/p.tf"]}, ["shared/p.tf"]) == {
        "app": "shared/p.tf is a file that it uses"
    }


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


_DIRECTORIES = st.sampled_from(["", "a", "a/b", "a/b/c", "d", "d/e", "f"])
_CALLS = st.dictionaries(_DIRECTORIES, st.sets(_DIRECTORIES | st.just("a/x.tf")))
_PATHS = st.lists(st.sampled_from(["a/x.tf", "a/b/y.tf", "d/z.tf", "f", "root.tf", "g/h.tf"]), max_size=3)


@given(_CALLS, _PATHS)
def test_every_user_is_found_and_no_other_directory(calls: dict[str, set[str]], paths: list[str]) -> None:
    def reaches(directory: str) -> set[str]:
        """Return all places that a directory uses: the plain definition."""
        found: set[str] = set()
        waiting = [directory]
        while waiting:
            new = calls.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        return found

    def holds(place: str, path: str) -> bool:
        return place in ("", path) or path.startswith(f"{place}/")

    expected = {each for each in calls if any(holds(p, path) for p in reaches(each) for path in paths)}
    assert users_of(calls, paths).keys() == expected
