"""All pages come, and never more than so many are fetched at once."""
import socket
import subprocess
import sys
import threading
import time

PAGES, AT_ONCE, PAGE = 60, 7, b"x" * 10000
open_now = most = 0
asked = []
lock = threading.Lock()


def answer(client):
    global open_now, most
    with client:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += client.recv(1000)
        with lock:
            open_now += 1
            most = max(most, open_now)
            asked.append(int(request.split()[1][1:]))
        time.sleep(0.01)
        with lock:
            open_now -= 1
        client.sendall(PAGE)


def serve(listener):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=answer, args=(client,), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0), backlog=64)
threading.Thread(target=serve, args=(listener,), daemon=True).start()
done = subprocess.run([sys.argv[1], f"127.0.0.1:{listener.getsockname()[1]}", str(PAGES),
                       str(AT_ONCE)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                      timeout=50, check=True)
assert done.stdout == f"\n{PAGES} pages, 0 failed, {PAGES * len(PAGE)} bytes\n", done.stdout
assert done.stderr.endswith(f"[{'#' * 40}] {PAGES} of {PAGES}"), done.stderr
assert sorted(asked) == list(range(PAGES)), asked
assert 1 < most <= AT_ONCE, most
