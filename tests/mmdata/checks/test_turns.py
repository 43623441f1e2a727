"""Roles and their order: C05 to C09."""

from __future__ import annotations

from typing import Any

import pytest

from mmdata.io.edits import apply

LEGACY = ("Hermes-2", "internlm2-chat", "phi3-chat")
BY_PARITY = ("geopixel", "xcomposer", "xcomposer-2.0")
ALL = (*BY_PARITY, "videorefer", "videorefer-vl3", "internvl")


def talk(*roles: Any, text: str = "Hi") -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": f"{text} {i}"} for i, role in enumerate(roles)]}


def fixed(record: dict[str, Any], hit: Any) -> list[tuple[Any, Any]]:
    """(role, text) of the turns after the repair of a hit."""
    import orjson

    repaired = orjson.loads(apply(orjson.dumps(record), hit.edits))
    return [(turn["from"], turn["value"]) for turn in repaired["conversations"]]


# --- C05 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, role, meant",
    [
        ("internvl", "user", "human"),
        ("internvl", "Human", "human"),
        ("internvl", "assistant", "gpt"),
        ("internvl", "GPT", "gpt"),
        ("videorefer", "bot", "gpt"),
        ("videorefer", " human", "human"),
        ("videorefer-vl3", "user", "human"),
        ("videorefer-vl3", "Human", "human"),
        ("geopixel", "question", "human"),
        ("xcomposer", "human ", "human"),
    ],
)
def test_c05_a_word_of_another_tool_is_translated(hits: Any, name: str, role: str, meant: str) -> None:
    roles = [role, "gpt"] if meant == "human" else ["human", role]
    (hit,) = hits("C05", name, talk(*roles))
    assert hit.pointer == f"/conversations/{roles.index(role)}/from"
    assert [(e.op, e.value) for e in hit.edits] == [("set", meant)]
    assert not hit.unsafe


@pytest.mark.parametrize("name", ["internvl", "videorefer"])
@pytest.mark.parametrize("role", ["narrator", "", None, 5, []])
def test_c05_a_word_that_means_nobody_has_no_repair(hits: Any, name: str, role: Any) -> None:
    (hit,) = hits("C05", name, talk(role, "gpt"))
    assert hit.edits == ()


@pytest.mark.parametrize("name", BY_PARITY)
def test_c05_a_system_turn_is_folded_into_the_question(hits: Any, name: str) -> None:
    record = talk("system", "human", "bot")
    (hit,) = hits("C05", name, record)
    assert hit.unsafe
    assert fixed(record, hit) == [("human", "Hi 0\n\nHi 1"), ("bot", "Hi 2")]


def test_c05_a_misspelt_user_is_an_answer_to_geopixel(hits: Any) -> None:
    (hit,) = hits("C05", "geopixel", talk("humna", "bot"))
    assert hit.edits == ()
    assert "answer" in hit.upstream


@pytest.mark.parametrize("name", ["videorefer-vl3", "geopixel"])
def test_c05_what_a_tool_said_is_trained_as_an_answer(hits: Any, name: str) -> None:
    (hit,) = hits("C05", name, talk("human", "gpt", "tool", "gpt"))
    assert (hit.pointer, hit.edits) == ("/conversations/2/from", ())


def test_c05_internvl_takes_a_system_turn_first_only(hits: Any) -> None:
    assert hits("C05", "internvl", talk("system", "human", "gpt")) == []
    (hit,) = hits("C05", "internvl", talk("human", "gpt", "system", "human", "gpt"))
    assert hit.pointer == "/conversations/2/from"


@pytest.mark.parametrize("template", LEGACY)
def test_c05_leaves_the_system_turn_of_older_templates_to_i08(hits: Any, template: str) -> None:
    assert hits("C05", "internvl", talk("human", "gpt", "system", "gpt"), template=template) == []


