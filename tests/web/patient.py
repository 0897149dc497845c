"""The command `alert-bridge` with a receiver that refuses nothing because the machine is slow.

Waits up to a minute before it answers 503, and for the store as many seconds as PATIENCE says. Both are short in
production, for senders hang up after a second.
"""

from __future__ import annotations

import os

from bridge.web import inlet

inlet.STORE_WITHIN = float(os.environ["PATIENCE"])  # before those are imported that take it from there

from bridge.cli import main  # noqa: E402
from bridge.web import writer  # noqa: E402

writer.ANSWER_WITHIN = 60

if __name__ == "__main__":
    main()
