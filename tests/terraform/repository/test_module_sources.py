"""Which local modules a file names: what is written out exactly, what is not as more than it may be."""

from __future__ import annotations

import pytest

from bot.terraform.repository.module_sources import ANY, LARGEST, local_sources


def module(source: str, more: str = "") -> str:
    return f'module "x" {{\n  source = {source}\n  {more}\n}}\n'


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        (module('"./m"'), ["./m"]),
        (module('("./m/")'), ["./m"]),
        (module('".."'), [".."]),
        (module('"./a${var.x}/${local.y}"'), ["./"]),
        (module('"../m/v${var.x}"'), ["../m/"]),
        (module('"../m/$${x}"'), ["../m/"]),
        (module('"./m/.${var.x}"'), [ANY]),
        (module('"./m/${var.x}/.."'), [ANY]),
        (module('"./m/${path.module}"'), [ANY]),
        (module('"${path.module}/m"'), [ANY]),
        (module('"${path.root}/m"'), [ANY]),
        (module("var.source"), [ANY]),
        (module("<<EOT\n./m\nEOT"), [ANY]),
        (module('"/run/plangate/tree/m"'), [ANY]),
        (module('"git::file:///proc/self/cwd/m"'), [ANY]),
        (module('"file://${var.x}/m"'), []),
        (module('"hashicorp/consul/aws"'), []),
        (module('"git::https://example.com/m.git//run/x?ref=${var.version}"'), []),
        (module('"hashicorp/${var.name}/aws"'), []),
        # Neither of these is a module's own source.
        (module('"./m"', "settings = {\n source = var.x\n }"), ["./m"]),
        (module('"./m"', "x = [for source in var.x : { source = source }]"), ["./m"]),
        ('resource "x" "module" {\n  source = "${path.module}/x"\n}\n', []),
        ('locals {\n  module = {\n    source = var.x\n  }\n}\n', []),
        ('terraform {\n  required_providers {\n    a = { source = "hashicorp/a" }\n  }\n}\n# module', []),
        # But a file that is written out counts.
        ('resource "x" "y" {\n  source = "./x"\n}\n', ["./x"]),
        # Terraform takes none of these. If it ever does, no call is missed.
        (module('"./m'), ["./m", ANY]),
        (module('"./m"') + "}", ["./m", ANY]),
        ('module "x" {\n  source = "./m"\n', ["./m", ANY]),
        (module('"./m"') + "/* no end", ["./m", ANY]),
        (module('"./m"') + "x = <<EOT\nno end", ["./m", ANY]),
    ],
)  # fmt: skip
def test_sources_in_hcl(text: str, sources: list[str]) -> None:
    assert local_sources(text.encode(), in_json=False) == sorted(sources)


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ('{"module": {"x": {"source": "./m"}}}', ["./m"]),
        ('{"module": {"x": {"source": ".\\/m", "source": "./n"}}}', ["./m", "./n"]),
        ('{"module": {"x": {"source": "../m/${var.x}"}}}', ["../m/", "../m/${var.x}"]),
        ('{"module": {"x": {"source": "${var.x}"}}}', [ANY]),
        ('{"module": {"x": {"source": ["./m"]}}}', [ANY]),
        ('{"module": {"x": null, "//": "y"}}', []),
        ('{"resource": {"x": {"module": {"source": "${path.module}/x"}}}}', []),
        ('{"module": {"x": {"source": "./m"}}', ["./m", ANY]),
        ('{"module": ' + "[" * 100_000, [ANY]),
        ('{"locals": ' + "[" * 100_000, []),
    ],
)
def test_sources_in_json(text: str, sources: list[str]) -> None:
    assert local_sources(text.encode(), in_json=True) == sorted(sources)


@pytest.mark.parametrize(
    "start", ["", 'module "x" {\n', 'module "x" {\n  source = ', 'x = "${', "x = <<EOT\n"]
)
@pytest.mark.parametrize(
    "part",
    [
        'source = "./',
        'source = "./a"\n',
        "source" + " " * 50,
        'source = "${"',
        '"${',
        "${",
        "$",
        "<<a",
        "<<a\n",
        "<<a\n${",
        "/*",
        "#",
        "\\",
        "{",
        "(",
        "module {",
        '"./a" ',
        "\t",
    ],
)
def test_hostile_text_takes_time_by_its_length_only(start: str, part: str) -> None:
    text = f"module source{start}" + part * (200_000 // len(part))
    for in_json in (False, True):
        found = local_sources(text.encode(), in_json=in_json)
        assert all(each == ANY or each.startswith("./") for each in found)


def test_a_file_that_is_too_large_may_name_anything() -> None:
    assert local_sources(b"#" * (LARGEST + 1), in_json=False) == [ANY]
    assert local_sources(b"#" * LARGEST, in_json=False) == []
    many = "".join(f'module "m{number}" {{\n  source = "./{number}"\n}}\n' for number in range(1001))
    assert local_sources(many.encode(), in_json=False) == [ANY]
