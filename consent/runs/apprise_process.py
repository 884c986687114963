"""Send a notice through Apprise, in a process of its own: no service's library can stop or slow down a run.

Reads JSON from stdin: ``addresses``, and the arguments of Apprise's ``notify`` as ``message`` (null: send nothing).
Prints ``NUMBER STATE`` for each address. https://github.com/caronc/apprise
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor


def main() -> None:
    """Handle the request on stdin, then exit without waiting for a service that hangs."""
    from apprise import Apprise, AppriseAsset

    request, results = json.load(sys.stdin), sys.stdout
    sys.stdout = sys.stderr
    asset = AppriseAsset(app_id="Consent report", app_desc="Consent report", app_url="")
    services = [Apprise.instantiate(address, asset=asset) for address in request["addresses"]]

    def send(number: int) -> None:
        service, state = services[number], "unknown"
        if service is not None:
            state = "recognised"
            if request["message"]:
                state = "accepted" if Apprise(service, asset=asset).notify(**request["message"]) else "refused"
        results.write(f"{number} {state}\n")
        results.flush()

    with ThreadPoolExecutor(len(services)) as pool:
        pool.map(send, range(len(services)))
    os._exit(0)


if __name__ == "__main__":
    main()
