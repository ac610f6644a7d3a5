"""Running Terraform on one working tree: the sandbox, the provider cache, the commands."""