@pytest.mark.parametrize(
    "name, roles",
    [
        ("geopixel", ["User", "assistant"]),
        ("geopixel", ["HUMAN", "narrator"]),
        ("xcomposer", ["user", "bot", "user"]),
        ("videorefer-vl3", ["human", "assistant", "human"]),
        ("videorefer-vl3", ["system", "human", "gpt"]),  # L08
        ("internvl", ["human", "gpt", "human"]),
    ],
)
def test_c05_words_that_the_trainer_takes_as_meant(hits: Any, name: str, roles: list[str]) -> None:
    assert hits("C05", name, talk(*roles)) == []


# --- C06 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BY_PARITY)
def test_c06_parity_makes_a_leading_answer_an_error(hits: Any, name: str) -> None:
    record = talk("bot", "human", "bot")
    (hit,) = hits("C06", name, record)
    assert (hit.pointer, hit.severity, hit.unsafe) == ("/conversations/0/from", None, True)
    assert fixed(record, hit) == [("human", "Hi 1"), ("bot", "Hi 2")]


@pytest.mark.parametrize(
    "name, template, removable",
    [
        ("videorefer-vl3", "internvl2_5", True),
        ("videorefer", "internvl2_5", True),
        ("internvl", "Hermes-2", True),
        ("internvl", "internvl2_5", False),
    ],
)
def test_c06_a_leading_answer_that_harms_little_is_a_warning(
    hits: Any, name: str, template: str, removable: bool
) -> None:
    record = talk("gpt", "human", "gpt")
    (hit,) = hits("C06", name, record, template=template)
    assert (hit.severity, bool(hit.edits), hit.unsafe) == ("warning", removable, False)
    if removable:
        assert fixed(record, hit) == [("human", "Hi 1"), ("gpt", "Hi 2")]


def test_c06_a_leading_answer_with_a_picture_is_not_removed(hits: Any) -> None:
    (hit,) = hits("C06", "videorefer-vl3", talk("gpt", "human", "gpt", text="<image>"))
    assert hit.edits == ()


@pytest.mark.parametrize(
    "name, template, severity",
    [
        ("geopixel", "internvl2_5", None),
        ("xcomposer", "internvl2_5", None),
        ("videorefer", "internvl2_5", None),
        ("videorefer-vl3", "internvl2_5", "warning"),
        ("internvl", "internvl2_5", "warning"),
        ("internvl", "phi3-chat", None),
    ],
)
def test_c06_repeated_roles_are_as_bad_as_the_trainer_makes_them(
    hits: Any, name: str, template: str, severity: str | None
) -> None:
    record = talk("human", "human", "gpt", "gpt", "gpt", "human")
    (hit,) = hits("C06", name, record, template=template)
    assert (hit.pointer, hit.severity, hit.unsafe) == ("/conversations/1/from", severity, True)
    assert "turns 0 and 1 are both the user's" in hit.message
    assert fixed(record, hit) == [("human", "Hi 0\nHi 1"), ("gpt", "Hi 2\nHi 3\nHi 4"), ("human", "Hi 5")]


def test_c06_texts_that_are_no_strings_are_not_joined(hits: Any) -> None:
    record = talk("human", "human", "gpt")
    record["conversations"][1]["value"] = 5
    (hit,) = hits("C06", "geopixel", record)
    assert hit.edits == ()


@pytest.mark.parametrize(
    "name, roles, template",
    [
        ("geopixel", ["human", "bot", "human"], "internvl2_5"),  # C08
        ("geopixel", ["human", "human"], "internvl2_5"),  # C07
        ("geopixel", ["system", "human", "bot"], "internvl2_5"),  # C05
        ("videorefer", ["human", "human", "gpt"], "internvl2_5"),  # V15
        ("videorefer", ["gpt", "human"], "internvl2_5"),  # V15
        ("internvl", ["system", "human", "gpt"], "internvl2_5"),
        ("internvl", ["system", "human", "gpt", "gpt"], "Hermes-2"),  # I08
        ("internvl", ["human", "tool", "gpt"], "internvl2_5"),  # C05
    ],
)
def test_c06_is_silent_where_another_code_speaks(
    hits: Any, name: str, roles: list[str], template: str
) -> None:
    assert hits("C06", name, talk(*roles), template=template) == []


