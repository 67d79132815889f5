"""For the examples that are echo servers: start one, talk to it, stop it."""
import re
import socket
import subprocess
import time


def check(command, address=None):
    """Two clients in turn get back what they send. Without an address the server says its port."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        if address is None:
            address = ("127.0.0.1", int(re.fullmatch(r"port (\d+)\n", server.stdout.readline())[1]))
        clients = [connect(address) for _ in range(2)]
        for text in (b"a", b"word", b"x" * 100000):
            for client in clients:
                client.sendall(text)
            for client in clients:
                got = b""
                while len(got) < len(text):
                    part = client.recv(len(text))
                    assert part, "the server closed the connection"
                    got += part
                assert got == text, "other bytes came back"
        for client in clients:
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b"", "the end was not answered by an end"
            client.close()
        assert server.poll() is None, "the server has ended"
    finally:
        server.kill()
        server.communicate()


def connect(address, tries=100):
    """A server that was given its address may not listen yet."""
    for left in reversed(range(tries)):
        try:
            return socket.create_connection(address, timeout=20)
        except ConnectionRefusedError:
            if not left:
                raise
            time.sleep(0.05)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
