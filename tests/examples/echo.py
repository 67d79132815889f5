import sys

import echo_server

port = echo_server.free_port()
echo_server.check([sys.argv[1], f"tcp:127.0.0.1:{port}"], ("127.0.0.1", port))
