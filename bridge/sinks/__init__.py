"""The world going out: one file per sink."""
