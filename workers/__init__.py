"""Celery and nothing but Celery."""
