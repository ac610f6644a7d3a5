"""Plangate: runs Terraform and OpenTofu from a Git forge, with the run model of Terraform Enterprise."""
