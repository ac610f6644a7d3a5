"""Which directories of a commit use which others: read from its files by Git alone, whatever is in them."""

from __future__ import annotations

import json
import os
import posixpath
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.domain.errors import EngineError
from bot.domain.workspaces.modules import users_of
from bot.terraform.repository.checkout import Checkout
from bot.terraform.repository.module_calls import ModuleCalls
from tests.support.backend import TERRAFORM
from tests.terraform.conftest import Rig


class Reader:
    """Reads calls with a Git that notes down what it is called for."""

    def __init__(self, rig: Rig, tmp: Path) -> None:
        self.rig = rig
        self._log = tmp / "git.log"
        wrapper = tmp / "bin" / "git"
        wrapper.parent.mkdir()
        wrapper.write_text(f'#!/bin/sh\necho "$1" >> {self._log}\nexec {shutil.which("git")} "$@"\n')
        wrapper.chmod(0o755)
        passed = {**os.environ, "PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
        self.checkout = Checkout(rig.data, passed, settling=())
        self._calls = ModuleCalls(self.checkout)

    def of(self, commit: str) -> dict[str, set[str]]:
        found = self._calls.of(self.rig.repository.remote, commit)
        return {directory: set(places) for directory, places in found.items()}

    def users(self, commit: str, *paths: str) -> set[str]:
        return set(users_of(self.of(commit), paths))

    def asked(self) -> list[str]:
        """Return what Git was asked since the last time."""
        found = self._log.read_text().split() if self._log.exists() else []
        self._log.write_text("")
        return found


@pytest.fixture
def reader(rig: Rig, tmp_path: Path) -> Reader:
    return Reader(rig, tmp_path)


def calls(*sources: str) -> str:
    return "".join(f'module "m{n}" {{\n  source = "{source}"\n}}\n' for n, source in enumerate(sources))


def test_modules_in_and_outside_of_the_directory(reader: Reader) -> None:
    commit = reader.rig.repository.commit({
        "envs/prod/main.tf": calls("./parts", "../../modules/net", "../dns"),
        "modules/net/main.tf": calls("../base//sub/../"),
        "main.tf": calls("./modules/net"),
        "envs/dev/main.tf": calls("hashicorp/consul/aws", "git::https://example.com/x.git", "/etc"),
    })  # fmt: skip
    assert reader.of(commit) == {
        "envs/prod": {"envs/prod/parts", "modules/net", "envs/dns"},
        "modules/net": {"modules/base"},
        "": {"modules/net"},
    }
    assert reader.users(commit, "modules/base/x.tf") == {"modules/net", "envs/prod", ""}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tf", 'module "m" {\n  providers = {}\n\tsource="../m" # why\n}'),
        ("a.tf", 'module m { source = "../m" }'),
        ("a.tf", '/* module */ module "m"\n{\n  version = "1"\n  source  =  "../m"\n}\n'),
        ("a.tofu", 'module "m" {\n  source = "../m"\n}'),
        ("a.tf.json", '{"module": {"m": {"source": "../m"}}}'),
        ("a.tf.json", '{"module": [{"m": [{"source" :\n"../m"}]}]}'),
        ("override.tf", 'module "m" {\n  source = "../m"\n}'),
    ],
)
def test_calls_in_any_form(reader: Reader, name: str, text: str) -> None:
    commit = reader.rig.repository.commit({f"app/{name}": text})
    assert reader.of(commit) == {"app": {"m"}}


@pytest.mark.parametrize(
    "source", ["../../other", "../../../../etc", "../app/../../x", "../" + "a/" * 60, "./" + "a" * 1001]
)
def test_a_path_out_of_the_repository_or_too_long_may_lead_back_to_any_file(
    reader: Reader, source: str
) -> None:
    commit = reader.rig.repository.commit({"app/main.tf": calls(source), "b/main.tf": ""})
    assert reader.of(commit) == {"app": {"/"}}
    assert reader.users(commit, "b/main.tf") == {"app"}


