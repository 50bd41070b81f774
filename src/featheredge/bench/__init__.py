"""Benchmarks: time networks beside published ones, alone and from a JPEG file to a PNG file."""
