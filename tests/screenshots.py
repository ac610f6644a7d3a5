"""Takes the screenshots in docs/screenshots: every page, wide and on a phone, in light and dark.

`make screenshots` runs it. Needs Chromium. The pages are those of the browser tests, on the same data.
`--png FOLDER` also writes sheets to look at: for each page and scheme, both sizes side by side.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from bot.domain.plans.forecast import Forecast
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Merging, PlanOf, Workspace
from bot.services.ports import ArtifactKind, ForecastRecord
from tests.browser.addresses import addresses
from tests.browser.conftest import CHROMIUM, Site
from tests.support.backend import live
from tests.support.seeding import CHANGE, HEADS, LINEAGE, Seeded, plan_json, seed
from tests.support.stores import kept_stores
from tests.web.conftest import World, built

FOLDER = Path(__file__).parents[1] / "docs" / "screenshots"
SIZES: Mapping[str, ViewportSize] = {
    "": {"width": 1440, "height": 900},
    "-phone": {"width": 375, "height": 812},
}
_APPLY_OUTPUT = """\
aws_subnet.b: Creating...
aws_subnet.b: Creation complete after 1s [id=subnet-3d4e5f]
aws_vpc.main: Modifying... [id=vpc-0a1b2c]
aws_vpc.main: Modifications complete after 2s [id=vpc-0a1b2c]
"""
_GROUPED: Mapping[str, Any] = {
    "billing": {"project": "shop", "team": "payments"},
    "cluster-prod": {"project": "platform", "tags": ("prod",)},
    "monitoring": {"project": "platform"},
    "network-prod": {"project": "platform", "team": "network"},
    "network-staging": {"project": "platform", "team": "network", "tags": ("staging",)},
}
SCHEMES = ("light", "dark")
MOST_BYTES = 90_000
_QUALITY = 82
# A page that is alike another is not taken again.
_LEFT_OUT = frozenset(
    {"narrowed", "nothing-found", "locked-workspace", "untouched-workspace", "runs-found", "no-runs-found",
     "estate-found"}
)  # fmt: skip


def main() -> int:
    """Take them all. Returns 1 if one is too large."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--png", type=Path, help="a folder for sheets to look at")
    ask.add_argument("--only", nargs="*", default=(), help="names of pages")
    asked = ask.parse_args()
    if CHROMIUM is None:
        sys.stderr.write("no Chromium here: apt install chromium\n")
        return 1
    with _site() as site:
        pages = {name.replace(" ", "-"): path for name, path in addresses(site).items()}
        pages = {name: path for name, path in pages.items() if name not in _LEFT_OUT}
        pages = {name: path for name, path in pages.items() if not asked.only or name in asked.only}
        pictures = dict(_pictures(site, pages))
        if asked.png:
            _sheets(site.browser, pages, pictures, asked.png)
    if not asked.only:
        for old in FOLDER.glob("*.*"):
            old.unlink()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, data in pictures.items():
        (FOLDER / f"{name}.webp").write_bytes(data)
    large = sorted(name for name, data in pictures.items() if len(data) > MOST_BYTES)
    if large:
        sys.stderr.write(f"too large: {', '.join(large)}\n")
    return 1 if large else 0


@contextmanager
def _site() -> Iterator[Site]:
    with (
        kept_stores() as stores,
        stores.one() as kept,
        tempfile.TemporaryDirectory() as folder,
        built(kept, Path(folder)) as world,
        sync_playwright() as playwright,
    ):
        seeded = seed(world)
        _make_real(world, seeded)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            with live(world.app) as address:
                yield Site(world, seeded, address, browser)
        finally:
            browser.close()


