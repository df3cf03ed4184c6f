"""`python -m firmware_tools.ledger`."""

import sys

from firmware_tools.ledger.cli import main

sys.exit(main())
