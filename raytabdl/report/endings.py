"""How trials ended, in the words of the field: success, timeout, memout or crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from raytabdl.history import Change, Record, Result, Status

ENDINGS = ("success", "timeout", "memout", "crash")

_OUT_OF_MEMORY = ("memoryerror", "outofmemory", "out of memory", "low on memory")
_OUT_OF_TIME = ("timeouterror", "timed out", "too slow")


def endings(records: Iterable[Record], trials: Iterable[str]) -> dict[str, int]:
    """How many of the trials ended how; those that have not ended are not counted.

    A trial with a result was a success, whether it was stopped then or trained to its end. One that failed is a
    failure whatever it had reached; one that was stopped before its first result had too little time.
    """
    with_result: set[str] = set()
    last: dict[str, Change] = {}
    for record in records:
        if isinstance(record, Result):
            with_result.add(record.trial_id)
        elif isinstance(record, Change):
            last[record.trial_id] = record
    counts = Counter(_ending(last[name], name in with_result) for name in trials if name in last)
    return {ending: counts[ending] for ending in ENDINGS}


def _ending(change: Change, has_result: bool) -> str:
    if change.status in (Status.RUNNING, Status.PAUSED):
        return "unfinished"
    *_, why = change.reason.strip().lower().splitlines() or [""]
    if change.status is Status.FAILED and any(words in why for words in _OUT_OF_MEMORY):
        return "memout"
    if change.status is Status.FAILED:
        return "timeout" if any(words in why for words in _OUT_OF_TIME) else "crash"
    return "success" if has_result and not why.startswith("too slow") else "timeout"
