"""The launcher's former name: `python -m bazaar.ops.launch` still starts a role."""

import sys

from bazaar.cluster.launch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
