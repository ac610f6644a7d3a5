"""The addresses of every page of the seeded site, for tests and pictures."""

from __future__ import annotations

from tests.browser.conftest import Site

CHANGE = "/changes/chg-second-zone"


def addresses(site: Site) -> dict[str, str]:
    """Return the address of every page by what it shows."""
    runs, states = site.seeded.runs, site.seeded.states
    before, now = (runs[f"{key}-network-prod"].id for key in ("earlier", "preview"))
    workspace, network = "/workspaces/network-prod", site.seeded.workspaces["network-prod"].id
    return {
        "workspaces": "/",
        "workspaces by project": "/?by=project",
        "narrowed": "/?show=errored&q=prod&sort=latest",
        "nothing found": "/?q=nowhere",
        "workspace": workspace,
        "locked workspace": "/workspaces/dns",
        "untouched workspace": "/workspaces/archive",
        "settings": f"{workspace}/settings",
        "queue plan": f"{workspace}/queue-plan",
        "variables": f"{workspace}/variables",
        "forecasts": f"{workspace}/forecasts",
        "states": f"{workspace}/states",
        "state": f"{workspace}/states/{states[-1].id}",
        "resource of a state": f"{workspace}/states/{states[-1].id}/resource"
        "?address=module.network.aws_vpc.main",
        "states compared": f"{workspace}/states/compare?before={states[0].id}&now={states[-1].id}",
        "change": CHANGE,
        "plans compared": f"{CHANGE}?workspace=network-prod&before={before}&now={now}#{network}",
        "variable sets": "/variable-sets",
        "variable set": "/variable-sets/aws",
        "deliveries": "/deliveries",
        "activity": "/activity",
        "tokens": "/tokens",
        "sign in": "/sign-in",
        "run to confirm": f"/runs/{runs['confirm'].id}",
        "run to override": f"/runs/{runs['override'].id}",
        "run of a preview": f"/runs/{runs['preview-network-prod'].id}",
        "run that applied": f"/runs/{runs['applied'].id}",
        "run that was canceled": f"/runs/{runs['canceled'].id}",
        "run that errored": f"/runs/{runs['preview-billing'].id}",
        "run that applies": f"/runs/{runs['applying'].id}",
        "runs": "/runs",
        "runs found": "/runs?q=network&person=ben&state=applied&page=2",
        "no runs found": "/runs?commit=xyz",
        "drift": "/drift",
        "drift of a workspace": f"{workspace}/drift",
        "notifications": "/notifications",
        "new workspace": "/new-workspace",
        "estate": "/estate",
        "estate found": "/estate?q=network",
        "resources": "/resources",
        "resources found": "/resources?type=aws_vpc&provider=aws",
        "output searched": f"/runs/{runs['confirm'].id}/search/plan?q=vpc",
        "not found": "/nowhere",
    }
