"""Story worlds in PostgreSQL: as DataFrames, as a dashboard, as files."""
