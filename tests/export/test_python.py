import ast
import json
import subprocess
import sys
from functools import cache

import pytest
import torch
from torch import nn

from attnspace import build, identity, published
from attnspace.errors import ExportError
from attnspace.export import export_python
from attnspace.export.python import write_module
from tests.export.blocks import REFUSE_ATTNSPACE, channels_of

WITHOUT_ATTNSPACE = (
    REFUSE_ATTNSPACE
    + """
import torch
namespace = {}
exec(open(sys.argv[1], encoding="utf-8").read(), namespace)
block = namespace[sys.argv[2]]()
state, x = torch.load(sys.argv[3])
block.load_state_dict(state)
torch.save(block.eval()(x), sys.argv[4])
"""
)


@cache
def exported(name: str) -> str:
    return export_python(name, channels_of(name))


def run(source: str) -> nn.Module:
    """The last class of a file, made."""
    namespace: dict = {"__name__": "exported"}
    exec(compile(source, "exported.py", "exec"), namespace)
    return namespace[[node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)][-1]]()


def seeded(make, seed: int = 5) -> nn.Module:
    torch.manual_seed(seed)
    return make()


@pytest.mark.parametrize("name", published())
def test_a_written_file_has_the_same_start_weights_and_function(name):
    channels, source = channels_of(name), exported(name)
    module, written = seeded(lambda: build(name, channels)), seeded(lambda: run(source))
    ours, theirs = module.state_dict(), written.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    assert [p.shape for p in module.parameters()] == [p.shape for p in written.parameters()]
    for height, width in ((9, 7), (16, 12)):
        x = torch.randn(3, channels, height, width)
        torch.testing.assert_close(written(x), module(x))
        torch.testing.assert_close(written.eval()(x), module.eval()(x))


@pytest.mark.parametrize("name", published())
def test_a_written_file_needs_torch_alone_and_mentions_attnspace_in_its_docstring_only(name):
    tree = ast.parse(exported(name))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    roots = {alias.name for node in imports for alias in node.names if isinstance(node, ast.Import)}
    assert roots <= {"torch", "torch.nn.functional"}
    assert "attnspace" in ast.get_docstring(tree)
    assert "attnspace" not in ast.unparse(tree.body[1:])


@pytest.mark.parametrize("name", ["cbam-official", "ca"])
def test_a_written_file_runs_where_attnspace_is_not(name, tmp_path):
    torch.manual_seed(0)
    module, x = build(name, 64).eval(), torch.randn(2, 64, 9, 7)
    file, given, got = (tmp_path / part for part in ("block.py", "given.pt", "got.pt"))
    file.write_text(export_python(name, 64, name="my block"), "utf-8")
    torch.save((module.state_dict(), x), given)
    command = [sys.executable, "-I", "-c", WITHOUT_ATTNSPACE, str(file), "MyBlock", str(given), str(got)]
    subprocess.run(command, check=True, timeout=120)
    torch.testing.assert_close(torch.load(got), module(x))


def test_squeeze_and_excitation_reads_as_a_colleague_would_write_it():
    assert export_python("se", 64).split("\n\n\n")[1] == (
        """\
class Se(nn.Module):
    def __init__(self):
        super().__init__()
        self.excite = nn.Sequential(
            nn.Conv2d(64, 4, kernel_size=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(4, 64, kernel_size=1, bias=False),
        )

    def forward(self, x):
        gate = torch.sigmoid(self.excite(x.mean((2, 3), keepdim=True)))
        return x * gate
"""
    )


def test_nothing_of_the_caller_is_touched():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        source = export_python("cbam", 64)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(state, torch.get_rng_state())
    assert source == export_python("cbam", 64)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("se-official", "SeOfficial"),
        ("None", "BlockNone"),
        ("2 eyes", "Block2Eyes"),
        ("注意", "Block"),
        ("F", "BlockF"),
        ("Part", "BlockPart"),
        ("value error", "BlockValueError"),
        ("x(nn.Module): pass\nimport os #", "XNnModulePassImportOs"),
        ("print", "Print"),
    ],
)
def test_a_class_name_is_an_identifier_that_hides_nothing(name, written):
    assert f"class {written}(" in export_python("se", 16, name=name)


HOSTILE = [
    'a """ b \\" c \\N{BULLET} \u202e \x00\n""" + exit()',
    '"""\nexit()\n"""',
    '"' * 7 + "\nexit()",
    "ends in a backslash \\",
    '\\"""\nexit()',
    '\\\\\\"""\nexit()',
    "carriage\rreturn\r\nexit() \u2028exit() \x0cexit()",
    "# -*- coding: utf-7 -*-\n+ACIAIgAi-\nexit()",
    "{exit()} %(exit)s",
    "word " * 60 + "x" * 200 + '"""' * 60,
    "注意机制 · ∑ Wₖ z ≥ ½ — naïve 🙂",
]


@pytest.mark.parametrize("where", ["name", "doc", "source", "formula"])
@pytest.mark.parametrize("said", HOSTILE)
def test_what_a_spec_says_of_itself_cannot_leave_the_docstring(said, where, tmp_path):
    said = said[:100] if where == "name" else said[:500]
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"kind": "identity", where: said}), "utf-8")
    source = export_python(path, 8)
    assert source == export_python({"kind": "identity", where: said}, 8)
    tree = ast.parse(source.encode())
    assert [type(node) for node in tree.body] == [ast.Expr, ast.ImportFrom, ast.ClassDef]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert "".join(said.split()) in "".join(ast.get_docstring(tree, clean=False).split())
    assert all(c.isprintable() or c == "\n" for c in source)


