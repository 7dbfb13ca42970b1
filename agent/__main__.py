"""`python -m agent` is `gofer`."""

from agent.cli.main import run

run()
