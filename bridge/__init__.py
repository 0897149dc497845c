"""The alert bridge: one problem, one Slack message, one Jira issue."""

__version__ = "0.1.0"
