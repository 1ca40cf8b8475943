"""`python -m cargoship`."""

import sys

from cargoship.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