def test_paths_are_shortened_as_terraform_does(reader: Reader) -> None:
    commit = reader.rig.repository.commit(
        {"app/main.tf": calls("..", "../m/..", "./..", "../a\\nb", "../c/")}
    )
    assert reader.of(commit) == {"app": {"", "a\nb", "c"}}


def test_a_variable_stands_for_all_that_may_follow(reader: Reader) -> None:
    commit = reader.rig.repository.commit({
        "app/main.tf": calls("../modules/${var.kind}/v1"),
        "all/main.tf": calls("${path.module}/../modules/net"),
        "modules/net/main.tf": calls("../../lib"),
        "lib/main.tf": "",
    })  # fmt: skip
    assert reader.of(commit) == {"app": {"modules/"}, "all": {"/"}, "modules/net": {"lib"}}
    # Also through a module that it may use.
    assert reader.users(commit, "lib/main.tf") == {"app", "all", "modules/net"}
    assert reader.users(commit, "modules/net/x.tf") == {"app", "all"}
    assert reader.users(commit, "docs/a.md") == {"all"}


def test_links_count_as_calls_of_what_they_lead_to(reader: Reader) -> None:
    root = reader.rig.repository.root
    (root / "app").mkdir(parents=True)
    (root / "stacks").mkdir()
    for path, target in {
        "app/net": "../modules/net",
        "app/providers.tf": "../shared/providers.tf",
        "app/out": "/etc",
        "app/round": "round",
        "shortcut": "modules",
        "stacks/prod": "../app",
    }.items():
        (root / path).symlink_to(target)
    commit = reader.rig.repository.commit({
        "app/main.tf": calls("./net", "../shortcut/dns", "./round", "./out/x"),
        "shared/providers.tf": calls("../modules/own"),
        "modules/net/main.tf": "",
        "modules/dns/main.tf": "",
    })  # fmt: skip
    found = reader.of(commit)
    assert {"modules/net", "modules/dns", "shared/providers.tf", "app/net", "shortcut/dns"} <= found["app"]
    # The source in the file that is linked starts at the directory that has the link.
    assert "modules/own" in found["app"]
    assert reader.users(commit, "modules/net/main.tf") >= {"app", "stacks/prod"}
    assert reader.users(commit, "shared/providers.tf") >= {"app", "stacks/prod"}


def test_a_module_that_was_removed_is_still_used_by_those_that_call_it(reader: Reader) -> None:
    reader.rig.repository.commit({"app/main.tf": calls("../m"), "m/main.tf": ""})
    (reader.rig.repository.root / "m/main.tf").unlink()
    commit = reader.rig.repository.commit({"other/main.tf": ""})
    assert reader.users(commit, "m/main.tf") == {"app"}


def test_hostile_files_cost_little_and_hide_nothing(reader: Reader) -> None:
    huge = 'module "m" {\n  source = "../huge"\n}\n' + "#" * 10_000_000
    many = "".join(f'source = "./d{number}"\n' for number in range(50_000))
    commit = reader.rig.repository.commit({
        "huge/main.tf": huge,
        "many/main.tf": many,
        "quotes/main.tf": 'module "m" { source = "' + "../" * 100_000,
        "bytes/main.tf": "source = \"../m\x00\"\n",
        "app/main.tf": calls("../m"),
        **{f"c{number}/main.tf": calls(f"../c{(number + 1) % 300}") for number in range(300)},
    })  # fmt: skip
    found = reader.of(commit)
    assert found["app"] == {"m"}
    assert [found[each] for each in ("huge", "many", "quotes", "bytes")] == [{"/"}] * 4
    circle = {f"c{number}" for number in range(300)}
    assert reader.users(commit, "c7/main.tf") == circle | {"huge", "many", "quotes", "bytes"}


