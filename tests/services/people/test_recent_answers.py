"""Processes share good answers of the forge while they are young, and never a refusal."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.errors import ForgeRefused, ForgeUnavailable
from bot.services.people.identities import JUST_NOW, Identities
from bot.services.people.recent_answers import RecentAnswers
from tests.fakes.house import REPO, House

WITHIN = timedelta(seconds=5)


class Asked:
    """A question to the forge: it is counted, and may have any answer."""

    def __init__(self, says: str = "") -> None:
        self.says, self.times = says, 0

    def __call__(self) -> str:
        self.times += 1
        return self.says


def processes(house: House) -> tuple[RecentAnswers, RecentAnswers]:
    return RecentAnswers(house.store, house.clock), RecentAnswers(house.store, house.clock)


def test_another_process_has_a_good_answer_until_it_is_too_old(house: House) -> None:
    one, other = processes(house)
    asked = Asked()
    assert one.once("a", WITHIN, asked) == other.once("a", WITHIN, asked) == ""
    house.clock.forward(seconds=4.9)
    other.once("a", WITHIN, asked)
    assert asked.times == 1
    house.clock.forward(seconds=0.1)
    other.once("a", WITHIN, asked)
    assert asked.times == 2
    one.once("a", WITHIN, asked)
    assert asked.times == 2, "the newer answer took the place of the older one"


def test_an_answer_is_as_old_as_its_question(house: House) -> None:
    one, other = processes(house)
    asked = Asked()

    def slow() -> str:
        house.clock.forward(seconds=3)
        return asked()

    one.once("a", WITHIN, slow)
    house.clock.forward(seconds=2)
    other.once("a", WITHIN, asked)
    assert asked.times == 2


def test_a_refusal_is_never_shared(house: House) -> None:
    one, other = processes(house)
    refuses, allows = Asked("no"), Asked()
    assert one.once("a", WITHIN, refuses) == other.once("a", WITHIN, refuses) == "no"
    assert (refuses.times, other.once("a", WITHIN, allows), allows.times) == (2, "", 1)


def test_a_question_that_fails_is_asked_again_at_once(house: House) -> None:
    one, other = processes(house)

    def fails() -> str:
        raise ForgeUnavailable("down")

    with pytest.raises(ForgeUnavailable):
        one.once("a", WITHIN, fails)
    before = house.clock.now()
    asked = Asked()
    other.once("a", WITHIN, asked)
    assert (asked.times, house.clock.now()) == (1, before), "nobody is waited for"


def test_questions_of_another_name_have_answers_of_their_own(house: House) -> None:
    one, other = processes(house)
    asked = Asked()
    one.once("a", WITHIN, asked)
    other.once("b", WITHIN, asked)
    assert asked.times == 2


def test_a_process_that_must_know_now_asks_by_itself(house: House) -> None:
    one, other = processes(house)
    asked = Asked()
    one.once("a", WITHIN, asked)
    other.once("a", timedelta(), asked)
    assert asked.times == 2


def test_who_asks_at_the_same_time_waits_for_the_one_answer(house: House) -> None:
    """While a process asks, another looks for its answer, and asks by itself if that one is lost."""
    one, other = processes(house)
    late = Asked()

    def meanwhile() -> str:
        before = house.clock.now()
        assert other.once("a", WITHIN, late) == ""
        assert house.clock.now() - before >= timedelta(seconds=3)
        return ""

    one.once("a", WITHIN, meanwhile)
    assert late.times == 1


def test_a_repository_is_asked_for_once_by_processes_that_start_runs(house: House) -> None:
    """Each run asks whether its repository is still the one that was first seen."""
    for _ in range(5):
        Identities(house.store, house.clock, {"github": house.forge}).check(REPO, JUST_NOW)
    assert house.forge.calls.count("repo_id") == 1
    house.forge.repo_ids[REPO] = "another"
    house.clock.forward(seconds=5)
    for _ in range(2):
        with pytest.raises(ForgeRefused, match="is not the repository that had this name before"):
            Identities(house.store, house.clock, {"github": house.forge}).check(REPO, JUST_NOW)
    assert house.forge.calls.count("repo_id") == 3
