"""Changes: what a pull request touches, its previews, stopping them, and merge queues."""
