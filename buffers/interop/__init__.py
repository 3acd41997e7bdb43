"""A slice of the buffer in other libraries' formats, and theirs as trajectories.

What each format cannot hold stands with the function that writes it. minari, datasets and pyarrow come with
the extra ``interop`` and are imported when a function needs them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
