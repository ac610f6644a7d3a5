"""Where releases of Terraform and OpenTofu lie, how their files are called, and which versions there are.

Both have a signed list of checksums beside the archives. Sources:
https://releases.hashicorp.com/terraform/ and
https://github.com/opentofu/tofudl/blob/main/MIRROR-SPECIFICATION.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bot.domain.errors import EngineError, Invalid
from bot.domain.workspaces.versions import Version
from bot.domain.workspaces.workspace import EngineKind
from bot.terraform.processes.environment import platform_name

# OpenTofu's index lies elsewhere than its archives; a mirror has both in one place.
_TOFU_ARCHIVES = "https://github.com/opentofu/opentofu/releases/download"
_TOFU_INDEX = "https://get.opentofu.org/tofu/api.json"
_CHECKSUM = re.compile(r"([0-9A-Fa-f]{64})\s+\*?(\S+)")


@dataclass(frozen=True)
class Releases:
    """The releases of one program. `base` is a server's or a mirror's address, without a trailing slash."""

    kind: EngineKind
    base: str

    @property
    def host(self) -> str:
        """The server's name, for people."""
        return urlsplit(self.base).netloc

    @property
    def index(self) -> str:
        """The address of the list of versions."""
        if self.kind is EngineKind.TERRAFORM:
            return f"{self.base}/terraform/index.json"
        return _TOFU_INDEX if self.base == _TOFU_ARCHIVES else f"{self.base}/api.json"

    def archive(self, version: Version) -> str:
        """Return the name of this machine's archive of a version."""
        return f"{self.kind.value}_{version.name}_{platform_name()}.zip"

    def checksums(self, version: Version) -> str:
        """Return the name of a version's list of checksums."""
        return f"{self.kind.value}_{version.name}_SHA256SUMS"

    def signature(self, version: Version) -> str:
        """Return the name of the list's detached OpenPGP signature."""
        return self.checksums(version) + (".sig" if self.kind is EngineKind.TERRAFORM else ".gpgsig")

    def address(self, version: Version, name: str) -> str:
        """Return the address of one of a version's files."""
        folder = f"terraform/{version.name}" if self.kind is EngineKind.TERRAFORM else f"v{version.name}"
        return f"{self.base}/{folder}/{name}"

    def versions(self, index: bytes) -> list[Version]:
        """Return the versions in an index that have an archive for this machine, the newest first."""
        try:
            named = dict(self._named(json.loads(index)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise EngineError(f"{self.host} gave a list of versions that can't be read") from error
        found = []
        for text, files in named.items():
            try:
                version = Version.parse(text)
            except Invalid:
                continue  # an index may name what we have no use for
            if self.archive(version) in files:
                found.append(version)
        return sorted(found, key=lambda version: version.order, reverse=True)

    def pinned(self, names: Mapping[str, str]) -> list[Version]:
        """Return the versions whose archives for this machine are among these names, the newest first."""
        form = re.compile(rf"{self.kind.value}_(.+)_{re.escape(platform_name())}\.zip")
        texts = (found[1] for name in names if (found := form.fullmatch(name)))
        try:
            versions = [Version.parse(text) for text in texts]
        except Invalid as error:
            raise EngineError(f"the file of checksums names an archive of no version: {error}") from error
        return sorted(versions, key=lambda version: version.order, reverse=True)

    def _named(self, document: Any) -> list[tuple[str, set[str]]]:
        """Read `{versions: {1.9.5: {builds: [{filename}]}}}` or `{versions: [{id, files: [name]}]}`."""
        versions = document["versions"]
        if self.kind is EngineKind.TERRAFORM:
            return [
                (text, {build["filename"] for build in about["builds"]}) for text, about in versions.items()
            ]
        return [(about["id"], set(about["files"])) for about in versions]


def read_checksums(text: str, where: str) -> dict[str, str]:
    """Read lines of `<sha256>  <file name>`, as `sha256sum` writes them; empty lines and `#` are left out.

    Raises EngineError naming the line that is none.
    """
    found = {}
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        parts = _CHECKSUM.fullmatch(bare)
        if not parts:
            raise EngineError(f"line {number} of {where} is not `<sha256>  <file name>`")
        found[parts[2]] = parts[1].lower()
    return found
