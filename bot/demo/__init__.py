"""The main job on this machine: a forge, a server, two workers and a story told with real pushes."""
