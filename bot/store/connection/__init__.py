"""Connections, transactions, migrations, and database errors in our own words."""
