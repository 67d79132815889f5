import sys

import echo_server

echo_server.check([sys.argv[1]])
