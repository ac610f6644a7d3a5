"""Reports: derive what should stand on the forge, and deliver it."""
