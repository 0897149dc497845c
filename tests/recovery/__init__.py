"""Kinds of recovery actions, each against a real server."""
