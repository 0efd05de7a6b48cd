"""What survives a restart: one file per group of tables, over one database."""
