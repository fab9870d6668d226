"""What Trust says of CAM: not for this network only where Explain says so as well."""

import pytest

import classifiers
from explorer.explanation.cam_layer import CAM
from explorer.explanation.service import ExplanationService
from explorer.photos import examples
from explorer.tabs.trust.checks import Trust
from explorer.tabs.trust.methods import Comparison, Row
from explorer.tabs.trust.sanity_check import SanityCheck
from explorer.tabs.trust.verdicts import sanity_sentence, verdict

STORY = examples.embedded().story.file
REFUSED = Row(CAM, "refused", refusal="CAM needs a head")


def of_story(name, column):
    return Trust(ExplanationService()).tested(STORY, name, "predicted", column)


def said(name, column, row=REFUSED):
    return verdict(Comparison(of_story(name, column), (row,), (), None), row)


@pytest.mark.parametrize(("name", "read"), [("embedded_gap", "conv_layers.5"), ("imagenet", "head.2")])
def test_a_network_that_cam_reads_at_another_layer_is_not_called_unfit(name, read):
    deepest = classifiers.find(name).layers[-1]
    for column in (classifiers.find(name).columns[0], deepest.column):
        told = said(name, column)
        assert told.word == "refused" and column in told.sentence
        assert told.sentence.startswith("Not at this layer: ") and f"those of {read}. Explain shows" in told.sentence
    assert f"({deepest.name})" in told.sentence


def test_the_sanity_check_says_the_same():
    refused = SanityCheck(CAM, (), (), (), "cannot tell", "Cannot tell: CAM needs a head.")
    assert "those of conv_layers.5. Explain shows" in sanity_sentence(refused, of_story("embedded_gap", "conv3"))
    assert sanity_sentence(refused, of_story("embedded", "conv3")) == refused.sentence


def test_a_network_without_such_a_layer_is_named_as_the_reason():
    assert said("embedded", "conv3").sentence == "Not for this network: CAM needs a head."


def test_what_is_refused_of_other_methods_stays_as_it_is():
    assert said("embedded_gap", "conv3", Row("Score-CAM", "refused", refusal="it's slow")).sentence == (
        "Not for this network: it's slow."
    )
