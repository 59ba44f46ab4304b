"""The page: live view, recording, marks, calibration and uploads in a browser.

::

    engine ── WebSink ──(pipe, newest only)──> server process ──(WebSocket, newest only)──> browsers
                                                 ├── recorder process (joins the hub)
                                                 └── upload jobs, a process each

The engine's process encodes nothing for the page, and waits for nothing in it.
"""
