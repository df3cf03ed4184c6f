"""Alarms, operating state and heat, on both interpreters."""

from agent.core.alarm import ALARM, NORMAL, WARNING, Alarm, new_alarm, worst
from agent.core.alarm_state import (
    ACK_ACTIVE,
    ACKNOWLEDGE,
    CLEAR,
    HIDDEN,
    LATCHED_ACK,
    LATCHED_UNACK,
    OUT_OF_SERVICE,
    RAISE,
    RELEASE,
    REMOVE,
    RESET,
    RESTORE,
    SHELVE,
    SHELVE_NS_MAX,
    SHELVED,
    STATES,
    SUPPRESS,
    SUPPRESSED,
    TABLE,
    UNACK_ACTIVE,
    UNACK_RETURNED,
    UNSHELVE,
    WORSEN,
    AlarmBook,
    AlarmFault,
    AlarmState,
    after,
    from_json,
    new_state,
    to_json,
)
from agent.core.heat import HeatTrend
from agent.core.operating_state import (
    CHANGING,
    NO_BAND,
    REST,
    RUNNING,
    STARTING,
    STOPPED,
    OperatingState,
    SpeedBand,
    near_speed,
    unseen_machine,
    usage_to_json,
    with_usage,
)
from agent.core.standing import Standing
from tests.contract.tools import near, raised

NS = 1_000_000_000
HOUR = 3600 * NS


def _levels(alarm: "Alarm", levels: "list[str]", step_ns: int = NS) -> "list[str]":
    """The levels that an alarm takes, window by window."""
    found = []
    for place, level in enumerate(levels):
        alarm = alarm.after(level, place * step_ns)
        found.append(alarm.level)
    return found


def test_an_alarm_waits_for_its_on_delay_and_its_off_delay() -> None:
    alarm = new_alarm(1, 1, 3 * NS, 2 * NS)
    found = _levels(alarm, [WARNING] * 5 + [NORMAL] * 4)
    assert found == [NORMAL] * 3 + [WARNING] * 4 + [NORMAL] * 2
    broken = _levels(alarm, [WARNING, WARNING, NORMAL, WARNING, WARNING, WARNING])
    assert broken == [NORMAL] * 6, "a break begins the delay anew"


def test_an_alarm_rises_to_what_was_wanted_all_the_time() -> None:
    found = _levels(new_alarm(1, 1, 2 * NS), [ALARM, WARNING, ALARM, ALARM, ALARM])
    assert found == [NORMAL, NORMAL, WARNING, WARNING, WARNING]
    assert _levels(new_alarm(1, 1, 2 * NS), [ALARM] * 3)[-1] == ALARM
    assert _levels(new_alarm(1, 1), [ALARM, NORMAL]) == [ALARM, NORMAL]


def test_an_alarm_needs_n_of_m_and_clears_when_m_are_clean() -> None:
    found = _levels(new_alarm(2, 3), [ALARM, NORMAL, NORMAL, ALARM, NORMAL, ALARM, NORMAL])
    assert found == [NORMAL] * 5 + [ALARM] * 2
    found = _levels(new_alarm(2, 3), [ALARM, ALARM, NORMAL, NORMAL, NORMAL])
    assert found == [NORMAL, ALARM, ALARM, ALARM, NORMAL]


def test_what_was_pending_at_another_speed_is_forgotten_and_what_is_up_stays() -> None:
    alarm = new_alarm(1, 1, 2 * NS).after(ALARM, 0).after(ALARM, NS).undecided()
    assert alarm.after(ALARM, 2 * NS).level == NORMAL
    up = new_alarm(2, 2).after(ALARM).after(ALARM).undecided()
    assert up.after(NORMAL).level == ALARM and up.after(NORMAL).after(NORMAL).level == NORMAL
    assert worst([NORMAL, ALARM, WARNING]) == ALARM and worst([]) == NORMAL


def test_rules_that_can_never_be_met_are_refused() -> None:
    assert "never" in raised(ValueError, new_alarm, 4, 3)
    assert "0 or more" in raised(ValueError, new_alarm, 1, 1, -1, 0)


