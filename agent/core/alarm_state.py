"""What people and machine make of an alarm: the states of ISA-18.2 as a table of transitions.

    normal -- raise --> unacknowledged active -- acknowledge --> acknowledged active
    unacknowledged active -- clear --> returned unacknowledged -- acknowledge --> normal
    acknowledged active -- clear --> normal, -- worsen --> unacknowledged active

A latching alarm does not return by itself: cleared, it waits for acknowledgement and reset. Shelved
(by a person, with an end), suppressed by design (by the process: the machine is being started, say)
and out of service (by a person, for maintenance) hide an alarm from any state; the condition is
followed meanwhile and counts when they end. Pure: time, person and comment are arguments.
"""

import json
from collections import namedtuple

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

NORMAL = "normal"
UNACK_ACTIVE = "unacknowledged_active"
ACK_ACTIVE = "acknowledged_active"
UNACK_RETURNED = "unacknowledged_returned"
LATCHED_UNACK = "latched_unacknowledged"
LATCHED_ACK = "latched_acknowledged"
SHELVED = "shelved"
SUPPRESSED = "suppressed_by_design"
OUT_OF_SERVICE = "out_of_service"
STATES = (
    NORMAL,
    UNACK_ACTIVE,
    ACK_ACTIVE,
    UNACK_RETURNED,
    LATCHED_UNACK,
    LATCHED_ACK,
    SHELVED,
    SUPPRESSED,
    OUT_OF_SERVICE,
)
HIDDEN = (SHELVED, SUPPRESSED, OUT_OF_SERVICE)

RAISE, WORSEN, CLEAR, ACKNOWLEDGE, RESET = "raise", "worsen", "clear", "acknowledge", "reset"
SHELVE, UNSHELVE, SUPPRESS, RELEASE = "shelve", "unshelve", "suppress", "release"
REMOVE, RESTORE, EXPIRE = "remove", "restore", "expire"
BY_A_PERSON = (ACKNOWLEDGE, RESET, SHELVE, UNSHELVE, REMOVE, RESTORE)
SHELVE_NS_MAX = 24 * 3600 * 1_000_000_000  # what is put away longer is out of service

# (state, event): the state after. `LATCHING` stands before it for alarms that latch. What is not in
# a table does not happen: `raise` of what is active, `acknowledge` of what is normal.
TABLE = {
    (NORMAL, RAISE): UNACK_ACTIVE,
    (UNACK_ACTIVE, ACKNOWLEDGE): ACK_ACTIVE,
    (UNACK_ACTIVE, WORSEN): UNACK_ACTIVE,
    (UNACK_ACTIVE, CLEAR): UNACK_RETURNED,
    (ACK_ACTIVE, WORSEN): UNACK_ACTIVE,
    (ACK_ACTIVE, CLEAR): NORMAL,
    (UNACK_RETURNED, ACKNOWLEDGE): NORMAL,
    (UNACK_RETURNED, RAISE): UNACK_ACTIVE,
    (LATCHED_UNACK, ACKNOWLEDGE): LATCHED_ACK,
    (LATCHED_UNACK, RAISE): UNACK_ACTIVE,
    (LATCHED_ACK, RESET): NORMAL,
    (LATCHED_ACK, RAISE): UNACK_ACTIVE,
}
LATCHING = {
    (UNACK_ACTIVE, CLEAR): LATCHED_UNACK,
    (ACK_ACTIVE, CLEAR): LATCHED_ACK,
}
for _hidden, _hide, _shows in (
    (SHELVED, SHELVE, (UNSHELVE, EXPIRE)),
    (SUPPRESSED, SUPPRESS, (RELEASE,)),
    (OUT_OF_SERVICE, REMOVE, (RESTORE,)),
):
    for _state in STATES:
        if _state not in HIDDEN:
            TABLE[(_state, _hide)] = _hidden
    for _kind in (RAISE, WORSEN, CLEAR):
        TABLE[(_hidden, _kind)] = _hidden
    for _kind in _shows:
        TABLE[(_hidden, _kind)] = ""  # by the condition: active comes back unacknowledged

# `cause`: (code, facts) of the last rise. `end_ns`: of being shelved, else 0. Never changed.
AlarmState = namedtuple("AlarmState", ("name", "state", "level", "cause", "latching", "end_ns"))
Change = namedtuple(
    "Change", ("name", "before", "after", "event", "level", "cause", "mono_ns", "person", "comment")
)


class AlarmFault(Exception):
    """The event does not go with the alarm's state; says which, and what would."""


def new_state(name: str, latching: bool = False) -> "AlarmState":
    return AlarmState(name, NORMAL, NORMAL, None, latching, 0)


