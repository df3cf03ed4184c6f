"""The page as HTML, from what the bulletin holds. Pure; everything shown is escaped.

Complete on the first paint and useful without JavaScript; the script only replaces <main>.
"""

from html import escape

from agent.page.render_judgement import judgement_part, reason_of
from agent.page.words import group_text, link_sentence, phrase, sensor_detail, sentence, text

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from typing import Any

MACHINE = "machine/"
STALE_S = 10.0  # verdicts come several times a second; this old, something has stopped
SIGNS = {"normal": "✓", "warning": "!", "alarm": "✕", "unknown": "?"}


def whole_page(facts: "dict[str, Any]", language: str, now_ns: int) -> str:
    """The document. `facts`: the bulletin's snapshot; `now_ns`: monotonic."""
    device = facts.get("device", {})
    other = "en" if language == "es" else "es"
    name = escape(f"{device.get('site', '')} / {device.get('name', '')}")
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(text('title', language))} · {name}</title>"
        '<link rel="icon" href="/static/icon.svg"><link rel="stylesheet" href="/static/page.css">'
        '<script src="/static/page.js" defer></script></head><body>'
        f'<header><h1><img src="/static/icon.svg" alt="" width="28" height="28">'
        f"{escape(text('title', language))}</h1><p>{name}</p>"
        f'<a href="/?lang={other}" lang="{other}">{escape(text("other.language", language))}</a>'
        "</header>"
        f'<p id="offline" class="banner" role="alert" hidden>'
        f"{escape(text('banner.offline', language))}</p>"
        f'<main data-lang="{language}">{main_part(facts, language, now_ns)}</main>'
        f"<footer>Latido {escape(text('label.version', language, version=device.get('version')))}"
        f" · {escape(text('label.config', language, version=device.get('config_version')))}"
        "</footer></body></html>"
    )


def main_part(facts: "dict[str, Any]", language: str, now_ns: int) -> str:
    """What changes: banners, a card a machine, the uplink."""
    cards = [facts[key] for key in sorted(facts) if key.startswith(MACHINE)]
    parts = []
    if facts.get("device", {}).get("simulated"):
        parts.append(
            f'<p class="banner simulated">{escape(text("banner.simulated", language))}</p>'
        )
    if facts.get("degraded"):
        parts.append(_degraded(facts["degraded"], language))
    if not cards:
        parts.append(f'<p class="banner">{escape(text("banner.waiting", language))}</p>')
    parts += [_card(card, language, now_ns) for card in cards]
    parts.append(_uplink(facts.get("uplink"), facts.get("clock"), language))
    parts.append(_store(facts.get("store"), language))
    return "".join(parts)


def _degraded(modes: "dict[str, str]", language: str) -> str:
    rows = "".join(f"<li>{escape(phrase(modes[mode], language))}</li>" for mode in sorted(modes))
    head = escape(text("label.degraded", language))
    return f'<section class="banner degraded"><strong>{head}</strong><ul>{rows}</ul></section>'


def _card(card: "dict[str, Any]", language: str, now_ns: int) -> str:
    state = card["state"]
    stale_s = (now_ns - card["mono_ns"]) / 1e9
    stale = ""
    if stale_s > STALE_S:
        words = escape(text("stale", language, seconds=f"{stale_s:.0f}"))
        stale = f'<p class="stale">{words}</p>'
    rows = [
        _velocity(card, language),
        _temperature(card, language),
        _anomaly(card, language),
        _usage(card, language),
    ]
    return (
        f'<article class="card {escape(state)}" data-machine="{escape(card["name"])}"'
        f' data-state="{escape(state)}"><div class="head">'
        f'<span class="light" aria-hidden="true">{SIGNS[state]}</span><div>'
        f"<h2>{escape(card['name'])}</h2><p>{escape(text('kind.' + card['kind'], language))}</p>"
        f'</div><strong class="word">{escape(text("state." + state, language))}</strong></div>'
        f'<p class="reason">{escape(sentence(reason_of(card), language))}</p>{stale}'
        f"{judgement_part(card, language)}"
        f"<dl>{''.join(rows)}</dl>{_alarms(card['alarms'], language)}"
        f"{_sensors(card['sensors'], language)}</article>"
    )


def _velocity(card: "dict[str, Any]", language: str) -> str:
    if card["velocity_rms_mm_s"] is None:
        return _row("label.velocity", text("label.none", language), "", language)
    value = f"{card['velocity_rms_mm_s']:.2f} mm/s"
    notes = [text("label.zone", language, zone=card["zone"]), *_edition(card, language)]
    if card["zone"] in ("A", "B"):
        notes.append(text("label.velocity_blind", language))
    rows = _row("label.velocity", value, " · ".join(notes), language)
    if card["zone_by"] == "displacement":
        moved = f"{card['displacement_rms_um']:.0f} µm"
        rows += _row("label.displacement", moved, notes[0], language)
    return rows


