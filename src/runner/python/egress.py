"""Filters a network namespace by address and becomes slirp4netns for it.

Standard input: JSON `{"pid", "slirp", "blocked": ["a.b.c.d/n"]}`. Descriptor 3
is told when the way out is open, descriptor 4 ends slirp4netns when its other
end is closed. The filter is made of unreachable routes (rtnetlink(7)), set
before the tap device exists; whoever runs inside has no right to change them.
"""

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
NS_GET_USERNS = 0xB701
RTM_NEWROUTE, NLM_F_REQUEST_ACK_CREATE_EXCL = 24, 0x1 | 0x4 | 0x400 | 0x200
RTN_UNREACHABLE, RT_TABLE_MAIN, RTPROT_STATIC = 7, 254, 4
RTA_DST = 1


def block(ranges):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.bind((0, 0))
        for number, text in enumerate(ranges, 1):
            address, bits = text.split("/")
            route = struct.pack(
                "BBBBBBBBI", socket.AF_INET, int(bits), 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNREACHABLE, 0
            )
            route += struct.pack("HH", 8, RTA_DST) + socket.inet_aton(address)
            header = struct.pack("IHHII", 16 + len(route), RTM_NEWROUTE, NLM_F_REQUEST_ACK_CREATE_EXCL, number, 0)
            netlink.send(header + route)
            error = struct.unpack_from("i", netlink.recv(4096), 16)[0]
            if error != 0:
                sys.exit(f"cannot block {text}: {os.strerror(-error)}")


def main():
    order = json.load(sys.stdin)
    libc = ctypes.CDLL(None, use_errno=True)
    network = os.open(f"/proc/{order['pid']}/ns/net", os.O_RDONLY)
    users = fcntl.ioctl(network, NS_GET_USERNS)
    foreign = os.fstat(users).st_ino != os.stat("/proc/self/ns/user").st_ino
    child = os.fork()
    if child == 0:
        if foreign and libc.setns(users, CLONE_NEWUSER) != 0:
            sys.exit("cannot enter the user namespace: " + os.strerror(ctypes.get_errno()))
        if libc.setns(network, CLONE_NEWNET) != 0:
            sys.exit("cannot enter the network namespace: " + os.strerror(ctypes.get_errno()))
        block(order["blocked"])
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("the addresses could not be blocked")
    os.set_inheritable(network, True)
    argv = [order["slirp"], "--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3", "--exit-fd=4"]
    if foreign:
        os.set_inheritable(users, True)
        argv.append(f"--userns-path=/proc/self/fd/{users}")
    argv += ["--netns-type=path", f"/proc/self/fd/{network}", "tap0"]
    os.execve(argv[0], argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


main()
