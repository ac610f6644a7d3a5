"""Every page in a browser."""

from __future__ import annotations


def test_the_list_of_workspaces_opens(site):
    with site.page("/") as page:
        assert page.get_by_role("heading", name="Workspaces").is_visible()
        assert page.get_by_role("link", name="network-prod", exact=True).is_visible()
