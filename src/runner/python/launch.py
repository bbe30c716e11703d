"""The outer step of every sandbox, run by the platform's own Python, outside the sandbox.

Standard input: a frame (eight hexadecimal digits, then that many bytes of JSON):
`{"parent": pid, "cgroups": [files], "listen": path | null, "argv": [...]}`.
It ties its life to the platform's, enters its control groups, opens the
listening socket (as descriptor 6, so that no folder of the platform is visible
inside), closes every other descriptor that the platform was started with, and
becomes `argv`. What follows on standard input belongs to `argv`.
"""

import ctypes
import json
import os
import signal
import socket
import sys

LISTEN_FD = 6
PR_SET_PDEATHSIG = 1


def read_frame():
    def exactly(count):
        parts = []
        while count > 0:
            part = os.read(0, count)
            if not part:
                sys.exit("the platform went away before it said what to start")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    return json.loads(exactly(int(exactly(8), 16)))


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    order = read_frame()
    if os.getppid() != order["parent"]:
        os._exit(1)
    for procs in order["cgroups"]:
        with open(procs, "w") as file:
            file.write("0")
    if order["listen"] is not None:
        os.umask(0o077)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(order["listen"])
        listener.listen(512)
        if listener.fileno() == LISTEN_FD:
            os.set_inheritable(LISTEN_FD, True)
        else:
            os.dup2(listener.fileno(), LISTEN_FD)
            listener.close()
    os.umask(0o022)
    os.closerange(LISTEN_FD + 1, os.sysconf("SC_OPEN_MAX"))
    os.execve(order["argv"][0], order["argv"], {"PATH": "/usr/local/bin:/usr/bin:/bin"})


main()
