"""The keyed digest of a plan's canonical form: what an approval is bound to (promise 1).

Keyed, because a bare hash of a plan with one small secret in it could be guessed.

In it: every action and what it is done to, with all values; reads that are left to the apply; moves, imports,
deposed objects; outputs; the providers' versions and hashes, their configuration, and which of these is
whose; variables of Terraform and of the environment. Not in it: when and by which program the plan was made,
the order of things, why an action is taken, what does not change, what was read already, and sensitive
variables (a token that is new for each run would void every approval; if its value matters to a
resource it is in the resource).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.domain.errors import EngineError
from bot.domain.plans.dependency_lock import read_lock

_CHANGE_KEYS = (
    "actions",
    "before",
    "after",
    "after_unknown",
    "before_sensitive",
    "after_sensitive",
    "before_identity",
    "after_identity",
    "replace_paths",
    "importing",
)
_INDEX = re.compile(r"\[(?:\d+|\"(?:[^\"\\]|\\.)*\")\]")


@dataclass(frozen=True)
class DigestInputs:
    """What a plan's JSON does not say: the dependency lock file, a hash of what the configuration can read.

    `refresh_only` plans write to the state what has drifted; for others drift is only news. `environment` are
    the run's environment variables that are not sensitive: a provider may read its region there.
    """

    dependency_lock: bytes = field(default=b"", repr=False)
    files: str = ""
    refresh_only: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


NO_INPUTS = DigestInputs()


def plan_digest(document: Mapping[str, Any], key: bytes, around: DigestInputs = NO_INPUTS) -> str:
    """Return the plan's digest, hexadecimal.

    Raises EngineError if values are nested too deeply, and for a lock file that is not laid out as usual.
    """
    try:
        form = canonical(document, around)
    except RecursionError:
        raise EngineError("the plan nests values too deeply to be read: flatten them") from None
    return hmac.new(key, form, hashlib.sha256).hexdigest()


def canonical(document: Mapping[str, Any], around: DigestInputs = NO_INPUTS) -> bytes:
    """Return the plan's canonical form: the same bytes for every plan that would do the same."""
    form = canonical_form(document, around)
    return json.dumps(form, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def canonical_form(document: Mapping[str, Any], around: DigestInputs = NO_INPUTS) -> dict[str, Any]:
    """Return what the canonical form is written from: JSON values by part, `files` only if they matter."""
    acting = [item for item in document.get("resource_changes") or () if _acts(item)]
    configuration = document.get("configuration") or {}
    configured = dict(_configured(configuration.get("root_module") or {}, ""))
    providers = configuration.get("provider_config") or {}
    form: dict[str, Any] = {
        "resources": _resources(acting, configured),
        "outputs": {
            name: _canonical_change(change)
            for name, change in (document.get("output_changes") or {}).items()
            if change.get("actions") != ["no-op"]
        },
        "invocations": _sorted(document.get("action_invocations") or ()),
        "versions": locked_providers(around.dependency_lock),
        "providers": providers,
        "variables": _variables(document, configuration),
        "environment": dict(around.environment),
    }
    if around.refresh_only:
        form["drift"] = _resources(document.get("resource_drift") or (), configured)
    invoked = document.get("action_invocations") or ()
    if _runs_unseen(acting, configured, providers) or _has_true(
        [each.get("config_unknown") for each in invoked]
    ):
        form["files"] = around.files
    return form


def locked_providers(dependency_lock: bytes) -> dict[str, list[Any]]:
    """Return the version and the hashes of each provider that a lock file names.

    Another binary under the same version is another provider: it does what the plan does not show. Raises
    EngineError as `read_lock` does.
    """
    return {each.address: [each.version, sorted(each.hashes)] for each in read_lock(dependency_lock)}


def providers_hash(dependency_lock: bytes) -> str:
    """Return a hash, hexadecimal, that two lock files share only if they name the same providers.

    Raises EngineError as `read_lock` does.
    """
    return hashlib.sha256(json.dumps(locked_providers(dependency_lock), sort_keys=True).encode()).hexdigest()


def _acts(item: Mapping[str, Any]) -> bool:
    change = item.get("change", {})
    idle = change.get("actions", []) == ["no-op"]
    return not idle or bool(item.get("previous_address") or change.get("importing"))


def _resources(items: Any, configured: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    resources = [
        {
            "address": item.get("address"),
            "deposed": item.get("deposed"),
            "previous_address": item.get("previous_address"),
            "provider": item.get("provider_name"),
            # Which of the provider's configurations: the same resource, made in another region or account.
            "provider_config": configured.get(unindexed(str(item.get("address"))), {}).get(
                "provider_config_key"
            ),
            "change": _canonical_change(item.get("change", {})),
        }
        for item in items
    ]
    return sorted(resources, key=lambda r: (str(r["address"]), str(r["deposed"])))


def _canonical_change(change: Mapping[str, Any]) -> dict[str, Any]:
    form = {key: change.get(key) for key in _CHANGE_KEYS}
    # The paths that force a replacement are a set.
    form["replace_paths"] = _sorted(change.get("replace_paths") or ())
    return form


def _sorted(items: Any) -> list[Any]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _variables(document: Mapping[str, Any], configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Input variables reach what no resource shows: a provider's region, a provisioner's command."""
    declared = (configuration.get("root_module") or {}).get("variables") or {}
    return {
        name: given
        for name, given in (document.get("variables") or {}).items()
        if not (declared.get(name) or {}).get("sensitive")
    }


def _runs_unseen(
    acting: list[Any], configured: Mapping[str, Mapping[str, Any]], providers: Mapping[str, Any]
) -> bool:
    """Whether the apply does something that the plan does not show in full.

    A provisioner's command stands nowhere in a plan, of a text with an unknown part in it the plan knows
    nothing at all, and of a provider's configuration only what is written out. Were the plan's values all,
    the approval of one commit would do for the same plan of another that runs something else, or somewhere
    else (promises 1 and 5). So there the commit's files must be the same.
    """
    for item in acting:
        change = item.get("change", {})
        resource = configured.get(unindexed(str(item.get("address"))))
        if resource is None:
            # A `removed` block may have provisioners, and stands nowhere in a plan's JSON.
            if "delete" in change.get("actions", ()):
                return True
            continue
        unknown = change.get("after_unknown") or {}
        written = resource.get("expressions") or {}
        if resource.get("provisioners") or any(_has_true(unknown.get(name)) for name in written):
            return True
        provider = providers.get(str(resource.get("provider_config_key"))) or {}
        if any(_is_computed(each) for each in (provider.get("expressions") or {}).values()):
            return True
    return False


def _is_computed(expression: Any) -> bool:
    """Whether an argument of the configuration, or of a block in it, is more than a value written out."""
    if isinstance(expression, list):
        return any(_is_computed(each) for block in expression for each in block.values())
    if "constant_value" in expression:
        return False
    # Of a function of values alone, such as file("region.txt"), nothing is told at all.
    return not expression or "references" in expression or any(map(_is_computed, expression.values()))


def unindexed(address: str) -> str:
    """Return the address of a resource's block in the configuration."""
    return _INDEX.sub("", address)


def _configured(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give every resource of the configuration by its address, without indices."""
    for resource in module.get("resources") or ():
        yield f"{prefix}{resource.get('address')}", resource
    for name, call in (module.get("module_calls") or {}).items():
        yield from _configured(call.get("module") or {}, f"{prefix}module.{name}.")


def _has_true(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(_has_true(each) for each in (value.values() if isinstance(value, dict) else value))
    return value is True
