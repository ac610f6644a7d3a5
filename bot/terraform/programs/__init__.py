"""Finding and downloading Terraform and OpenTofu."""
