"""GitLab's face of the playground: its REST answers and its event payloads, on the same repositories."""
