"""The repositories: each port of the database on SQLAlchemy."""
