"""The kinds of forges that there are: a new one adds its folder and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MappingProxyType

from bot.domain.errors import ConfigError
from bot.domain.events import ForgeEvent, Ignored
from bot.forges.github.kind import GITHUB
from bot.forges.gitlab.kind import GITLAB
from bot.services.ports import Delivery, ForgeConfig, ForgeKinds

KINDS: ForgeKinds = MappingProxyType({kind.name: kind for kind in (GITHUB, GITLAB)})


def parser(
    forges: Iterable[ForgeConfig], kinds: ForgeKinds = KINDS
) -> Callable[[Delivery], ForgeEvent | Ignored]:
    """Return what reads a stored delivery into an event, as the kind of its forge does.

    It raises Invalid if the body can't be read, and ConfigError if the forge is not configured any more.
    """
    found = {forge.name: kinds[forge.kind] for forge in forges}

    def parse(delivery: Delivery) -> ForgeEvent | Ignored:
        if delivery.forge not in found:
            raise ConfigError(f"no forge is configured under the name {delivery.forge}")
        return found[delivery.forge].parse(delivery)

    return parse
