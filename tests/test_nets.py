"""Networks and uses that engineers bring, each held to independent autograd, compared before and after, and run in threads."""

import importlib.util

import pytest
from nets import CASES
from nets.checks import check_maps, check_sentence, check_threads

RIGHT = [case for case in CASES if case.sentence is None]
TOLD = [case for case in CASES if case.sentence is not None]


def named(cases):
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.name.replace(" ", "-"), marks=_marks(case)) for case in cases])


def _marks(case):
    absent = case.needs is not None and importlib.util.find_spec(case.needs) is None
    return [pytest.mark.skipif(absent, reason=f"{case.needs} is not installed")]


@named(RIGHT)
def test_maps_are_the_models_own_and_it_stays_as_found(case):
    check_maps(case)


@named([case for case in RIGHT if not case.alone])
def test_threads_do_not_meet(case):
    check_threads(case)


@named(TOLD)
def test_what_stands_in_the_way_is_one_sentence(case):
    if not check_sentence(case):
        check_maps(case)


def test_the_names_are_names():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 80
    assert all(case.why and case.why.count("\n") == 0 for case in CASES)
