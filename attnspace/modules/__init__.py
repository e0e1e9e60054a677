"""The modules that primitives build: plain numbers and words in, an `nn.Module` out; nothing here knows of specs.

words         the words by which a spec chooses what a module computes, which need no torch
maps          several maps folded into one
precision     float32 where a map's own type has too few bits
activation    elementwise functions and softmax, by name
norm          normalisations that do more than torch's
statistics    what is pooled
squeeze       squeezes, which turn a map into its descriptors
layers        the steps of an excitation that torch has no module for
strips        how the two strips of a directional squeeze go through layers together
gate          squeeze, excitation and what joins the logits, applied to the map
composition   blocks made of blocks
select        branches of convolutions, and softmax attention between them
formulas      blocks that are one formula

Importing this package imports no torch; importing its files does, all but `words`.
"""

__all__: list[str] = []
