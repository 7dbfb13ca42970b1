"""`gofer` whose tasks may be acts: `python -m tests.crew.gofer VERB…`."""

import sys
from pathlib import Path

from agent.cli.main import main
from agent.crew.lane import ProcessLane
from tests.crew.acts import register

if __name__ == "__main__":
    register()
    ProcessLane.command = (sys.executable, str(Path(__file__).with_name("hand.py")))
    sys.exit(main(sys.argv[1:]))
