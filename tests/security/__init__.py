"""The bridge attacked as a stranger would: SECURITY.md names these tests."""
