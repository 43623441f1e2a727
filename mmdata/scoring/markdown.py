"""A scorecard as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator

from mmdata.scoring.scorecard import Score, Scorecard


def as_markdown(card: Scorecard) -> str:
    """Tables of all scores, by kind, and what the two ways see differently."""
    return "\n".join(_lines(card)).rstrip() + "\n"


def score_text(score: Score) -> str:
    """A figure with its interval: ``0.8125 (0.79 to 0.84)``."""
    if score.value is None:
        return "-"
    span = "" if score.low is None or score.high is None else f" ({score.low:.4f} to {score.high:.4f})"
    return f"{score.value:.4f}{span}"


def cell(value: object) -> str:
    """Text for a table's cell."""
    return str(value).replace("|", "\\|").replace("\n", " ")


def _lines(card: Scorecard) -> Iterator[str]:
    ways = list(card.cards)
    yield from (
        f"# {card.title}",
        "",
        f"{card.rows} answers. In brackets: the middle 95 % over resampled questions.",
        "",
    )
    for way in ways:
        if card.cards[way].stopped:
            yield from (f"The published script stops without a score: {card.cards[way].stopped}.", "")
    names = list(dict.fromkeys(s.name for w in ways for s in card.cards[w].scores))
    yield from (f"| score | {' | '.join(ways)} | rows |", f"|---|{'---|' * len(ways)}---|")
    for name in names:
        found = [next((s for s in card.cards[w].scores if s.name == name), None) for w in ways]
        rows = max(s.rows for s in found if s is not None)
        yield f"| {name} | {' | '.join(score_text(s) if s else '-' for s in found)} | {rows} |"
    kinds = list(dict.fromkeys(kind for w in ways for kind in card.cards[w].kinds))
    if kinds:
        yield from ("", f"| type | {' | '.join(ways)} | rows |", f"|---|{'---|' * len(ways)}---|")
        for kind in kinds:
            found = [card.cards[w].kinds.get(kind) for w in ways]
            rows = max(s.rows for s in found if s is not None)
            yield f"| {cell(kind)} | {' | '.join(score_text(s) if s else '-' for s in found)} | {rows} |"
    if len(ways) == 2:
        yield from (
            "",
            f"{card.only_upstream} answers are right by `upstream` alone, {card.only_strict} by `strict` alone.",
            "",
        )
        yield from (f"- {line}" for line in card.difference)
        if card.examples:
            yield from ("", "| row | answer | reference | upstream | strict |", "|---|---|---|---|---|")
            for one in card.examples:
                cells = (one.row, one.response, one.reference, one.upstream, one.strict)
                yield f"| {' | '.join(cell(value) for value in cells)} |"
    yield from ("", *card.notes) if card.notes else ()
