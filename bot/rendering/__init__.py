"""Reports become the forge's Markdown: the one comment that a change has, and the answers to commands."""

from bot.rendering.comments import Rendering

__all__ = ["Rendering"]
