"""`python -m server.cli`."""

import sys

from server.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
