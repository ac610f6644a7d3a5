"""HashiCorp's API v2: a module for each resource, over the same services as the pages."""
