"""States: reading Terraform's state files and comparing two of them."""
