"""A CloudWatch Logs that runs on this machine: moto's server, by default on a loopback port the kernel chooses.

python -m services.demo.cloudwatch [--host HOST] [--port PORT]      prints its URL, and serves until SIGTERM
"""

import argparse
import logging
import signal
import sys
import threading

from moto.server import ThreadedMotoServer


def main() -> int:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description="A CloudWatch Logs that runs here and forgets all when it ends.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: one that the kernel chooses")
    arguments = parser.parse_args()
    ended = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: ended.set())
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # not a line a request
    server = ThreadedMotoServer(ip_address=arguments.host, port=arguments.port, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    while not ended.wait(0.5):
        pass
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
