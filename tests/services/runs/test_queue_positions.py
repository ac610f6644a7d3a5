"""Who waits in a workspace is told anew when the holder goes on, and only then."""

from __future__ import annotations

from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


def test_the_words_follow_the_run_that_holds_the_workspace(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    house.push("c2", "network/main.tf", before="c1", work=False)
    house.work("receive")
    first, second = house.runs()
    seen: list[str] = []

    def look(_: object = None) -> None:
        house.work("report")
        seen.append(house.said("c2", "plangate/network/plan")[1])

    look()
    house.engine.during("plan", look)
    house.work("plan")
    look()
    house.engine.during("apply", look)
    house.controls.confirm(first.id, WRITER)
    house.work("apply")
    look()
    house.work()
    assert seen == [
        f"Waiting: 2nd in the queue, behind {first.id}",
        f"Waiting: 2nd in the queue, behind {first.id} (planning)",
        f"Waiting: 2nd in the queue, behind {first.id} (needs confirmation)",
        f"Waiting: 2nd in the queue, behind {first.id} (applying)",
        "Planning",
    ]
    assert house.said("c2", "plangate/network/plan")[1] == "No changes"
    assert house.run(second.id).final
