"""Exact rewrites of ONNX graphs: the same maps in less time. `apply` applies all of them."""