def test_a_link_to_a_file_of_any_name_is_read_as_what_it_is_called(reader: Reader) -> None:
    commit = reader.rig.repository.commit(
        {
            "shared/hcl.txt": calls("../modules/net"),
            "shared/json.txt": '{"module": {"m": {"source": ".\\u002e/modules/json"}}}',
            "app/main.tf": "",
            "far/main.tf": "",
        },
        links={
            "app/a.tf": "../shared/hcl.txt",
            "app/b.tf.json": "../shared/json.txt",
            "far/a.tf": "/etc/plangate/a.tf",
        },
    )
    found = reader.of(commit)
    assert {"modules/net", "modules/json", "shared/hcl.txt", "shared/json.txt"} <= found["app"]
    assert "/" not in found["app"]
    assert "/" in found["far"]


def test_a_link_on_the_way_to_a_module_counts_when_it_changes(reader: Reader) -> None:
    commit = reader.rig.repository.commit(
        {"app/main.tf": calls("../current/net"), "v2/net/main.tf": "", "v2/dns/main.tf": ""},
        links={"current": "latest", "latest": "v2"},
    )
    for link in ("current", "latest"):
        assert "app" in reader.users(commit, link), link
    assert "app" in reader.users(commit, "v2/net/main.tf")
    assert "app" not in reader.users(commit, "v2/dns/main.tf")


@pytest.mark.parametrize("target", ["/srv/modules", "../../modules", "other/../modules", "round"])
def test_a_link_that_leads_out_or_round_may_lead_anywhere(reader: Reader, target: str) -> None:
    commit = reader.rig.repository.commit(
        {"app/main.tf": calls("../round/net"), "modules/net/main.tf": ""}, links={"round": target}
    )
    assert reader.users(commit, "modules/net/main.tf") >= {"app"}


def test_a_commit_costs_one_call_of_git_and_what_is_new_two_more(reader: Reader) -> None:
    first = reader.rig.repository.commit(
        {f"envs/e{number}/main.tf": calls("../../modules/net", f"./x{number}") for number in range(2000)}
    )
    reader.checkout.directories(reader.rig.repository.remote, first)
    reader.asked()
    assert len(reader.of(first)) == 2000
    assert reader.asked() == ["ls-tree", "cat-file", "cat-file"]
    assert len(reader.of(first)) == 2000
    assert reader.asked() == ["ls-tree"]
    second = reader.rig.repository.commit({"modules/net/main.tf": calls("../base")})
    assert len(reader.users(second, "modules/base/main.tf")) == 2001
    assert [each for each in reader.asked() if each in ("ls-tree", "cat-file")] == [
        "ls-tree",
        "cat-file",
        "cat-file",
    ]


@pytest.mark.parametrize("broken", [b"", b"[1]", b"{", b"\xff"])
def test_a_broken_cache_is_read_again(reader: Reader, broken: bytes) -> None:
    commit = reader.rig.repository.commit({"app/main.tf": calls("../m")})
    assert reader.of(commit) == {"app": {"m"}}
    reader.checkout.beside(reader.rig.repository.remote, "calls-2.json").write_bytes(broken)
    assert reader.of(commit) == {"app": {"m"}}


def test_a_commit_that_is_nowhere_is_an_error(reader: Reader) -> None:
    reader.rig.repository.commit({"app/main.tf": ""})
    with pytest.raises(EngineError, match="was not found"):
        reader.of("a" * 40)


