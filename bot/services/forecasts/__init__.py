"""What open changes do to each other: they are planned together while no run waits for a worker."""
