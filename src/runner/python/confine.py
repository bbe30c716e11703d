"""The inner step of every sandbox: gives up every right, then becomes the program.

Standard input: a frame (eight hexadecimal digits, then that many bytes of JSON):
`{"uid": n | null, "dieWith": pid | null, "rlimits": {NAME: n}, "landlock":
{"read": [paths], "write": [paths], "tcp": bool} | null, "seccomp": base64 |
null, "cwd": path, "argv": [...], "env": {...}}`. Runs with the platform's own
Python and without `site`, so that nothing of an artifact runs before the rights
are gone. Secrets arrive here and leave in the environment of `argv`, never in
an argument.
"""

import base64
import ctypes
import json
import os
import resource
import signal
import struct
import sys

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 22, 24, 38, 47
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446

STANDING_FD = 5

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what + ": " + os.strerror(ctypes.get_errno()))
    return result


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


def limit(limits):
    for name, value in limits.items():
        kind = getattr(resource, "RLIMIT_" + name)
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))


def become(uid):
    """Every capability and group goes; the bounding set first, while it still may."""
    if uid is not None:
        for capability in range(64):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
                break
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    libc.prctl(PR_CAP_AMBIENT, 4, 0, 0, 0)
    header = struct.pack("Ii", 0x20080522, 0)
    check(libc.capset(header, bytes(24)), "capset")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def landlock(rules):
    """Landlock (Linux 5.13+): https://docs.kernel.org/userspace-api/landlock.html. Skipped where the kernel has none."""
    abi = libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return
    every = (1 << 13) - 1
    if abi >= 2:
        every |= 1 << 13
    if abi >= 3:
        every |= 1 << 14
    if abi >= 5:
        every |= 1 << 15
    files = 1 | 1 << 1 | 1 << 2 | (1 << 14 if abi >= 3 else 0) | (1 << 15 if abi >= 5 else 0)
    read = 1 | 1 << 2 | 1 << 3
    network = 0b11 if rules["tcp"] is False and abi >= 4 else 0
    scoped = 0b11 if abi >= 6 else 0
    attributes = struct.pack("QQQ", every, network, scoped)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = check(libc.syscall(LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0), "landlock")
    for paths, rights in ((rules["read"], read), (rules["write"], every)):
        for path in paths:
            try:
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            allowed = rights if os.path.isdir(path) else rights & files
            rule = struct.pack("=Qi", allowed, fd)
            check(libc.syscall(LANDLOCK_ADD, ruleset, 1, rule, 0), "landlock rule for " + path)
            os.close(fd)
    check(libc.syscall(LANDLOCK_RESTRICT, ruleset, 0), "landlock")
    os.close(ruleset)


def filter_calls(program):
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    filter_program = Program(len(program) // 8, ctypes.addressof(code))
    check(libc.prctl(PR_SET_SECCOMP, 2, ctypes.byref(filter_program), 0, 0), "seccomp")


def main():
    os.write(STANDING_FD, b"1")
    os.close(STANDING_FD)
    order = read_frame()
    limit(order["rlimits"])
    become(order["uid"])
    if order["dieWith"] is not None:
        # After the change of uid: that clears it.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != order["dieWith"]:
            os._exit(1)
    if order["landlock"] is not None:
        landlock(order["landlock"])
    os.chdir(order["cwd"])
    if order["seccomp"] is not None:
        filter_calls(base64.b64decode(order["seccomp"]))
    try:
        os.execvpe(order["argv"][0], order["argv"], order["env"])
    except OSError as error:
        sys.exit(f"cannot start {order['argv'][0]}: {error.strerror}")


main()