# How a module call may be written that Terraform takes for one of the folder `m` beside the file.
SPELLINGS = [
    'module "x" { source = "./m" }',
    'module x { source = "./m" }',
    'module\t"x"\t{\n\tsource\t=\t"./m"\n}\n',
    'module "x" {\r\n  source = "./m"\r\n}\r\n',
    '\ufeffmodule "x" {\n  source = "./m"\n}\n',
    'module /* a */ "x" /* b\n */ {\n  source /* c */ = /* d\n */ "./m" // e\n}\n',
    'module "x" {\n  source = (\n"./m" # a\n)\n}\n',
    'module "x" {\n  source = (("./m"))\n}\n',
    'module "x" {\n  source = "\\u002e/\\U0000006d"\n}\n',
    'module "x" {\n  source = "${"./m"}"\n}\n',
    'module "x" {\n  source = "./${"m"}"\n}\n',
    'module "x" {\n  source = "${"."}/m"\n}\n',
    'module "x" {\n  source = "./a/${"../m"}"\n}\n',
    'module "x" {\n  source = "./a/%{ if true }../m%{ endif }"\n}\n',
    'module "x" {\n  source = "./a/.%{ if true }.%{ endif }/m"\n}\n',
    'module "x" {\n  source = "%{ if true }./m%{ endif }"\n}\n',
    'module "x" {\n  source = "${<<EOT\n./m%{ if true ~}\n%{ endif ~}\nEOT\n}"\n}\n',
    'module "x" {\n  source = true ? "./m" : "./a"\n}\n',
    'module "x" {\n  source = [\n"./m"\n][0]\n}\n',
    'module "x" {\n  source = { a = "./m" }.a\n}\n',
    'module "x" {\n  source = [for key, value in {"./m" = 1} : key][0]\n}\n',
    'module "x" {\n  source = join("/", [".", "m"])\n}\n',
    'module "x" {\n  source = "./a/../m/"\n}\n',
    'module "x" {\n  source = ".//m"\n}\n',
    'module "x" {\n  source = ".\\\\m"\n}\n',
    'variable "v" {\n  const = true\n  default = "m"\n}\nmodule "x" {\n  source = "./${var.v}"\n}\n',
    'locals {\n  v = "m"\n}\nmodule "x" {\n  source = "./${local.v}"\n}\n',
    'locals {\n  v = "./m"\n}\nmodule "x" {\n  source = local.v\n}\n',
    'locals {\n  x = <<EOT\n${<<EOT\n}\nEOT\n}\nEOT\n}\nmodule "x" {\n  source = ("./m")\n}\n',
    'locals {\n  x = <<-EOT\na ${"x"}EOT\n \u00a0EOT\u2003\n}\nmodule "x" {\n  source = ("./m")\n}\n',
    'locals {\n  x = <<EOT\n\\${"a"}\n$${"\nEOT\n}\nmodule "x" {\n  source = ("./m")\n}\n',
    'locals {\n  x = "${\n"}"\n}"\n}\nmodule "x" {\n  source = ("./m")\n}\n',
    'locals {\n  x = "${ /* " } */ 1 # " }\n }"\n}\nmodule "x" {\n  source = ("./m")\n}\n',
    'locals {\n  x = ["\\\\", "$", "$${", "%%{", "$$$${"]\n}\nmodule "x" {\n  source = ("./m")\n}\n',
    'locals {\n  x = [\n{ module = "}" }\n]\n}\nmodule "x" {\n  source = ("./m")\n}\n',
]
JSON_SPELLINGS = [
    r'{"module": {"x": {"source": "\u002e\u002f\u006d"}}}',
    r'{"module": {"x": {"source": ".\/m"}}}',
    r'{"\u006dodule": {"x": {"s\u006furce": "./m"}}}',
    r'{"module": {"x": {"source": "${\"./m\"}"}}}',
    r'{"module": {"x": {"source": "./a/${\"../m\"}"}}}',
    '{"module": [{"x": [{"source":\n\t".\\/m"}]}]}',
    '[{"module": {"x": {"source": ".\\/m"}}}]',
    '{"module": {"x": {"source": ".\\/m"}}, "module": {"y": {"source": "./a"}}}',
    '{"module": {"x": {"source": ".\\/m"}}, "//": ' + "9" * 6000 + "}",
]


