import ast
import importlib.util
import subprocess
import sys

import pytest
import torch
from torch import nn

from attnspace import build, published
from attnspace.errors import AttnspaceError, RunFailed, SpecError
from attnspace.export import export_onnx, export_python, write_module

ONNX = ["se", "cbam", "ca-official", "eca-official", "fca", "sk", "triplet", "gc"]

WITHOUT_ATTNSPACE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "attnspace":
            raise ImportError("attnspace is refused")

sys.meta_path.insert(0, Refuse())
import torch
namespace = {}
exec(open(sys.argv[1], encoding="utf-8").read(), namespace)
block = namespace[sys.argv[2]]()
state, x = torch.load(sys.argv[3])
block.load_state_dict(state)
torch.save(block.eval()(x), sys.argv[4])
"""


def channels_of(name: str) -> int:
    for channels in (64, 128):
        try:
            build(name, channels)
        except SpecError:
            continue
        return channels
    raise AssertionError(f"{name} builds at none")


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
    channels = channels_of(name)
    source = export_python(name, channels)
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
    tree = ast.parse(export_python(name, channels_of(name)))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    roots = {alias.name for node in imports for alias in node.names if isinstance(node, ast.Import)}
    assert roots <= {"torch", "torch.nn.functional", "math", "operator"}
    assert "attnspace" in ast.get_docstring(tree)
    assert "attnspace" not in ast.unparse(tree.body[1:])


@pytest.mark.parametrize("name", ["se", "cbam-official", "ca"])
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
    ],
)
def test_a_class_name_is_an_identifier_that_hides_nothing(name, written):
    assert f"class {written}(" in export_python("se", 16, name=name)


def test_what_a_spec_says_of_itself_cannot_leave_the_docstring():
    said = 'a """ b \\" c \\N{BULLET} \u202e \x00\n""" + exit()'
    tree = ast.parse(export_python({"kind": "identity", "doc": said, "source": said}, 8))
    assert isinstance(tree.body[0], ast.Expr)
    assert said.split("\n")[0] in ast.get_docstring(tree, clean=False)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


