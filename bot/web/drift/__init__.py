"""The pages of drift: of one workspace, and the list of all that drifted."""