def test_a_docstring_is_wrapped_however_large_the_spec():
    layers = [{"kind": "conv2d", "kernel": 3, "dilation": 2}, {"kind": "norm"}, {"kind": "act"}]
    spec = {"kind": "gate", "squeeze": {"kind": "none"}, "excite": layers * 8, "doc": "so " * 600}
    source = export_python(spec, 8)
    assert max(map(len, source.splitlines())) <= 100
    written = json.loads(ast.get_docstring(ast.parse(source)).partition("Written by attnspace from\n")[2])
    assert identity(written, 8) == identity(spec, 8)


class Attention(nn.Module):
    """Weights, a buffer and containers of its own; unpacking and iteration; a norm called twice; an unused part."""

    def __init__(self):
        super().__init__()
        self.unused = nn.ModuleList([nn.Identity()])
        self.parts = nn.ModuleList([nn.ReLU(), nn.Sequential(nn.Conv2d(8, 8, (3, 1), padding=(1, 0)))])
        self.scale = nn.Parameter(torch.full((8, 1, 1), 0.5))
        self.norm = nn.BatchNorm2d(4, eps=1e-3, momentum=0.3)
        self.spare = nn.Linear(3, 2, bias=False)
        self.register_buffer("shift", torch.tensor([0.25, 0.0, -1.5, 2.0]).repeat(2).view(8, 1, 1), persistent=False)
        nn.init.zeros_(self.parts[1][0].bias)

    def forward(self, x_nchw):
        first, second = self.parts[1](self.parts[0](x_nchw)).split([4, 4], dim=1)
        top = x_nchw.max(1, keepdim=True).values
        y = torch.cat([self.norm(second), self.norm(first)], dim=1) * self.scale - (self.shift - (1 - top))
        return sum(part.mean() for part in y.chunk(4, 1)) / y.shape[2] + -(x_nchw - y)


def test_own_weights_buffers_containers_and_names_are_written():
    source = write_module(Attention, 8, "Attention", ["whole"])
    module, written = seeded(Attention), seeded(lambda: run(source))
    assert list(module.state_dict()) == list(written.state_dict())
    torch.testing.assert_close(dict(module.named_buffers()), dict(written.named_buffers()))
    torch.testing.assert_close(dict(module.named_parameters()), dict(written.named_parameters()))
    x = torch.randn(4, 8, 5, 6)
    torch.testing.assert_close(written(x), module(x))
    torch.testing.assert_close(dict(module.named_buffers()), dict(written.named_buffers()))
    assert "first, second = self.parts[1](F.relu(x)).split([4, 4], dim=1)" in source
    assert "top = x.max(1, keepdim=True).values" in source
    assert "nn.init.zeros_(self.parts[1][0].bias)" in source
    assert "self.unused" not in source


class Doubles(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((4, 1, 1), 2.0))

    def forward(self, x):
        return self.scale * x


class Decides(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class ModeMatters(nn.Module):
    def forward(self, x):
        return 2 * x if self.training else x


class MakesTensors(nn.Module):
    def forward(self, x):
        return x + torch.ones(1)


class CallsMore(nn.Module):
    def forward(self, x):
        return torch.fft.fft(x).abs()


class DrawsItsOwn(Doubles):
    def __init__(self):
        super().__init__()
        nn.init.normal_(self.scale)


class Frozen(Doubles):
    def __init__(self):
        super().__init__()
        self.scale.requires_grad_(False)


class DrawsOtherwise(Doubles):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 1)
        nn.init.kaiming_normal_(self.conv.weight)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (Decides, "symbolically traced variables cannot be used as inputs to control flow"),
        (ModeMatters, "another function in training"),
        (MakesTensors, "no attribute '_tensor_constant0'"),
        (CallsMore, "it calls <built-in function fft_fft>"),
        (Frozen, "the written file has other weights"),
    ],
)
def test_what_cannot_be_written_is_refused(module, said):
    with pytest.raises(ExportError, match=f"^cannot be written as a Python file: .*{said}.*; use the attnspace module"):
        write_module(module, 4, "Block", ["block"])


@pytest.mark.parametrize("module", [DrawsItsOwn, DrawsOtherwise])
def test_a_start_that_torchs_constructors_do_not_draw_is_said(module):
    source = write_module(module, 4, "Block", ["block"])
    assert "load a state_dict of the module for the same" in " ".join(source.split('"""')[1].split())
    original, written = module(), run(source)
    written.load_state_dict(original.state_dict())
    x = torch.randn(2, 4, 5, 3)
    torch.testing.assert_close(written(x), original(x))


def test_weights_that_start_at_one_number_do_in_the_file_too():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)
            nn.init.constant_(self.conv.weight, 0.5)

        def forward(self, x):
            return self.conv(x)

    source = write_module(Constant, 4, "Block", ["block"])
    assert "nn.init.constant_(self.conv.weight, 0.5)" in source
    assert "load a state_dict" not in source


@pytest.mark.parametrize(("name", "channels"), [("gc-timm", 8), ("shuffle", 128)])
def test_a_norm_of_one_value_takes_a_batch_of_one_in_the_file_too(name, channels):
    module = build(name, channels).eval()
    names: dict = {}
    exec(export_python(name, channels), names)
    written = names[name.title().replace("-", "")]().eval()
    written.load_state_dict(module.state_dict())
    for x in (torch.randn(1, channels, 5, 4), torch.randn(1, channels, 1, 1)):
        torch.testing.assert_close(written(x), module(x))
