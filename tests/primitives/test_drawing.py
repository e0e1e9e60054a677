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


def order_of(data, *words):
    """The places, from left to right, of the boxes with these texts."""
    svg = ElementTree.fromstring(parse_spec(data)._repr_html_())
    at = [(float(t.attrib["x"]), t.text) for t in svg.iter(f"{SVG}text") if t.text in words]
    return [text for _, text in sorted(at)]


def test_a_gate_of_branches_that_merges_gates_has_its_activation_in_each():
    avg = {"squeeze": {"kind": "global", "stats": ["avg"]}, "excite": [{"kind": "project"}]}
    both = {"kind": "gate", "branches": [avg, {**avg, "squeeze": {"kind": "none"}}], "merge": "gate_mean"}
    assert order_of(both, "avg over H, W", "sigmoid", "mean") == ["avg over H, W", "sigmoid", "sigmoid", "mean"]
    assert order_of({**both, "merge": "logit_sum"}, "1x1->C", "+", "sigmoid") == ["1x1->C", "1x1->C", "+", "sigmoid"]


def test_a_drawing_tells_how_statistics_of_strips_meet():
    strips = {"kind": "directional", "stats": ["avg", "max"]}
    pictures = {
        combine: parse_spec({"kind": "gate", "squeeze": {**strips, "combine": combine}})._repr_html_()
        for combine in ("shared", "stack", "sum", "mean")
    }
    assert ">stack<" in pictures["stack"]
    assert ">stack<" not in pictures["shared"]


def test_a_drawing_says_what_the_block_does():
    text = load_spec("ca")._repr_html_()
    for word in ("avg over W", "avg over H", "C/16", "BN", "a head for each strip", "sigmoid"):
        assert word in text
    assert "map" in load_spec("pixel")._repr_html_()
    assert "\N{MULTIPLICATION SIGN}" in load_spec("se")._repr_html_()
    assert "\N{MULTIPLICATION SIGN}" not in parse_spec({"kind": "identity"})._repr_html_()
    assert "C and H exchanged" in load_spec("triplet")._repr_html_()