class Own(nn.Module):
    """Parameters and buffers of its own, in a place of their own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.full((8, 1, 1), 0.5))
        self.frozen = nn.Parameter(torch.zeros(8, 1, 1), requires_grad=False)
        self.register_buffer("count", torch.arange(3))
        self.register_buffer("shift", torch.tensor([0.25, 0.0, -1.5, 2.0]).repeat(2).view(8, 1, 1), persistent=False)

    def forward(self, x_nchw):
        scaled = self.scale * x_nchw + self.frozen
        return scaled - self.shift * (scaled > 0.25) * self.count.sum()


class Whole(nn.Module):
    """Containers, calls, unpacking and iteration; a constant initialisation; a module called twice; an unused one."""

    def __init__(self):
        super().__init__()
        self.unused = nn.ModuleList([nn.Identity()])
        self.parts = nn.ModuleList([nn.ReLU(), Own(), nn.Sequential(nn.Conv2d(8, 8, (3, 1), padding=(1, 0)))])
        self.norm = nn.BatchNorm2d(4, eps=1e-3, momentum=0.3)
        self.spare = nn.Linear(3, 2, bias=False)
        self.drop = nn.Dropout(0.5)
        nn.init.constant_(self.parts[2][0].bias, 0.75)

    def forward(self, x_nchw):
        n, c, h, w = x_nchw.shape
        first, second = self.parts[2](self.parts[1](self.parts[0](x_nchw))).chunk(2, dim=1)
        ahead, back = torch.roll(y_of := x_nchw[0], 1), x_nchw[1].mean()
        second = second + 0.01 * ahead[:4] * back + 0 * y_of.sum()
        y = torch.cat([self.norm(second), self.norm(first)], dim=1)
        y = y - sum(part.mean() for part in y.chunk(4, 1)) / (h * w) + n
        y = torch.mul(2 - (1 - y), -(y**2))
        if self.training and y.shape[1] != c:
            raise ValueError
        return self.drop(x_nchw) / (1 + y.reshape(n, c, h, w).abs()) + torch.nn.functional.gelu(y[:, -1:])


def test_own_parameters_buffers_containers_and_control_flow_are_written():
    source = write_module(Whole, 8, "Whole", ["whole"])
    module, written = seeded(Whole), seeded(lambda: run(source))
    assert [(key, p.requires_grad) for key, p in module.named_parameters()] == [
        (key, p.requires_grad) for key, p in written.named_parameters()
    ]
    assert [key for key, _ in module.named_buffers()] == [key for key, _ in written.named_buffers()]
    assert all(torch.equal(value, written.state_dict()[key]) for key, value in module.state_dict().items())
    x = torch.randn(4, 8, 5, 6)
    outputs = []
    for one in (module, written):
        torch.manual_seed(1)
        outputs.append(one(x))
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(dict(module.named_buffers()), dict(written.named_buffers()))
    assert "nn.init.constant_(self.parts[2][0].bias, 0.75)" in source
    assert "self.unused" not in source
    assert "n, c, h, w = x.shape" in source


@pytest.mark.parametrize(
    "make",
    [
        nn.Identity,
        lambda: nn.Conv2d(8, 8, 1),
        lambda: nn.Sequential(nn.Conv2d(8, 8, 1), nn.Sequential(nn.GELU("tanh"), nn.LayerNorm((8,)))[:1]),
        lambda: nn.Sequential(nn.ReLU()),
        lambda: nn.Sequential(Own(), nn.Sigmoid(), Own()),
    ],
)
def test_a_module_of_torch_itself_is_written_as_its_subclass(make):
    run(write_module(make, 8, "Block", ["block"])).load_state_dict(make().state_dict())


class DrawnOtherwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        nn.init.kaiming_normal_(self.conv.weight)

    def forward(self, x):
        return self.conv(x)


def test_a_file_that_starts_otherwise_says_so():
    source = write_module(DrawnOtherwise, 8, "Drawn", ["drawn"])
    assert "load a state_dict" in ast.get_docstring(ast.parse(source))
    assert "load a state_dict" not in export_python("se", 16)


class Decides(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class ModeMatters(nn.Module):
    def forward(self, x):
        return 2 * x if self.training else x


class MakesTensors(nn.Module):
    def forward(self, x):
        return x + torch.ones(1)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (Decides, "torch.fx cannot trace it"),
        (ModeMatters, "another function in training"),
        (MakesTensors, "a constant tensor in forward; register it as a buffer"),
    ],
)
def test_what_cannot_be_written_is_refused(module, said):
    with pytest.raises(AttnspaceError, match=said):
        write_module(module, 4, "Block", ["block"])


@pytest.mark.parametrize("name", ONNX)
def test_an_onnx_file_is_the_block_at_other_shapes(name, tmp_path, capfd):
    onnxruntime = pytest.importorskip("onnxruntime")
    channels = channels_of(name)
    torch.manual_seed(0)
    module = build(name, channels)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-0.5, 0.5)
    path = export_onnx(name, channels, tmp_path / "block.onnx", state_dict=module.state_dict())
    assert [file.name for file in tmp_path.iterdir()] == ["block.onnx"]
    assert capfd.readouterr() == ("", "")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("x", ["batch", channels, "height", "width"])]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("y", ["batch", channels, "height", "width"])]
    for shape in ((3, channels, 9, 7), (1, channels, 16, 12), (5, channels, 21, 30)):
        x = torch.randn(shape)
        (y,) = session.run(["y"], {"x": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), module.eval()(x), rtol=1e-4, atol=1e-5)


def test_an_onnx_file_of_a_chosen_opset(tmp_path):
    onnx = pytest.importorskip("onnx")
    path = export_onnx("se", 16, tmp_path / "block.onnx", opset=20)
    assert [used.version for used in onnx.load(path).opset_import if used.domain == ""] == [20]


def test_weights_that_do_not_fit_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(AttnspaceError, match="the weights do not fit the block"):
        export_onnx("se", 64, tmp_path / "block.onnx", state_dict=build("se", 32).state_dict())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_onnx_the_remedy_is_named(missing, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(AttnspaceError, match=rf"needs {missing}; run: pip install 'attnspace\[onnx\]'"):
        export_onnx("se", 16, tmp_path / "block.onnx")


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path):
    taken = tmp_path / "block.onnx"
    taken.mkdir()
    with pytest.raises(RunFailed, match=r"block\.onnx: cannot be written: Is a directory"):
        export_onnx("se", 16, taken)
    with pytest.raises(RunFailed, match=r"cannot be written: No such file or directory"):
        export_onnx("se", 16, tmp_path / "nowhere" / "block.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["block.onnx"]
    assert not list(taken.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "block.onnx"
    path.write_bytes(b"old")

    def full(self, content):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(RunFailed, match="No space left on device"):
        export_onnx("se", 16, path)
    assert [file.name for file in tmp_path.iterdir()] == ["block.onnx"]
    assert path.read_bytes() == b"old"
