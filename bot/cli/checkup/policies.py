"""Checks the evaluator of policies, and whether every set can be judged by it."""

from __future__ import annotations

from collections.abc import Iterator

from bot.cli.checkup.finding import Finding, failed, ok
from bot.domain.errors import EngineError
from bot.policies.engine import bundled_title
from bot.services.ports import WatchSignal
from bot.wiring import Services
from bot.wiring.policies import opa_of


class _Patience:
    """The watcher of a download that nobody watches."""

    def output(self, text: str) -> None:
        """Ignore output."""

    def tick(self) -> WatchSignal:
        """Go on."""
        return WatchSignal.GO_ON


def evaluator(services: Services) -> Iterator[Finding]:
    """Say which evaluator judges, with its version, and whether each set can be judged by it."""
    programs = opa_of(services.config)
    sets = services.config.policy_sets
    try:
        opa = programs.provide(_Patience())
    except EngineError as error:
        yield failed(
            "policies", str(error), "Correct PLANGATE_OPA, or install that OPA: until then runs error"
        )
        return
    if opa is not None:
        yield ok("policies", f"{opa.title} ({opa.origin}: {opa.path})")
        return
    needing = [each.name for each in sets if each.needs_opa]
    if needing:
        why = f"the policy set {needing[0]} requires OPA: {programs.lacking()}"
        yield failed("policies", why, "Install OPA on the workers, or let PLANGATE_OPA download a version")
    else:
        yield ok("policies", f"{bundled_title()}; {programs.lacking()}")
