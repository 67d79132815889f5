"""How every checker here ends: the problems one a line, and an exit status."""
import sys

SKIPPED = 77


def finish(problems, looked_at):
    """Print what is wrong, or how much was looked at; nothing to look at is a failure."""
    for problem in problems:
        print(problem)
    if not looked_at[0]:
        sys.exit("nothing was checked")
    if problems:
        sys.exit(f"{len(problems)} problem{'s' if len(problems) != 1 else ''}")
    print(f"{looked_at[0]} {looked_at[1]}: good")


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)
