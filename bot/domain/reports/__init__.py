"""Reports: what a commit status or a comment says, and the words for each state."""
