import json
from pathlib import Path

import pytest

from attnspace import SpecError, StudyError, load_spec, parse_spec
from attnspace.documents.limits import MAX_BYTES, MAX_DEPTH, MAX_NODES
from attnspace.documents.reading import read
from attnspace.documents.validation import some_of


def nested(depth: int) -> str:
    return '{"kind":"sequential","blocks":[' * depth + '{"kind":"identity"}' + "]}" * depth


def test_the_deepest_and_the_largest_spec_allowed_parse():
    assert parse_spec(nested(MAX_DEPTH - 1))
    wide = {"kind": "sequential", "blocks": [{"kind": "identity"}] * 31}
    assert parse_spec({"kind": "sequential", "blocks": [wide] * 31})


@pytest.mark.parametrize("depth", [MAX_DEPTH, 100, 20_000])
def test_deeper_nesting_is_refused(depth):
    with pytest.raises(SpecError, match="nested too deep; allowed: up to 32"):
        parse_spec(nested(depth))


def test_more_nodes_are_refused():
    wide = {"kind": "sequential", "blocks": [{"kind": "identity"}] * 40}
    with pytest.raises(SpecError, match=f"too many nodes; allowed: up to {MAX_NODES}"):
        parse_spec({"kind": "sequential", "blocks": [wide] * 40})


def test_data_that_contains_itself_is_refused():
    data: dict = {"kind": "sequential"}
    data["blocks"] = [data]
    with pytest.raises(SpecError, match="nested too deep"):
        parse_spec(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON.*line 1"),
        ("[]", r"a spec is a mapping; got \[\]"),
        ("null", "a spec is a mapping"),
        ('{"kind": "gate", "kind": "gate"}', "key 'kind' is written twice"),
        ('{"kind": NaN}', "NaN is not a JSON number"),
        ('{"kind": "gate", "squeeze": {"kind": "none"}, "excite": 1e999}', "excite|JSON has no word"),
        ('{"kind": ' + "9" * 5000 + "}", "not usable JSON"),
        ('{"kind": "identity", "name": 3}', "name: should be text or null|name: should be"),
        ('{"kind": "identity", "blocks": []}', "unknown key 'blocks'"),
        ('{"kind": ["gate"]}', "kind"),
        ('{"kind": "gate", "squeeze": "global"}', "squeeze: should be a mapping"),
    ],
)
def test_broken_texts_are_spec_errors(text, message):
    with pytest.raises(SpecError, match=message):
        parse_spec(text)


def test_values_without_a_json_form_are_refused():
    with pytest.raises(SpecError, match="set is no JSON value"):
        parse_spec({"kind": {"gate"}})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.json", None, "no such file; check the path"),
        ("a.json", b"\xff\xfe\x00", "is not a text file"),
        ("a.json", b" " * (MAX_BYTES + 1), "is too large"),
        ("a.yaml", b"a: [1", "a.yaml:1: is not YAML|a.yaml:2: is not YAML"),
        ("a.yaml", b"", "is empty; write into it, or give another file"),
        ("a.yaml", b"a: 1\nb: 2\na: 3\n", r"a.yaml:3: key 'a' is written twice"),
        ("a.yaml", b"a: &x [*x]\n", "nested too deep"),
        ("a.yaml", b"a: !!python/object:os.system {}\n", "is not YAML"),
        ("a.yaml", b"a: 0x_\n", "holds a value that cannot be read"),
        ("a.yaml", b"a: !!bool maybe\n", "holds a value that cannot be read"),
        ("a.yaml", b"? [1, 2]\n: 3\n", "a key is not text"),
    ],
)
def test_unreadable_files_say_which_and_why(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError, match=message) as caught:
        read(path, StudyError)
    assert str(path) in str(caught.value)


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(SpecError, match="this is a directory"):
        load_spec(tmp_path)


def test_a_forbidden_file_says_so(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SpecError, match=r"a\.json: cannot be read: Permission denied"):
        load_spec(tmp_path / "a.json")


def test_yaml_reads_numbers_as_people_write_them(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 5e-4\nb: 1e3\nc: 2001-01-01\n")
    assert read(path, StudyError).data == {"a": 5e-4, "b": 1e3, "c": "2001-01-01"}


def test_a_fault_names_the_file_and_the_path_in_it(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"kind": "gate", "squeeze": {"kind": "global", "stats": ["avgg"]}}))
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert str(caught.value) == (
        f"{path}: squeeze.stats.0: unknown kind 'avgg'; allowed: amax, attention, avg, dct, l1, l2, lse, max, std; did you mean 'avg'?"
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "none"),
        (["a"], "a"),
        ({"a": 1, 2: "b", None: "c"}, "a, 2, None"),
        (range(8), "0, 1, 2, 3, 4, 5, 6, 7"),
        (range(9), "0, 1, 2, 3, 4, 5, 6, 7, ... (9 in all)"),
    ],
)
def test_of_many_names_the_first_eight_are_said_and_how_many_there_are(names, said):
    assert some_of(names, empty="none") == said
