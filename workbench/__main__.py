"""`python -m workbench` is the command `workbench`."""

import sys


def main() -> None:
    """Load the command and run it; Ctrl-C while it loads ends it without a traceback."""
    try:
        from workbench.cli import main as command
    except KeyboardInterrupt:
        sys.stderr.write("Stopped before anything began.\n")
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
