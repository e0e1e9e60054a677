from xml.etree import ElementTree

import pytest

from attnspace import load_spec, parse_spec, published

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", published())
def test_every_published_block_is_drawn_inside_its_frame(name):
    svg = ElementTree.fromstring(load_spec(name)._repr_html_())
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    boxes = list(svg.iter(f"{SVG}rect"))
    assert boxes
    for box in boxes:
        x, y, w, h = (float(box.attrib[a]) for a in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + w <= width
        assert y >= 0
        assert y + h <= height


@pytest.mark.parametrize("name", published())
def test_no_two_steps_are_drawn_over_each_other(name):
    svg = ElementTree.fromstring(load_spec(name)._repr_html_())
    steps = [r for r in svg.iter(f"{SVG}rect") if "stroke-dasharray" not in r.attrib]
    places = [tuple(float(r.attrib[a]) for a in ("x", "y", "width", "height")) for r in steps]
    for i, (x, y, w, h) in enumerate(places):
        for x2, y2, w2, h2 in places[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_a_drawing_says_what_the_block_does():
    text = load_spec("ca")._repr_html_()
    for word in ("avg over W", "avg over H", "C/16", "BN", "a head for each strip", "sigmoid"):
        assert word in text
    assert "map" in load_spec("pixel")._repr_html_()
    assert "\N{MULTIPLICATION SIGN}" in load_spec("se")._repr_html_()
    assert "\N{MULTIPLICATION SIGN}" not in parse_spec({"kind": "identity"})._repr_html_()
    assert "C and H exchanged" in load_spec("triplet")._repr_html_()
