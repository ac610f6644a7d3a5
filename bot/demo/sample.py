"""The sample infrastructure repository: two directories, and one of them on two branches."""

from __future__ import annotations

REPOS = {"github": "acme/infra", "gitlab": "acme/platform/infra"}

MANIFEST = """\
forges:
  {kind}: {kind: {kind}, url: "{forge}"}

workspaces:
  - {name: network-prod, repo: {repo}, branch: main, working_directory: network}
  - {name: network-staging, repo: {repo}, branch: staging, working_directory: network}
  - {name: app-prod, repo: {repo}, branch: main, working_directory: app}
"""

_NETWORK = """\
variable "cidr" {
  type    = string
  default = "10.20.0.0/16"
}

resource "terraform_data" "vpc" {
  input = { cidr = var.cidr }
}
"""

_SUBNETS = """\
locals {
  zones = ["a", "b"]
}

resource "terraform_data" "subnet" {
  for_each = { for index, zone in local.zones : zone => cidrsubnet(var.cidr, 8, index) }
  input    = { zone = each.key, cidr = each.value, vpc = terraform_data.vpc.id }
}

output "subnets" {
  value = { for zone, subnet in terraform_data.subnet : zone => subnet.output.cidr }
}
"""

_APP = """\
resource "terraform_data" "service" {
  input = { name = "shop", replicas = 2, image = "shop:1.4.0" }
}
"""

BEGINNING = {
    "README.md": "# infra\n\nThe network and the shop.\n",
    "network/main.tf": _NETWORK,
    "app/main.tf": _APP,
}

BRANCH = "two-zones"
TITLE = "Give the network two zones, and the shop a third replica"

CHANGE = {
    "network/subnets.tf": _SUBNETS,
    "app/main.tf": _APP.replace("replicas = 2", "replicas = 3").replace("1.4.0", "1.5.0"),
}


def manifest(kind: str) -> str:
    """Return the plangate.yml for a forge. The stage fills in the forge's address."""
    return MANIFEST.replace("{repo}", REPOS[kind])