def test_no_spelling_that_terraform_takes_is_missed(reader: Reader, tmp_path: Path) -> None:
    cases = {f"h{number}/main.tf": text for number, text in enumerate(SPELLINGS)}
    cases |= {f"j{number}/main.tf.json": text for number, text in enumerate(JSON_SPELLINGS)}
    # In the root a module's own path is written with a dot.
    root = {"r0.tf": 'module "r0" {\n  source = "${path.module}/r0/m"\n}\n'}
    root["r1.tf"] = 'module "r1" {\n  source = "${path.root}/r1/m"\n}\n'
    places = {name: name.partition("/")[0] for name in cases}
    plain = "".join(f'module "{each}" {{\n  source = "./{each}"\n}}\n' for each in places.values())
    empty = {f"{each}/{part}/main.tf": "" for each in (*places.values(), "r0", "r1") for part in ("m", "a")}
    commit = reader.rig.repository.commit({"main.tf": plain, **root, **cases, **empty})
    tree = tmp_path / "tree"
    shutil.copytree(reader.rig.repository.root, tree, ignore=shutil.ignore_patterns(".git"))
    subprocess.run([sys.executable, "-c", TERRAFORM, "get"], cwd=tree, check=True, capture_output=True)
    modules = json.loads((tree / ".terraform/modules/modules.json").read_bytes())["Modules"]
    taken = {posixpath.normpath(each["Dir"]) for each in modules}
    found = reader.of(commit)
    for name, place in places.items():
        assert f"{place}/m" in taken, cases[name]
        assert place in users_of(found, [f"{place}/m/any.file"]), cases[name]
    for place in ("r0", "r1"):
        assert f"{place}/m" in taken
        assert "" in users_of({"": found[""] - {"", *places.values()}}, [f"{place}/m/any.file"])


@pytest.mark.parametrize(
    ("source", "directory"),
    [
        ("./cafe\u0301", "caf\u00e9"),
        ("./100%", "100%"),
        ("./$$x", "$$x"),
        ("./$${x}", "${x}"),
        ("./$$${x}", "$${x}"),
        ("./%%{x}", "%{x}"),
        ("./m ", "m "),
        ("./m//sub", "m/sub"),
    ],
)
def test_names_with_signs_are_taken_as_terraform_takes_them(
    reader: Reader, tmp_path: Path, source: str, directory: str
) -> None:
    commit = reader.rig.repository.commit({"main.tf": calls(source), f"{directory}/main.tf": ""})
    tree = tmp_path / "tree"
    shutil.copytree(reader.rig.repository.root, tree, ignore=shutil.ignore_patterns(".git"))
    subprocess.run([sys.executable, "-c", TERRAFORM, "get"], cwd=tree, check=True, capture_output=True)
    modules = json.loads((tree / ".terraform/modules/modules.json").read_bytes())["Modules"]
    assert directory in {each["Dir"] for each in modules}
    assert "" in reader.users(commit, f"{directory}/main.tf")


def test_what_terraform_itself_finds_is_found(reader: Reader, tmp_path: Path) -> None:
    files = {
        "envs/prod/main.tf": calls("../../modules/net", "./parts") + '# source = "../not/called"\n',
        "envs/prod/more.tf.json": '{"module": {"j": {"source": "../../modules/json"}}}',
        "envs/prod/parts/main.tf": 'module "deep" {\n  count = 0\n  source = "../../../modules/base"\n}\n',
        "modules/net/main.tf": 'module "b" { source = "../base" }\n' + calls("../net/../zone"),
        "modules/base/main.tf": "",
        "modules/zone/main.tf": "",
        "modules/json/main.tf": "",
    }
    commit = reader.rig.repository.commit(files)
    tree = tmp_path / "tree"
    shutil.copytree(reader.rig.repository.root, tree, ignore=shutil.ignore_patterns(".git"))
    here = tree / "envs/prod"
    subprocess.run([sys.executable, "-c", TERRAFORM, "get"], cwd=here, check=True, capture_output=True)
    modules = json.loads((here / ".terraform/modules/modules.json").read_bytes())["Modules"]
    places = {posixpath.normpath(posixpath.join("envs/prod", each["Dir"])) for each in modules if each["Key"]}
    assert len(places) == 5
    for place in places:
        assert "envs/prod" in reader.users(commit, f"{place}/any.file"), place
