"""For the examples that print times: one period after the other, none early."""
import subprocess


def check(command, count, period, allowed=0.05):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          timeout=50, check=True)
    times = [float(line) for line in done.stdout.splitlines()]
    assert len(times) == count, times
    for i, at in enumerate(times, 1):
        assert i * period - 0.001 <= at <= i * period + allowed * i, times
