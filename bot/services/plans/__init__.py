"""Plans of runs: their inputs, snapshots, views, and the other changes that touch the same resources."""
