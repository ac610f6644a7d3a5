"""The files of one phase: Terraform reads them while it lasts, their content is masked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.services.ports import HERE, RunFile

SAYS = """
resource "terraform_data" "says" {
  provisioner "local-exec" {
    command = <<-END
      cat $AWS_WEB_IDENTITY_TOKEN_FILE; echo; cat $GOOGLE_CREDENTIALS; echo
      cat $(dirname $GOOGLE_CREDENTIALS)/identity-plan || echo none
    END
  }
}
"""


def test_an_apply_reads_its_files_and_none_of_the_plan(rig: Any, onlooker: Any) -> None:
    plan_token, apply_token = "header.plan-claims.plan-signature", "header.apply-claims.apply-signature"
    job = replace(
        rig.job(SAYS),
        files=(RunFile("identity-plan", plan_token, ("AWS_WEB_IDENTITY_TOKEN_FILE",)),),
        secrets=(plan_token,),
        remark="what to know of it",
    )
    engine, planning = rig.engine(), onlooker()
    engine.fetch(job, planning)
    plan = engine.plan(job, planning)
    assert "what to know of it" in planning.text
    assert not list(rig.data.rglob("identity-*")), "a plan's files go with it"
    files = (
        RunFile("identity-aws.jwt", apply_token, ("AWS_WEB_IDENTITY_TOKEN_FILE",)),
        RunFile("identity-google.json", f"read {HERE}/identity-aws.jwt", ("GOOGLE_CREDENTIALS",)),
    )
    applying = onlooker()
    applied = engine.apply(replace(job, files=files, secrets=(apply_token,)), plan, applying)
    assert applied.succeeded, applying.text
    assert "(local-exec): ***" in applying.text
    assert "/identity-aws.jwt" in applying.text
    assert HERE not in applying.text
    assert "none" in applying.text
    for secret in ("plan-claims", "apply-claims", "apply-signature"):
        assert secret not in applying.text
    assert not list(rig.data.rglob("identity-*"))
