"""Runs in the sandbox: judges sets of hostile policies, with no part of Plangate but this folder.

The worker starts `supervisor` as a process of its own, once for all sets that judge a plan. It gives each
set a child process with limits: OPA, or a fork of itself with the bundled evaluator. It imports nothing of
the rest of Plangate, so that the sandbox has to show only this folder.
"""
