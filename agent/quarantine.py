"""What a remote refuses for good: a secret that its scanner sees, a file that is too big. The outcome that holds it is
put aside, outside git, and a report that says so takes its place; the others go on.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent import frontmatter
from agent.journal import Journal, Record
from agent.records import Scribe
from agent.text import parse_utc, utc
from agent.vault import layout, ledger, report
from agent.vault.values import Decision, Outcome, Result, Role, Status, Task, Tier, Who


class Quarantine:
    """The refused outcomes of one clone, in a folder of the state folder."""

    def __init__(self, folder: Path, journal: Journal, scribe: Scribe, most: int) -> None:
        """`most`: how many outcomes are pushed together; fewer while the one that is refused is looked for."""
        self.folder, self.journal, self.scribe = folder, journal, scribe
        self._most = self.group = most
        self._originals: dict[str, Record] = {}  # by key: what the report that only says so has replaced
        self._hopeless: list[str] = []  # keys that are refused even so

    def isolate(self, records: Sequence[Record], why: str) -> str:
        """A push with these outcomes was refused. Returns "" when another try has a chance, else why nothing has."""
        if len(records) > 1:
            self.group = max(1, len(records) // 2)
            return ""
        if records and records[0].status == Status.WAITING and records[0].key not in self._hopeless:
            self._hopeless.append(records[0].key)  # a question: nothing could take its place
            return ""
        if records and records[0].key not in self._originals and records[0].status != Status.WAITING:
            self._originals[records[0].key] = records[0]
            self.journal.owe([self._put_aside(records[0], why)])
            return ""
        if records:  # it is not for what it says: it is as it was, and comes after all others
            original = self._originals.pop(records[0].key, records[0])
            self.journal.owe([original])
            shutil.rmtree(self.folder / original.subject, ignore_errors=True)
            self._hopeless = [*(key for key in self._hopeless if key != original.key), original.key]
        return f"the remote refuses every push: {why}"

    def passed(self, records: Sequence[Record]) -> None:
        """A push went through: more may go together again."""
        self.group = min(self._most, self.group * 2)
        for record in records:
            self._originals.pop(record.key, None)

    def order(self, records: Sequence[Record]) -> list[Record]:
        """The outcomes in the order in which they are tried: the hopeless ones last, the oldest of these first."""
        places = {key: number for number, key in enumerate(self._hopeless)}
        last = sorted((record for record in records if record.key in places), key=lambda record: places[record.key])
        if self.group > 1 and last and len(last) < len(records):
            return [record for record in records if record.key not in places]
        return [*(record for record in records if record.key not in places), *last]

    def _put_aside(self, record: Record, why: str) -> Record:
        place = self.folder / record.subject
        place.mkdir(parents=True, exist_ok=True)
        for path, text in record.files.items():
            (place / path.replace("/", "__")).write_text(text, "utf-8")
        for change in record.changes:
            if change.after is not None:
                (place / f"change__{change.path.replace('/', '__')}").write_bytes(change.after)
        outcome = self._outcome(record, why, place)
        text = report.render(outcome, self.scribe.gate, self.scribe.reports)
        note = {"status": str(Status.NEEDS_REVIEW), "finished": record.finished, "worker": record.worker}
        withheld = frontmatter.dump(note, "Withheld: the remote refused it.\n")
        files = {
            path: withheld if path.startswith(layout.TASKS) else text
            for path in record.files
            if not path.startswith((f"{layout.HANDOFFS}/", f"{layout.DECISIONS}/", f"{layout.CHANGES}/"))
        }
        line = ledger.line(outcome, self.scribe.gate)
        return replace(record, status=str(Status.NEEDS_REVIEW), files=files, changes=(), ledger=line)

    def _outcome(self, record: Record, why: str, place: Path) -> Outcome:
        said = json.loads(record.ledger.splitlines()[-1]) if record.ledger else {}
        tier, kind = Tier(said.get("tier") or Tier.TRIVIAL), str(said.get("type") or "handoff")
        who = {Tier.TRIVIAL: Who.CODE, Tier.STANDARD: Who.LOCAL, Tier.COMPLEX: Who.LEAD}[tier]
        finished = parse_utc(record.finished or utc(parse_utc("1970-01-01T00:00:00Z")))
        source = record.source or f"inbox/{record.subject}.md"
        return Outcome(
            Task(record.subject, source, record.subject, "", "", record.revision),
            Decision(tier, kind, who, "none", str(said.get("route") or "")),
            Result(
                Status.NEEDS_REVIEW,
                findings=(f"The remote refused the outcome: {why}",),
                actions=(f"look at what was refused, on {record.worker}: {place}",),
            ),
            record.worker, finished, finished, record.attempt, record.claim, Role(said.get("role") or Role.TASK),
        )  # fmt: skip
