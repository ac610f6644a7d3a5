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


def test_a_module_that_is_not_known_may_be_any_below_a_folder_with_all_that_it_uses() -> None:
    calls = {"app": ["modules/"], "any": ["/"], "modules/net": ["lib/a"], "modulesx": ["lib/b"]}
    assert users_of(calls, ["modules/dns/x.tf"]).keys() == {"app", "any"}
    assert users_of(calls, ["lib/a/x.tf"]).keys() == {"app", "any", "modules/net"}
    assert users_of(calls, ["lib/b/x.tf"]).keys() == {"any", "modulesx"}
    why = "README.md may be in a module that it uses: not all of its sources are written out"
    assert users_of(calls, ["README.md"]) == {"any": why}
    assert users_of(calls, []) == {}


def test_a_path_that_others_lead_through_counts() -> None:
    calls = {"app": ["current/net"], "any": ["current/net/"], "dns": ["currents/net"]}
    why = "current is on the way to a module that it uses"
    assert users_of(calls, ["current"]) == {"app": why, "any": why}


_DIRECTORIES = st.sampled_from(["", "a", "a/b", "a/b/c", "d", "d/e", "f"])
_BELOW = _DIRECTORIES.map(lambda each: f"{each}/")
_CALLS = st.dictionaries(_DIRECTORIES, st.sets(_DIRECTORIES | _BELOW | st.just("a/x.tf")))
_PATHS = st.lists(
    st.sampled_from(["a/x.tf", "a/b", "a/b/y.tf", "d/z.tf", "f", "root.tf", "g/h.tf"]), max_size=3
)


@given(_CALLS, _PATHS)
def test_every_user_is_found_and_no_other_directory(calls: dict[str, set[str]], paths: list[str]) -> None:
    def below(path: str, folder: str) -> bool:
        return folder == "" or path == folder or path.startswith(f"{folder}/")

    def reaches(directory: str) -> set[str]:
        """Return all places that a directory uses: the plain definition."""
        found: set[str] = set()
        waiting = [directory]
        while waiting:
            new = calls.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
            for place in (each[:-1] for each in new if each.endswith("/")):
                waiting += (each for each in calls if below(each, place))
        return found

    def holds(place: str, path: str) -> bool:
        folder = place.removesuffix("/")
        return below(path, folder) or folder.startswith(f"{path}/")

    expected = {each for each in calls if any(holds(p, path) for p in reaches(each) for path in paths)}
    assert users_of(calls, paths).keys() == expected
