"""Merge results: what changes make in their bases, and which plans stay good when a base moves."""
