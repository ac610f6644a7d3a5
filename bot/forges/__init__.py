"""The forges: each folder translates one vendor's webhooks and API into the domain's terms.

Each folder's `kind.py` has its ForgeKind, the only entry for other packages. `kinds.py` lists the kinds.
"""
