"""The page of all runs, and the search from the top of every page."""
