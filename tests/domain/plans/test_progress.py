"""How far an apply has come, as Terraform's lines tell it."""

from __future__ import annotations

from bot.domain.plans.plan import Counts
from bot.domain.plans.progress import ApplyReader, Progress

OUTPUT = """\
$ terraform apply
null_resource.old: Destroying... [id=1]
null_resource.old: Destruction complete after 0s
module.a["x: y"].null_resource.new: Creating...
module.a["x: y"].null_resource.new: Provisioning with 'local-exec'...
module.a["x: y"].null_resource.new (local-exec): aws_x.y: Creation complete after 0s
aws_vpc.main: Modifying... [id=vpc-1]
aws_vpc.main: Still modifying... [id=vpc-1, 10s elapsed]
"""


THREE = Counts(add=1, change=1, destroy=1)


def read(*pieces: str, counts: Counts | None = THREE) -> Progress:
    reader = ApplyReader(counts)
    for piece in pieces:
        reader.feed(piece)
    return reader.progress


def test_what_is_complete_is_counted_and_what_is_begun_is_named() -> None:
    assert read(OUTPUT) == Progress(1, 3, ('module.a["x: y"].null_resource.new', "aws_vpc.main"))
    more = 'module.a["x: y"].null_resource.new: Creation complete after 2s [id=2]\n'
    assert read(OUTPUT, more).done == 2
    assert read(OUTPUT, more).percent == 66
    done = read(OUTPUT, more, "aws_vpc.main: Modifications complete after 12s [id=vpc-1]\n")
    assert done == Progress(3, 3)
    assert done.percent == 100


def test_imports_count_too() -> None:
    text = "aws_x.y: Importing... [id=i-1]\naws_x.y: Import complete [id=i-1]\n"
    assert read(text, counts=Counts(imports=1)) == Progress(1, 1)


def test_there_is_never_more_done_than_there_is_to_do() -> None:
    assert read(OUTPUT * 9).percent == 100
    assert read(OUTPUT, counts=None) == Progress(0, 0, read(OUTPUT).under_way)
    assert read(OUTPUT, counts=None).percent == 0
