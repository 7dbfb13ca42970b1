"""The command line: one function per verb. It parses, calls, prints; nothing below knows about a terminal."""
