"""Workers on several clones of one remote, a person, and an enemy; and what must hold afterwards.

    python -m tests.nemesis --seconds 600 --seed 1        (or: make soak SECONDS=600 SEED=1)

A round (`rounds.py`) starts clones (`machine.py`), a person (`person.py`) and faults (`faults.py`), heals everything,
waits until the inbox is empty, stops, and looks from the outside: `history.py` at what the server has, `fencing.py` at
who held which claim when, `clones.py` at what is left in each clone, `leaks.py` and `active.py` at what Gofer wrote of
the secrets and the active texts that the tasks brought (`planted.py`). Those are pure functions over repositories and
know nothing of the harness; each returns sentences, one for each violation. `network.py` watches, as long as the round
lasts, whom its processes speak to.
"""