def _alarm(state: str) -> "AlarmState":
    """An alarm in `state`, brought there by the shortest way."""
    ways: "dict[str, tuple[str, ...]]" = {
        "normal": (),
        UNACK_ACTIVE: (RAISE,),
        ACK_ACTIVE: (RAISE, ACKNOWLEDGE),
        UNACK_RETURNED: (RAISE, CLEAR),
        LATCHED_UNACK: (RAISE, CLEAR),
        LATCHED_ACK: (RAISE, CLEAR, ACKNOWLEDGE),
        SHELVED: (SHELVE,),
        SUPPRESSED: (SUPPRESS,),
        OUT_OF_SERVICE: (REMOVE,),
    }
    alarm = new_state("a", state in (LATCHED_UNACK, LATCHED_ACK))
    for event in ways[state]:
        alarm, _ = after(alarm, event, 0, "Ana", "", "alarm", ("x", {}), end_ns=HOUR)
    assert alarm.state == state, (alarm, state)
    return alarm


EXPECTED = (
    ("normal", RAISE, UNACK_ACTIVE),
    (UNACK_ACTIVE, ACKNOWLEDGE, ACK_ACTIVE),
    (UNACK_ACTIVE, WORSEN, UNACK_ACTIVE),
    (UNACK_ACTIVE, CLEAR, UNACK_RETURNED),
    (ACK_ACTIVE, CLEAR, "normal"),
    (ACK_ACTIVE, WORSEN, UNACK_ACTIVE),
    (UNACK_RETURNED, ACKNOWLEDGE, "normal"),
    (UNACK_RETURNED, RAISE, UNACK_ACTIVE),
    (LATCHED_UNACK, ACKNOWLEDGE, LATCHED_ACK),
    (LATCHED_UNACK, RAISE, UNACK_ACTIVE),
    (LATCHED_ACK, RESET, "normal"),
    (LATCHED_ACK, RAISE, UNACK_ACTIVE),
    (SHELVED, RAISE, SHELVED),
    (SHELVED, CLEAR, SHELVED),
    (SHELVED, UNSHELVE, "normal"),
    (SUPPRESSED, RAISE, SUPPRESSED),
    (SUPPRESSED, RELEASE, "normal"),
    (OUT_OF_SERVICE, RAISE, OUT_OF_SERVICE),
    (OUT_OF_SERVICE, RESTORE, "normal"),
)


def test_each_transition_of_isa_18_2_leads_where_it_should() -> None:
    for state, event, expected in EXPECTED:
        found, change = after(_alarm(state), event, 7, "Ana", "why", "alarm", ("x", {}))
        assert found.state == expected, (state, event, found)
        assert (change.before, change.after, change.mono_ns) == (state, expected, 7)
        assert (change.person, change.comment) == ("Ana", "why")
    for state in STATES:
        for event, hidden in ((SHELVE, SHELVED), (SUPPRESS, SUPPRESSED), (REMOVE, OUT_OF_SERVICE)):
            if state not in HIDDEN:
                assert after(_alarm(state), event, 0, "Ana", end_ns=NS)[0].state == hidden


def test_events_that_do_not_go_are_refused_by_name() -> None:
    events = (RAISE, WORSEN, CLEAR, ACKNOWLEDGE, RESET, SHELVE, UNSHELVE, SUPPRESS, RELEASE)
    refused = 0
    for state in STATES:
        for event in events + (REMOVE, RESTORE):
            if (state, event) not in TABLE:
                said = raised(AlarmFault, after, _alarm(state), event, 0, "Ana", "", "alarm")
                assert state in said and event in said
                refused += 1
    assert refused > 30, refused


def test_a_latching_alarm_waits_for_its_reset() -> None:
    alarm, _ = after(new_state("a", True), RAISE, 0, level="alarm")
    alarm, _ = after(alarm, CLEAR, 1)
    assert alarm.state == LATCHED_UNACK
    alarm, _ = after(alarm, ACKNOWLEDGE, 2, "Ana")
    assert after(alarm, RESET, 3, "Ana")[0].state == "normal"


def test_what_a_person_does_needs_a_name_and_shelving_an_end() -> None:
    active = _alarm(UNACK_ACTIVE)
    assert "name" in raised(AlarmFault, after, active, ACKNOWLEDGE, 0)
    for end_ns in (0, 5, 5 + SHELVE_NS_MAX + 1):
        said = raised(AlarmFault, after, active, SHELVE, 5, "Ana", "", "", None, end_ns)
        assert "shelved for" in said
    assert after(active, SHELVE, 5, "Ana", end_ns=5 + SHELVE_NS_MAX)[0].state == SHELVED


