"""`python -m bridge.cli`: the same as `alert-bridge`."""

from bridge.cli import main

main()
