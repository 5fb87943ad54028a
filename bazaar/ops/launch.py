"""The launcher's old name: `python -m bazaar.ops.launch` still starts a process."""

import sys

from bazaar.cluster.launch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
