"""The world coming in: one file per source."""
