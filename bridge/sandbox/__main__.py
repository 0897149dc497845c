"""`python -m bridge.sandbox`: the sandbox as a process, beside the bridge that `alert-bridge up --demo` starts."""

from __future__ import annotations

import os
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bridge import wiring
from bridge.sandbox.app import Sandbox
from bridge.sandbox.sns import new_key
from bridge.sources.cloudwatch import CloudWatch


def main() -> None:
    """Serve the sandbox at SANDBOX_HOST, with samples for the bridge at SANDBOX_BRIDGE_URL."""
    folder = Path(os.environ["ALERT_BRIDGE_DATA"]) / "sandbox"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = wiring.load()
    sources = wiring.sources(settings)
    address = os.environ["SANDBOX_HOST"]
    sandbox = Sandbox(
        base_url=f"http://{address}",
        bridge_url=os.environ["SANDBOX_BRIDGE_URL"],
        sources=sources,
        timezone=settings.timezone,
        state=folder / "state.json",
        sns_key=_kept_key(folder / "sns-key.pem"),
    )
    for source in sources.values():
        if isinstance(source, CloudWatch):
            source.signer = sandbox.sns.signer
    host, _, port = address.rpartition(":")
    uvicorn.run(sandbox.app(), host=host, port=int(port), log_level="warning", timeout_graceful_shutdown=2)


def _kept_key(path: Path) -> rsa.RSAPrivateKey:
    """Return the SNS key of the sandbox: the same after a restart, so that `send-test` can use it."""
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if isinstance(key, rsa.RSAPrivateKey):
            return key
    key = new_key()
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return key


if __name__ == "__main__":
    main()
