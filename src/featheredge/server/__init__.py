"""HTTP server: pictures in, maps and cut-outs out, with limits on size, time and load.

`featheredge serve` runs it. To mount it in another ASGI server, call `app.create_app`.
"""
