"""A CloudWatch Logs that runs on this machine: moto's server, on a loopback port the kernel chooses.

python -m services.demo.cloudwatch      prints its URL, and serves until SIGTERM
"""

import logging
import signal
import sys
import threading

from moto.server import ThreadedMotoServer


def main() -> int:
    """Serve until told to end."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    ended = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: ended.set())
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    while not ended.wait(0.5):
        pass
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
