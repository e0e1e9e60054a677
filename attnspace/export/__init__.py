"""A spec at C channels, or what a run hands over, as one standalone Python file or as an ONNX file.

verification   a written file is run and compared with the module that it was written from
onnx           spec, module, ONNX file, run and compared
leaves         which modules the written file calls as they are
text           pieces of Python source
construct      the tree of modules as statements of `__init__`
expressions    one node of the graph as an expression
tracing        the graph of a module's forward, with the names of its variables
forward        the graph as statements of `forward`
python         spec, module, text of a file, compared with the module
network_onnx   a whole network, ONNX file, run and compared
insertion      the blocks of a design, and what puts them into a network, as the text of a file
folding        constant gates folded into the convolution or norm beside them
run            what a run hands over, as files
"""

from attnspace.export.folding import fold_constants
from attnspace.export.onnx import export_onnx
from attnspace.export.python import export_python

__all__ = ["export_onnx", "export_python", "fold_constants"]