def _make_real(world: World, seeded: Seeded) -> None:
    """Have plans do what their counts say, an apply print something, and two changes be planned together."""
    actions = {"aws_eip.nat": "delete", "module.network.aws_vpc.main": "update"}
    plan = _plan(actions | {"module.network.aws_subnet.b": "create"})
    earlier = {"aws_route_table.a": "delete", "aws_subnet.b": "create"}
    runs, network = seeded.runs, seeded.workspaces["network-prod"]
    with world.services.store.transaction() as tx:
        for name in ("confirm", "override"):
            tx.artifacts.put(runs[name].id, ArtifactKind.PLAN_JSON, plan)
        for name in ("network-prod", "cluster-prod"):
            tx.artifacts.put(runs[f"earlier-{name}"].id, ArtifactKind.PLAN_JSON, _plan(earlier))
            later = _plan(earlier | {"aws_vpc.main": "update"})
            tx.artifacts.put(runs[f"preview-{name}"].id, ArtifactKind.PLAN_JSON, later)
        for name in ("applied", "applying"):
            tx.artifacts.append_output(runs[name].id, "apply", _APPLY_OUTPUT)
        tx.artifacts.append_output(runs["preview-billing"].id, "plan", runs["preview-billing"].error)
        for name, about in _GROUPED.items():
            tx.workspaces.put(replace(tx.workspaces.named(name), **about))
        world.forge.add_change(tx.changes.get("chg-second-zone").change)
    _forecast(world, network, runs["preview-network-prod"])


def _forecast(world: World, network: Workspace, ours: Run) -> None:
    fields = {
        "status": RunStatus.PLANNED_AND_FINISHED,
        "plan_status": StageStatus.FINISHED,
        "plan_only": True,
        "commit": HEADS[7],
    }
    with world.services.store.transaction() as tx:
        network = tx.workspaces.put(
            replace(tx.workspaces.get(network.id), merging=Merging(plan_of=PlanOf.MERGE))
        )
    theirs = world.run(network, **fields, source=RunSource.CHANGE, change_number=CHANGE + 1)
    both = world.run(
        network, **fields, source=RunSource.FORECAST, message=f"changes {CHANGE} and {CHANGE + 1} together"
    )
    with world.services.store.transaction() as tx:
        record = tx.changes.get("chg-second-zone")
        other = replace(record.change, number=CHANGE + 1, head_sha=HEADS[7], title="Rename the gateway")
        tx.changes.put(replace(record, id="chg-gateway", change=other))
        result, state = Forecast(order=("aws_subnet.b",)), f"{LINEAGE} 3 {3:032x}"
        pair = ForecastRecord(network.id, CHANGE, CHANGE + 1, ours.id, theirs.id, "b", state, both.id, result)
        tx.forecasts.put(pair)


def _plan(actions: Mapping[str, str]) -> bytes:
    plans = [json.loads(plan_json(address, action=action)) for address, action in actions.items()]
    return json.dumps(plans[0] | {"resource_changes": [p["resource_changes"][0] for p in plans]}).encode()


def _pictures(site: Site, pages: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yield each picture as WebP, with its name."""
    for size, viewport in SIZES.items():
        for scheme in SCHEMES:
            with site.context(
                viewport=viewport,
                color_scheme=scheme,
                reduced_motion="reduce",
                device_scale_factor=2 if size else 1,
            ) as context:
                page = context.new_page()
                for name, path in pages.items():
                    page.goto(path)
                    page.get_by_text("Asking the forge").first.wait_for(state="hidden")
                    yield f"{name}{size}-{scheme}", _picture(page)


def _picture(page: Page) -> bytes:
    how = {"format": "webp", "quality": _QUALITY}
    data = page.context.new_cdp_session(page).send("Page.captureScreenshot", how)["data"]
    return base64.b64decode(data)


def _sheets(browser: Browser, pages: Mapping[str, str], pictures: Mapping[str, bytes], folder: Path) -> None:
    """Write a PNG for each page and scheme, with its two pictures side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    with browser.new_context(viewport={"width": 1840, "height": 900}) as context:
        page = context.new_page()
        for name in pages:
            for scheme in SCHEMES:
                shown = "".join(
                    f'<img style="height:880px;margin:5px" src="data:image/webp;base64,{_text(data)}">'
                    for data in (pictures[f"{name}{size}-{scheme}"] for size in SIZES)
                )
                page.set_content(f'<body style="margin:0;white-space:nowrap;background:#888">{shown}')
                page.screenshot(path=str(folder / f"{name}-{scheme}.png"))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    sys.exit(main())
