"""Prints one line with a rate that no machine is too slow for."""
import re
import subprocess
import sys

out = subprocess.run([sys.argv[1]], check=True, text=True, stdout=subprocess.PIPE).stdout
rate = re.fullmatch(r"(\d+) rounds per second\n", out)
if not rate or int(rate[1]) < 1000:
    sys.exit(f"printed {out!r}")
