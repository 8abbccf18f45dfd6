"""``python -m servemix``: the command ``servemix`` of this interpreter."""

import sys

from servemix.cli import main

if __name__ == "__main__":
    sys.exit(main())
