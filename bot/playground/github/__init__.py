"""GitHub's face of the playground: its REST answers, its event payloads, its apps."""
