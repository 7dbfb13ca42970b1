"""A worker process that knows the acts too: `python hand.py PARENT`."""

from agent.crew.program import main
from tests.crew.acts import register

register()
main()
