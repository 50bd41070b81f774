"""Videos: decode frames, run a network on each, and encode the result with its sound and times.

Needs PyAV, which `pip install 'featheredge[video]'` installs.
"""
