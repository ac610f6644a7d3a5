"""Identity tokens of runs: verified by a library of others' against the key set as it is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import urlopen

import jwt
import pytest

from bot.domain.runs.run import Run
from bot.domain.workspaces.identity import Cloud, Identity, Target
from bot.services.identity.keys import AHEAD, LONGEST, ROTATED_AFTER, SERVED_FOR
from bot.services.ports import HERE, EngineJob
from bot.web import create_app
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House
from tests.support.backend import live

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
PLAN_ROLE, APPLY_ROLE = "arn:aws:iam::123456789012:role/plan", "arn:aws:iam::123456789012:role/apply"
POOL = "projects/7/locations/global/workloadIdentityPools/plangate/providers/plangate"
AWS = Target("aws", Cloud.AWS, "sts.amazonaws.com", PLAN_ROLE, APPLY_ROLE)
GOOGLE = Target(
    "google",
    Cloud.GOOGLE,
    f"https://iam.googleapis.com/{POOL}",
    "plan@p.iam.gserviceaccount.com",
    "apply@p.iam.gserviceaccount.com",
    {"provider": POOL},
)
AZURE = Target("azure", Cloud.AZURE, "api://AzureADTokenExchange", "1-1", "2-2", {"tenant_id": "3-3"})
VAULT = Target("vault", Cloud.VAULT, "vault.workload.identity", settings={"address": "https://vault.test"})
OWN = Target("registry", Cloud.OTHER, "https://registry.test")
ISSUER = "https://plangate.test"


@pytest.fixture
def planned(house: House) -> House:
    """A house whose clock is nearly right, for libraries of others ask the time themselves.

    It is a little late: whatever happens in the house moves it on by seconds.
    """
    house.clock.at = datetime.now(UTC) - timedelta(minutes=1)
    house.workspace("network", identity=Identity((AWS, GOOGLE, AZURE, VAULT, OWN)))
    house.engine.will_find("network", BUCKET)
    return house


@pytest.fixture
def address(planned: House) -> Iterator[str]:
    with live(create_app(planned.services)) as found:
        yield found


def verified(address: str, token: str, audience: str) -> dict[str, Any]:
    """Verify a token as a relying party does: from the issuer's document on."""
    with urlopen(f"{address}/.well-known/openid-configuration") as answer:
        document = json.load(answer)
    keys = jwt.PyJWKClient(document["jwks_uri"].replace(ISSUER, address))
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token).key,
        algorithms=document["id_token_signing_alg_values_supported"],
        audience=audience,
        issuer=document["issuer"],
        options={"require": ["exp", "iat", "nbf", "sub", "jti"]},
    )


def token(job: EngineJob, tag: str = "aws") -> str:
    return job.environment[f"TFC_WORKLOAD_IDENTITY_TOKEN_{tag.upper()}"]