def _edition(card: "dict[str, Any]", language: str) -> "list[str]":
    """Whose limits the zone is by: edition and group, or the site's own."""
    group = group_text(card["group"], language)
    if card["edition"] == "site":
        notes = [text("label.site_limits", language, group=group)]
    else:
        notes = [card["edition"], group]
    return notes + ([text("label.informative", language)] if card["informative"] else [])


def _temperature(card: "dict[str, Any]", language: str) -> str:
    degc = card["temperature_degc"]
    value = text("label.none", language) if degc is None else f"{degc:.1f} °C"
    return _row("label.temperature", value, "", language)


def _anomaly(card: "dict[str, Any]", language: str) -> str:
    found = card["anomaly"]
    if found is None:
        return _row("label.anomaly", text("label.none", language), "", language)
    limit = text("label.limit", language, threshold=f"{found['threshold']:.3g}")
    return _row("label.anomaly", f"{found['score']:.3g}", f"{limit} · {found['model']}", language)


def _usage(card: "dict[str, Any]", language: str) -> str:
    starts = text("label.starts", language, starts=card["starts"])
    return _row("label.usage", f"{card['run_hours']:.1f} h", starts, language)


def _alarms(alarms: "list[dict[str, Any]]", language: str) -> str:
    """Every alarm that is not normal, and what people made of it; nothing when there is none."""
    if not alarms:
        return ""
    rows = "".join(
        f'<li class="{escape(one["level"])}"><b>{escape(text("cause." + one["name"], language))}'
        f"</b> {escape(text('alarm.' + one['state'], language))}</li>"
        for one in alarms
    )
    return f'<h3>{escape(text("label.alarms", language))}</h3><ul class="alarms">{rows}</ul>'


def _row(key: str, value: str, note: str, language: str) -> str:
    return (
        f"<div><dt>{escape(text(key, language))}</dt>"
        f"<dd><b>{escape(value)}</b> <small>{escape(note)}</small></dd></div>"
    )


def _sensors(sensors: "list[dict[str, Any]]", language: str) -> str:
    chips = []
    for one in sensors:
        status = text("status." + one["status"], language)
        reason = sensor_detail(one["reason"], language)
        detail = f": {reason}" if reason else ""
        chips.append(
            f'<li class="{escape(one["status"])}">'
            f"<b>{escape(one['name'])}</b> {escape(one['chip'])} · {escape(status + detail)}</li>"
        )
    head = escape(text("label.sensors", language))
    return f'<h3>{head}</h3><ul class="sensors">{"".join(chips)}</ul>'


def _uplink(uplink: "dict[str, Any] | None", clock: "dict[str, Any] | None", language: str) -> str:
    if uplink is None:
        words, rows = text("uplink.off", language), ""
    else:
        words = text("uplink.connected" if uplink["connected"] else "uplink.away", language)
        oldest = uplink["oldest_age_s"]
        note = "" if oldest is None else text("label.oldest", language, seconds=oldest)
        rows = _row("label.backlog", str(uplink["backlog_rows"]), note, language)
        why = link_sentence(uplink["reason"], language)
        rows += _row("label.delivered", str(uplink["delivered_rows"]), why, language)
        promise = text(f"uplink.promise.{uplink['promise']}", language)
        if uplink["receiver_silent"]:
            promise = text("uplink.silent", language)
        elif uplink.get("refusals_unseen"):
            promise += " " + text("uplink.blind", language)
        rows += _row("label.promise", "", promise, language)
    rows += _clock(clock, language)
    head = escape(text("label.uplink", language))
    return (
        f'<section class="card uplink"><h2>{head}</h2><p>{escape(words)}</p>'
        f"<dl>{rows}</dl></section>"
    )


def _clock(clock: "dict[str, Any] | None", language: str) -> str:
    """Whether the times on this page and upstream are true, and by whose word."""
    if clock is None:
        return ""
    if clock["synced"]:
        return _row(
            "label.clock", text("clock.set", language, source=clock["source"]), "", language
        )
    words = text("clock.lost" if clock["dated"] else "clock.unset", language)
    return _row("label.clock", "", words, language)


def _store(store: "dict[str, Any] | None", language: str) -> str:
    """What is kept, what it costs the card, and what had to go."""
    if store is None:
        return ""
    lanes = store["lanes"].values()
    unsure = sum(lane["unsure"] for lane in lanes)
    gone = sum(lane["evicted"] for lane in lanes) - unsure
    notes = [text("store.given_up", language, rows=gone)] if gone else []
    notes += [text("store.at_most", language, rows=unsure)] if unsure else []
    note = "; ".join(notes)
    size = f"{store['file_mb']} MB"
    limit = text("store.of", language, limit=f"{store['limit_mb']:g}")
    rows = _row("label.store", f"{size} {limit}", note, language)
    if store["written_mb_a_day"] is not None:
        rows += _row("label.written", f"{store['written_mb_a_day']} MB", "", language)
    if store["card_life_years"] is not None:
        years = text("store.years", language, years=f"{store['card_life_years']:g}")
        rows += _row("label.card_life", years, "", language)
    head = escape(text("label.store", language))
    return f'<section class="card store"><h2>{head}</h2><dl>{rows}</dl></section>'
