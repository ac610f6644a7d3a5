"""Executing a run: the lease, the plan or its reuse, the apply, and watching Terraform."""
