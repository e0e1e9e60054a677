"""From the bytes of an image to numbers.

damaged     an image that cannot be used
deep        images of more than 8 bits, as Pillow gives them
decoding    one encoded image as numbers
moments     mean and standard deviation of pixels
"""

from __future__ import annotations

__all__: list[str] = []