def test_c06_looks_behind_internvls_system_turn(hits: Any) -> None:
    (hit,) = hits("C06", "internvl", talk("system", "gpt", "human", "gpt"))
    assert hit.pointer == "/conversations/1/from"


# --- C07 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, roles, template",
    [
        ("internvl", ["human"], "internvl2_5"),
        ("internvl", ["system", "human"], "internvl2_5"),
        ("internvl", ["system"], "internvl2_5"),
        ("internvl", ["gpt"], "Hermes-2"),
        ("internvl", ["gpt", "human"], "phi3-chat"),
        ("videorefer", ["human", "human"], "internvl2_5"),
        ("videorefer", ["gpt"], "internvl2_5"),
        ("videorefer-vl3", ["gpt", "human"], "internvl2_5"),
        ("geopixel", ["human", "User"], "internvl2_5"),
    ],
)
def test_c07_nothing_is_trained(hits: Any, name: str, roles: list[str], template: str) -> None:
    (hit,) = hits("C07", name, talk(*roles), template=template)
    assert hit.pointer == "/conversations"
    assert hits("C06", name, talk(*roles), template=template) == []
    assert hits("C08", name, talk(*roles), template=template) == []


@pytest.mark.parametrize("name", ALL)
def test_c07_no_turns_at_all(hits: Any, name: str) -> None:
    (hit,) = hits("C07", name, {"conversations": []})
    assert "no turns" in hit.message


@pytest.mark.parametrize(
    "name, record",
    [
        ("internvl", talk("gpt")),  # trained without a question: C06
        ("geopixel", talk("bot")),  # C06
        ("videorefer", talk("human")),  # V15
        ("internvl", talk("human", "assistant")),  # C05
        ("internvl", {"conversations": "Hi"}),  # S01
        ("internvl", {}),  # C02
        ("internvl", {"conversations": [None, 5]}),  # C03
    ],
)
def test_c07_is_silent_where_another_code_speaks(hits: Any, name: str, record: Any) -> None:
    assert hits("C07", name, record) == []


# --- C08 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["geopixel", "xcomposer", "videorefer-vl3", "internvl"])
def test_c08_a_trailing_question_is_removed(hits: Any, name: str) -> None:
    record = talk("human", "gpt", "human")
    (hit,) = hits("C08", name, record)
    assert (hit.pointer, hit.severity, hit.unsafe) == ("/conversations/2", None, False)
    assert fixed(record, hit) == [("human", "Hi 0"), ("gpt", "Hi 1")]


@pytest.mark.parametrize("template", LEGACY)
def test_c08_older_templates_spoil_the_whole_sample(hits: Any, template: str) -> None:
    (hit,) = hits("C08", "internvl", talk("human", "gpt", "human"), template=template)
    assert hit.severity == "error"


def test_c08_a_question_with_a_picture_is_not_removed(hits: Any) -> None:
    (hit,) = hits("C08", "internvl", talk("human", "gpt", "human", text="<image>"))
    assert hit.edits == ()


@pytest.mark.parametrize("name", ALL)
def test_c08_a_question_with_an_answer_is_fine(hits: Any, name: str) -> None:
    assert hits("C08", name, talk("human", "gpt", "human", "gpt")) == []


def test_c08_leaves_videorefer_v1_to_v15(hits: Any) -> None:
    assert hits("C08", "videorefer", talk("human", "gpt", "human")) == []


# --- C09 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_c09_each_empty_answer(hits: Any, name: str) -> None:
    record = talk("human", "gpt", "human", "gpt")
    record["conversations"][1]["value"] = ""
    record["conversations"][3]["value"] = " \n\t"
    assert [h.pointer for h in hits("C09", name, record)] == [
        "/conversations/1/value",
        "/conversations/3/value",
    ]


@pytest.mark.parametrize("name", ALL)
def test_c09_an_empty_question_and_a_short_answer_are_fine(hits: Any, name: str) -> None:
    record = talk("human", "gpt")
    record["conversations"][0]["value"] = ""
    record["conversations"][1]["value"] = "."
    assert hits("C09", name, record) == []
