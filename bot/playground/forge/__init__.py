"""The forge itself: people, repositories, pull requests, merge queues."""
