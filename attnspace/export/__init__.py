"""A spec at C channels -> one standalone Python file, or an ONNX file.

python          spec -> module -> the text of a file
  leaves        which modules the file calls as they are
  tracing       module -> graph of its forward, with the names of the variables
  forward       graph -> statements of `forward`
  expressions   one node of the graph -> an expression
  construct     tree of modules -> statements of `__init__`
  text          pieces of Python source
  verification  the text is run and compared with the module
onnx            spec -> module -> ONNX, run and compared
"""

from attnspace.export.onnx import export_onnx
from attnspace.export.python import export_python

__all__ = ["export_onnx", "export_python"]