def after(
    alarm: "AlarmState",
    event: str,
    mono_ns: int,
    person: str = "",
    comment: str = "",
    level: str = "",
    cause: "Any" = None,
    end_ns: int = 0,
) -> "tuple[AlarmState, Change]":
    """The alarm after an event, and the change to be recorded. AlarmFault when it does not go.

    `level`: warning or alarm, with `raise` and `worsen`. `end_ns`: with `shelve`.
    """
    _check(alarm, event, mono_ns, person, end_ns)
    following = TABLE[(alarm.state, event)]
    if alarm.latching:
        following = LATCHING.get((alarm.state, event), following)
    held_level = {RAISE: level, WORSEN: level, CLEAR: NORMAL}.get(event, alarm.level)
    if following == "":
        following = NORMAL if held_level == NORMAL else UNACK_ACTIVE
    held_cause = cause if event in (RAISE, WORSEN) else alarm.cause
    held_end = end_ns if event == SHELVE else alarm.end_ns if following == SHELVED else 0
    new = AlarmState(alarm.name, following, held_level, held_cause, alarm.latching, held_end)
    change = Change(
        alarm.name,
        alarm.state,
        following,
        event,
        held_level,
        held_cause,
        mono_ns,
        person,
        comment,
    )
    return new, change


def _check(alarm: "AlarmState", event: str, mono_ns: int, person: str, end_ns: int) -> None:
    if (alarm.state, event) not in TABLE:
        fitting = sorted(e for s, e in TABLE if s == alarm.state)
        raise AlarmFault(
            f"{alarm.name}: {event} does not go with {alarm.state} (expected {' '.join(fitting)})"
        )
    if event in BY_A_PERSON and not person:
        raise AlarmFault(f"{alarm.name}: {event} needs the person's name")
    if event == SHELVE and not 0 < end_ns - mono_ns <= SHELVE_NS_MAX:
        hours = (end_ns - mono_ns) / 3.6e12
        raise AlarmFault(f"{alarm.name}: shelved for {hours:.1f} h (expected above 0, up to 24)")


class AlarmBook:
    """One machine's alarms by name. `changes` since it was last emptied by its reader."""

    def __init__(self, alarms: "dict[str, AlarmState] | None" = None) -> None:
        self.alarms = dict(alarms or {})
        self.changes: "list[Change]" = []

    def condition(self, name: str, level: str, cause: "Any", mono_ns: int) -> None:
        """What the machine's windows say of one cause now: normal, warning or alarm."""
        alarm = self.alarms.get(name)
        if alarm is None:
            if level == NORMAL:
                return
            alarm = new_state(name)
        event = _event(alarm.level, level)
        if event:
            self._take(after(alarm, event, mono_ns, level=level, cause=cause))
        elif name not in self.alarms:
            self.alarms[name] = alarm

    def act(
        self,
        name: str,
        event: str,
        mono_ns: int,
        person: str = "",
        comment: str = "",
        end_ns: int = 0,
    ) -> None:
        """What a person, or the design, does with an alarm. AlarmFault when it does not go."""
        if name not in self.alarms:
            raise AlarmFault(f"{name}: no such alarm (there are {' '.join(sorted(self.alarms))})")
        self._take(after(self.alarms[name], event, mono_ns, person, comment, end_ns=end_ns))

    def tick(self, mono_ns: int) -> None:
        """Shelved alarms whose time is over come back."""
        for name in sorted(self.alarms):
            alarm = self.alarms[name]
            if alarm.state == SHELVED and mono_ns >= alarm.end_ns:
                self._take(after(alarm, EXPIRE, mono_ns))

    def shown(self) -> "list[AlarmState]":
        """Alarms that are anything but normal, by name."""
        return [a for _, a in sorted(self.alarms.items()) if a.state != NORMAL]

    def _take(self, taken: "tuple[AlarmState, Change]") -> None:
        alarm, change = taken
        self.alarms[alarm.name] = alarm
        self.changes.append(change)


def _event(before: str, level: str) -> str:
    """What a new level is to an alarm of that level; "" for nothing new."""
    ranks = ("normal", "warning", "alarm")
    if level == before:
        return ""
    if level == NORMAL:
        return CLEAR
    if before == NORMAL:
        return RAISE
    return WORSEN if ranks.index(level) > ranks.index(before) else ""


def to_json(book: "AlarmBook", mono_ns: int) -> str:
    """The book as text, with the time of writing; `from_json` gives it back."""
    held = [list(alarm) for _, alarm in sorted(book.alarms.items())]
    return json.dumps({"schema": 1, "mono_ns": mono_ns, "alarms": held})


def from_json(text: str, mono_ns: int) -> "AlarmBook":
    """ValueError when the text is no book. Monotonic time may have begun anew since.

    Shelving ends when it was to end, and after a new beginning not later than the time that was
    left when the book was written: unknown time without power never makes it longer.
    """
    try:
        held = json.loads(text)
        written_ns = int(held["mono_ns"])
        alarms = {}
        for row in held["alarms"]:
            name, state, level, cause, latching, end_ns = row
            if state not in STATES or level not in ("normal", "warning", "alarm"):
                raise ValueError(f"state {state} {level}")
            left_ns = min(end_ns - written_ns, SHELVE_NS_MAX)
            end_ns = min(end_ns, mono_ns + left_ns) if mono_ns >= written_ns else mono_ns + left_ns
            if state != SHELVED:
                end_ns = 0
            cause = None if cause is None else (cause[0], cause[1])
            alarms[str(name)] = AlarmState(name, state, level, cause, bool(latching), end_ns)
        return AlarmBook(alarms)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(f"alarms: not as they were kept ({error!r})")
