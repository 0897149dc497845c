"""`python -m bench`: how fast the bridge is, as ratios against bare programs that run beside it."""
