"""Identity tokens: the keys that sign them, and what a run is handed."""
