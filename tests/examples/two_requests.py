"""Two servers that take their time: both answers, in one delay."""
import socket
import subprocess
import sys
import threading
import time

DELAY = 0.5


def serve(listener, answer):
    client, _ = listener.accept()
    with client:
        assert client.recv(100) == b"How are you?\n"
        time.sleep(DELAY)
        client.sendall(answer)


addresses, threads = [], []
for answer in (b"fine", b"well"):
    listener = socket.create_server(("127.0.0.1", 0))
    addresses.append(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
    threads.append(threading.Thread(target=serve, args=(listener, answer), daemon=True))
    threads[-1].start()
start = time.monotonic()
done = subprocess.run([sys.argv[1], *addresses], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                      text=True, timeout=50, check=True)
took = time.monotonic() - start
assert sorted(done.stdout.splitlines()) == sorted(
    [f"{addresses[0]}: fine", f"{addresses[1]}: well"]), done.stdout
assert DELAY <= took < 2 * DELAY - 0.05, took
