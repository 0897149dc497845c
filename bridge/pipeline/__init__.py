"""The way of an alert: receive → ingest → deliver, and the sweep that makes sure of it; one screen each."""
