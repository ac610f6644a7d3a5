"""Run tasks: services that judge a run at points of its way, in HashiCorp's protocol."""