def test_a_shelved_alarm_comes_back_when_its_time_is_over() -> None:
    book = AlarmBook()
    book.condition("anomaly", WARNING, ("x", {}), 0)
    book.act("anomaly", SHELVE, 1, "Ana", "pump is being repaired", end_ns=10)
    book.condition("anomaly", ALARM, ("y", {}), 5)
    book.tick(9)
    assert book.alarms["anomaly"].state == SHELVED
    book.tick(10)
    assert book.alarms["anomaly"].state == UNACK_ACTIVE, "it is still there"
    assert book.alarms["anomaly"].level == ALARM
    book.act("anomaly", SHELVE, 11, "Ana", end_ns=20)
    book.condition("anomaly", NORMAL, None, 15)
    book.tick(20)
    assert book.alarms["anomaly"].state == "normal" and not book.shown()
    assert [change.event for change in book.changes] == [
        "raise",
        "shelve",
        "worsen",
        "expire",
        "shelve",
        "clear",
        "expire",
    ]


def test_a_book_follows_conditions_and_says_each_change_once() -> None:
    book = AlarmBook()
    book.condition("a", NORMAL, None, 0)
    assert not book.alarms and not book.changes
    for at in range(3):
        book.condition("a", WARNING, ("x", {}), at)
    assert len(book.changes) == 1 and book.shown()[0].state == UNACK_ACTIVE
    book.act("a", ACKNOWLEDGE, 3, "Ana")
    book.condition("a", ALARM, ("y", {}), 4)
    assert book.alarms["a"].state == UNACK_ACTIVE and book.alarms["a"].cause[0] == "y"
    book.condition("a", WARNING, ("z", {}), 5)
    assert book.alarms["a"].level == ALARM, "easing is no news: it was an alarm"
    assert "no such alarm" in raised(AlarmFault, book.act, "b", ACKNOWLEDGE, 0, "Ana")


def test_alarms_survive_a_restart_and_a_new_beginning_of_time() -> None:
    book = AlarmBook()
    book.condition("a", ALARM, ("x", {"k": 1}), 0)
    book.condition("b", WARNING, ("y", {}), 0)
    book.act("b", SHELVE, 100 * HOUR, "Ana", end_ns=102 * HOUR)
    text = to_json(book, 100 * HOUR)
    again = from_json(text, 101 * HOUR)
    assert again.alarms == book.alarms
    booted = from_json(text, 60 * NS)
    assert booted.alarms["a"] == book.alarms["a"]
    assert booted.alarms["b"].end_ns == 60 * NS + 2 * HOUR, "the time left, no more"
    later = from_json(text, 300 * HOUR)
    later.tick(300 * HOUR)
    assert later.alarms["b"].state == UNACK_ACTIVE


def test_a_damaged_book_is_refused_and_never_crashes() -> None:
    good = to_json(AlarmBook({"a": _alarm(SHELVED)}), 0)
    texts = ("", "[]", "{", '{"mono_ns": 0}', good.replace("shelved", "lost"), good[:-9])
    for text in texts:
        assert "alarms" in raised(ValueError, from_json, text, 0)
    assert "alarms" in raised(ValueError, from_json, '{"mono_ns": 0, "alarms": [[1]]}', 0)


def _run(
    state: "OperatingState", velocities: "list[float]", step_ns: int = NS, at_ns: int = 0
) -> "tuple[OperatingState, list[str]]":
    names = []
    for place, velocity in enumerate(velocities):
        state = state.after(velocity, at_ns + (place + 1) * step_ns)
        names.append(state.name)
    return state, names


def test_a_start_is_counted_once_it_has_settled_and_running_time_with_it() -> None:
    state, names = _run(unseen_machine(3, 0.05), [0.0] * 5 + [1.0] * 10 + [0.0] * REST)
    assert names == [STOPPED] * 5 + [STARTING] * 2 + [RUNNING] * (7 + REST) + [STOPPED]
    assert state.starts == 1 and near(state.run_ns / NS, 7.0 + REST, 0.01)


def test_a_short_start_is_none_and_a_running_machine_found_running_did_not_start() -> None:
    state, names = _run(unseen_machine(3, 0.05), [0.0, 1.0, 1.0, 0.0, 0.0])
    assert RUNNING not in names and state.starts == 0 and state.run_ns == 0
    found, names = _run(unseen_machine(3, 0.05), [1.0] * 9)
    assert names[-1] == RUNNING and found.starts == 0


def test_a_machine_that_coasts_is_changing_until_it_stands() -> None:
    state, _ = _run(unseen_machine(2, 0.05), [0.0, 1.0, 1.0, 1.0])
    coasting = state.stretched(False)
    assert coasting.name == CHANGING and coasting.after(0.5, 5 * NS).name == CHANGING
    assert coasting.stretched(True).name == RUNNING
    standing, _ = _run(coasting, [0.01] * REST, at_ns=5 * NS)
    assert standing.name == STOPPED
    again, names = _run(standing, [1.0, 1.0], at_ns=20 * NS)
    assert names[-1] == RUNNING, "what stood is steady until it is seen to change"
    assert again.starts == 2