def through(house: House) -> tuple[Run, EngineJob, EngineJob]:
    """Push, confirm and apply; return the run, and the jobs of its plan and of its apply."""
    house.push("c1", "network/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    assert house.statuses() == ["applied"]
    return house.only_run(), house.engine.jobs[-2], house.engine.jobs[-1]


def test_a_token_tells_whose_it_is_and_of_which_phase(planned: House, address: str) -> None:
    run, plan, apply = through(planned)
    for job, phase, actor in ((plan, "plan", run.created_by), (apply, "apply", WRITER.login)):
        claims = verified(address, token(job), AWS.audience)
        assert claims["sub"] == f"organization:acme:workspace:network:phase:{phase}"
        assert claims["aud"] == AWS.audience
        told = {name: claims[f"plangate_{name}"] for name in ("run_phase", "commit", "run_id", "actor")}
        assert told == {"run_phase": phase, "commit": "c1", "run_id": run.id, "actor": actor}
        assert claims["plangate_repository"] == REPO.path
        assert claims["plangate_change"] == ""
        assert claims["plangate_preview"] == "false"


def test_each_token_is_good_for_its_audience_alone(planned: House, address: str) -> None:
    _, plan, _ = through(planned)
    for target in (AWS, GOOGLE, AZURE, VAULT, OWN):
        assert verified(address, token(plan, target.tag), target.audience)["aud"] == target.audience
    with pytest.raises(jwt.InvalidAudienceError):
        verified(address, token(plan, "vault"), AWS.audience)


def test_a_token_lives_as_long_as_its_phase_may_take_and_not_for_ever(planned: House, address: str) -> None:
    _, plan, apply = through(planned)
    found = [verified(address, token(job), AWS.audience) for job in (plan, apply)]
    assert [one["exp"] - one["iat"] for one in found] == [
        int(timedelta(hours=2, minutes=5).total_seconds()),
        int(LONGEST.total_seconds()),
    ]


def test_rotation_keeps_old_tokens_valid_until_they_expire(planned: House, address: str) -> None:
    _, _, apply = through(planned)
    planned.services.issuer_keys.rotate()
    assert verified(address, token(apply), AWS.audience)
    planned.push("c2", "network/main.tf", before="c1")
    newer = planned.engine.jobs[-1]
    kids = {jwt.get_unverified_header(token(job))["kid"] for job in (apply, newer)}
    assert len(kids) == 2
    assert verified(address, token(newer), AWS.audience)
    planned.clock.at += SERVED_FOR - timedelta(minutes=1)
    planned.sweep()
    assert {key["kid"] for key in planned.services.issuer_keys.published()} == kids
    planned.clock.at += timedelta(minutes=2)
    planned.sweep()
    [left] = planned.services.issuer_keys.published()
    assert left["kid"] == jwt.get_unverified_header(token(newer))["kid"]


def test_a_leaked_key_is_dropped_at_once(planned: House, address: str) -> None:
    _, _, apply = through(planned)
    planned.services.issuer_keys.rotate(drop_old=True)
    with pytest.raises(jwt.PyJWKClientError):
        verified(address, token(apply), AWS.audience)


def test_keys_rotate_by_age_and_the_next_one_is_served_before_it_signs(planned: House) -> None:
    keys = planned.services.issuer_keys
    planned.sweep()
    assert not keys.published(), "nobody has asked for a token yet"
    first = jwt.get_unverified_header(keys.sign({}))["kid"]
    planned.clock.at += ROTATED_AFTER - AHEAD
    planned.sweep()
    planned.sweep()
    assert len(keys.published()) == 2
    assert jwt.get_unverified_header(keys.sign({}))["kid"] == first
    planned.clock.at += AHEAD
    planned.sweep()
    assert jwt.get_unverified_header(keys.sign({}))["kid"] != first
    with planned.store.reading() as tx:
        private = {key.id: bool(key.private) for key in tx.identity_keys.all()}
    assert private[first] is False, "what signs no more can't be stolen"


def test_private_keys_are_not_in_the_database_in_the_clear_nor_served(planned: House) -> None:
    planned.services.issuer_keys.sign({})
    with planned.store.reading() as tx:
        [key] = tx.identity_keys.all()
    assert b"PRIVATE KEY" in key.private
    assert set(planned.services.issuer_keys.published()[0]) == {"kty", "n", "e", "kid", "use", "alg"}
    assert "PRIVATE" not in repr(key)


def test_a_previews_token_is_a_plans(planned: House, address: str) -> None:
    planned.open_change(7, "h1", "network/a.tf")
    claims = verified(address, token(planned.engine.jobs[-1]), AWS.audience)
    assert claims["sub"].endswith(":phase:plan")
    assert (claims["plangate_preview"], claims["plangate_change"]) == ("true", "7")


@pytest.mark.parametrize("forks", [False, True])
def test_previews_of_forks_get_tokens_only_where_that_is_said(house: House, forks: bool) -> None:
    house.workspace("network", identity=Identity((AWS,), forks))
    house.open_change(7, "h1", "network/a.tf", fork=True)
    house.say(7, "/plan")
    job = house.engine.jobs[-1]
    assert bool(job.files) is forks
    assert ("TFC_WORKLOAD_IDENTITY_TOKEN_AWS" in job.environment) is forks
    assert ("comes from a fork" in job.remark) is not forks


def test_each_phase_acts_as_somebody_else_and_without_a_role_gets_nothing(house: House) -> None:
    only_applies = Target("aws", Cloud.AWS, "sts.amazonaws.com", "", APPLY_ROLE)
    house.workspace("network", identity=Identity((only_applies,)))
    house.engine.will_find("network", BUCKET)
    _, plan, apply = through(house)
    assert "AWS_ROLE_ARN" not in plan.environment
    assert not plan.files
    assert apply.environment["AWS_ROLE_ARN"] == APPLY_ROLE


def test_providers_find_their_tokens(planned: House) -> None:
    run, plan, apply = through(planned)
    env = plan.environment
    assert env["TFC_WORKLOAD_IDENTITY_TOKEN"] == token(plan, "aws"), "the first that is named"
    assert (env["AWS_ROLE_ARN"], apply.environment["AWS_ROLE_ARN"]) == (PLAN_ROLE, APPLY_ROLE)
    assert env["AWS_ROLE_SESSION_NAME"] == f"plangate-{run.id}"
    assert (env["ARM_USE_OIDC"], env["ARM_CLIENT_ID"], env["ARM_TENANT_ID"]) == ("true", "1-1", "3-3")
    assert apply.environment["ARM_CLIENT_ID"] == "2-2"
    assert env["TERRAFORM_VAULT_AUTH_JWT"] == token(plan, "vault")
    assert env["VAULT_ADDR"] == "https://vault.test"
    files = {variable: file for file in plan.files for variable in file.variables}
    assert files["AWS_WEB_IDENTITY_TOKEN_FILE"].text == token(plan, "aws")
    assert files["ARM_OIDC_TOKEN_FILE_PATH"].text == token(plan, "azure")
    assert files["PLANGATE_IDENTITY_TOKEN_FILE_REGISTRY"].text == token(plan, "registry")
    account = json.loads(files["GOOGLE_APPLICATION_CREDENTIALS"].text)
    assert files["GOOGLE_CREDENTIALS"] == files["GOOGLE_APPLICATION_CREDENTIALS"]
    assert account["audience"] == f"//iam.googleapis.com/{POOL}"
    assert account["credential_source"]["file"] == f"{HERE}/identity-google.jwt"
    assert "plan@p.iam.gserviceaccount.com:generate" in account["service_account_impersonation_url"]


def test_tokens_and_their_signatures_are_masked(planned: House) -> None:
    _, plan, _ = through(planned)
    for tag in ("aws", "registry"):
        assert {token(plan, tag), token(plan, tag).rpartition(".")[2]} <= set(plan.secrets)
    assert token(plan) not in repr(plan.files)


def test_without_audiences_there_are_no_tokens_and_no_keys(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    _, plan, apply = through(house)
    assert not plan.files and not apply.files
    assert not house.services.issuer_keys.published()
