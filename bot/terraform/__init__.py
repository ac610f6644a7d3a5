"""Runs Terraform and OpenTofu: finds the program, checks out the commit, and minds the child processes."""
