"""The audit as HTML: links open the photo, the causal test is a sentence, and what was not measured is said."""

import re
from html import unescape
from urllib.parse import parse_qsl

from explorer.deep_links import link_of
from explorer.settings import View
from explorer.tabs.audit import statistics
from explorer.tabs.audit.view import invitation, shown


def text(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_every_photo_links_to_its_explanation(result, two_per_class):
    html = shown(result, View(colormap="cividis"))
    links = [unescape(link) for link in re.findall(r'<a href="([^"]*)"', html)]
    galleries = [chosen for audit in result.audits for rule in (audit.worst, audit.random) for chosen in rule.values()]
    assert len(links) == sum(map(len, galleries))
    models = set()
    for address in links:
        parameters = dict(parse_qsl(address.removeprefix("?")))
        models.add(parameters.pop("model"))
        link, missing = link_of(parameters, two_per_class, ["explain"], "embedded")
        assert link.example in two_per_class.every and link.view.colormap == "cividis"
        assert link.tab == "explain" and not missing
    assert models == {"embedded", "twin"}


def test_causal_test_is_summarised_in_a_sentence(result):
    words = text(shown(result, View()))
    predictions = result.audits[0].predictions
    rates = statistics.repaint_rates(result.repainted["embedded"], predictions, result.plant_of_colour)
    assert "embedded follows the pot." in words and f"names the pot’s owner in {100 * rates.pot.share:.0f} %" in words
    assert f"{rates.unchanged.count} of 16 answers stayed" in words


def test_audit_without_masks_says_so(maskless):
    html = shown(maskless, View())
    words = text(html)
    assert "no pot can be repainted" in words and "no share of heat can be measured" in words
    assert "1 photo could not be read and is left out: test/0_cut" in words
    assert "<b>.jpg" not in html and "0_<b>" not in html


def test_audit_without_repainting_says_so(val_only):
    words = text(shown(val_only, View()))
    assert "Not asked for in this audit" in words and "follows" not in words


def test_invitation_names_the_models_and_photos():
    assert "embedded and twin" in text(invitation(240, ("embedded", "twin")))
    assert "about all 240 photos:" in text(invitation(240, ("embedded",)))
    assert "asks embedded about the one photo:" in text(invitation(1, ("embedded",)))
