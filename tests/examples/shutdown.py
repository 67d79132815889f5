"""Each of the two signals ends it at once, cleaned up."""
import signal
import subprocess
import sys
import time

for number in (signal.SIGTERM, signal.SIGQUIT):
    program = subprocess.Popen([sys.argv[1]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               text=True)
    try:
        assert program.stdout.readline() == "working\n"
        start = time.monotonic()
        program.send_signal(number)
        rest, _ = program.communicate(timeout=20)
        assert rest == "interrupted\ncleaned up\n", rest
        assert program.returncode == 0, program.returncode
        assert time.monotonic() - start < 2
    finally:
        program.kill()