def test_a_machine_that_runs_quietly_is_not_stopped_by_a_window_that_hears_nothing() -> None:
    state, names = _run(unseen_machine(2, 0.05), [0.0, 1.0, 1.0] + [0.0, 0.0, 1.0] * 20)
    assert STOPPED not in names[1:] and state.starts == 1


def test_what_a_stretch_alone_hears_runs_until_a_stretch_hears_nothing() -> None:
    still, names = _run(unseen_machine(3, 0.05), [0.0] * 20)
    assert names == [STOPPED] * 20
    found = still.heard(True)
    assert found.name == RUNNING and found.starts == 0, "it ran when it was first listened to"
    quiet, names = _run(found, [0.0] * 20, at_ns=20 * NS)
    assert set(names) == {RUNNING}
    stands, names = _run(quiet.heard(False), [0.0] * REST, at_ns=40 * NS)
    assert names == [RUNNING] * (REST - 1) + [STOPPED]
    again = stands.heard(True)
    assert again.name == RUNNING and again.starts == 1


def test_time_that_nobody_saw_is_not_counted_as_running() -> None:
    state, _ = _run(unseen_machine(1, 0.05), [1.0, 1.0])
    assert state.after(1.0, 10 * HOUR).run_ns == state.run_ns


def test_run_hours_survive_a_restart_and_damaged_ones_are_refused() -> None:
    state, _ = _run(unseen_machine(1, 0.05), [0.0] + [1.0] * 11)
    again = with_usage(unseen_machine(1, 0.05), usage_to_json(state))
    assert (again.run_ns, again.starts, again.name) == (10 * NS, 1, STOPPED)
    for text in ("", "[]", "{}", '{"run_ns": -1, "starts": 0}', '{"run_ns": "x", "starts": 1}'):
        assert "usage" in raised(ValueError, with_usage, state, text)


def test_another_speed_counts_once_it_is_seen_twice_in_a_row() -> None:
    band = SpeedBand(0, 0, 2)
    once = band.after(NO_BAND)
    assert not once.is_new() and once.after(0).after(NO_BAND).is_new() is False
    assert once.after(None).after(NO_BAND).is_new(), "what cannot be said breaks nothing"
    assert once.after(NO_BAND).entered(1).current == 1


def test_the_nearest_known_speed_within_reach_is_found() -> None:
    assert near_speed(29.5, [20.0, 29.3, 29.6], 0.03) == 2
    assert near_speed(25.0, [20.0, 29.3], 0.03) == NO_BAND
    assert near_speed(25.0, [20.0, None], 0.03) is None
    assert near_speed(20.1, [20.0, None], 0.03) == 0


def test_only_what_repeats_stands() -> None:
    standing = Standing(2, 3).after(("a", "b")).after(("a",))
    assert standing.stands("a") and not standing.stands("b")
    assert not standing.after(()).after(()).stands("a")
    assert "never" in raised(ValueError, Standing, 4, 3)


def _warmed(trend: "HeatTrend", values: "list[float]", minute_readings: int = 6) -> "HeatTrend":
    at_ns = 0
    for value in values:
        for _ in range(minute_readings):
            trend = trend.after(value, at_ns)
            at_ns += 60 * NS // minute_readings
    return trend


def test_heat_is_readings_in_a_row_and_a_rise_over_minutes() -> None:
    trend = _warmed(HeatTrend(90.0, 10), [40.0] * 6 + [52.0] * 6)
    rise = trend.rise_degc()
    assert trend.hot == 0 and rise is not None and near(rise, 12.0, 0.01)
    rate = trend.rate_degc_min()
    assert rate is not None and near(rate, 1.2, 0.01)
    assert _warmed(HeatTrend(90.0, 10), [40.0] * 5).rise_degc() is None
    assert _warmed(HeatTrend(90.0, 10), [95.0]).hot == 6
    assert trend.after(95.0, 13 * 60 * NS).after(None, 13 * 60 * NS).hot == 0


def test_a_gap_in_the_readings_is_no_rise() -> None:
    trend = _warmed(HeatTrend(90.0, 2), [40.0] * 4)
    later = trend.after(80.0, 60 * 60 * NS)
    assert later.rise_degc() is None
