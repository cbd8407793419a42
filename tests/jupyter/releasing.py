"""How a test lets the tools of `tests.jupyter.conftest` go on while the kernel is busy with a cell."""

#: Sets RELEASE once there is a file ``go`` where the kernel was started.
RELEASED_BY_A_FILE = """
import os, threading, time

def _release():
    global RELEASE
    while not os.path.exists("go"):
        time.sleep(0.01)
    RELEASE = True

threading.Thread(target=_release, daemon=True).start()
"""
