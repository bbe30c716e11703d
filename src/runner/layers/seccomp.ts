/**
 * Our seccomp program: a classic BPF deny list (Linux seccomp(2); struct
 * sock_filter of <linux/filter.h>). What no server needs and kernels fail at
 * (namespaces, mounts, tracing, kernel modules, io_uring, keyrings, BPF) ends in
 * EPERM; clone3 in ENOSYS, so that libc falls back to clone, whose flags can be read.
 */
type Architecture = "x64" | "arm64";

const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 } as const;
const CLONE3 = 435;
const CLONE = { x64: 56, arm64: 220 } as const;
const SOCKET = { x64: 41, arm64: 198 } as const;
const SETSOCKOPT = { x64: 54, arm64: 208 } as const;
const IOCTL = { x64: 16, arm64: 29 } as const;

/** CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET; NEWTIME shares its bit with the exit signal and is denied by unshare. */
const NAMESPACES = 0x7e020000;
/** Unix, IPv4, IPv6, netlink. Not vsock above all: no namespace holds it, and it reaches the hypervisor. */
const FAMILIES = [1, 2, 10, 16] as const;
/** Protocols from here on are Linux's own; MPTCP and SMC take TCP ports and reach TCP peers, unseen by Landlock. */
const OWN_PROTOCOLS = 256;
/** Lets sockets of one user share a port: connections to the platform's would come to an instance. */
const [SOL_SOCKET, SO_REUSEPORT] = [1, 15] as const;
/** TIOCSTI and TIOCLINUX type into a terminal. */
const IOCTLS = [0x5412, 0x541c] as const;

/** Call numbers on x64 and arm64; null where the architecture has no such call. */
const DENIED: Readonly<Record<string, readonly [x64: number | null, arm64: number | null]>> = {
  unshare: [272, 97],
  setns: [308, 268],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  move_mount: [429, 429],
  open_tree: [428, 428],
  mount_setattr: [442, 442],
  open_by_handle_at: [304, null],
  name_to_handle_at: [303, null],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  keyctl: [250, 219],
  add_key: [248, 217],
  request_key: [249, 218],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  create_module: [174, null],
  query_module: [178, null],
  get_kernel_syms: [177, null],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  syslog: [103, 116],
  personality: [135, 92],
  lookup_dcookie: [212, 18],
  nfsservctl: [180, 42],
  iopl: [172, null],
  ioperm: [173, null],
  vhangup: [153, 58],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  uselib: [134, null],
  ustat: [136, null],
  sysfs: [139, null],
  _sysctl: [156, null],
  modify_ldt: [154, null],
  migrate_pages: [256, 238],
  move_pages: [279, 239],
  memfd_secret: [447, 447],
};

const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const ERRNO = 0x00050000;
const EPERM = ERRNO | 1;
const ENOSYS = ERRNO | 38;
const EPROTONOSUPPORT = ERRNO | 93;
const EAFNOSUPPORT = ERRNO | 97;

/** Offsets into struct seccomp_data: number, architecture, low halves of the first three arguments (little endian). */
const NUMBER = 0;
const ARCHITECTURE = 4;
const ARGUMENT_0 = 16;
const ARGUMENT_1 = 24;
const ARGUMENT_2 = 32;

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, value: number];

function instructions(architecture: Architecture, sharesPorts: boolean): Instruction[] {
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, AUDIT[architecture]],
    [RETURN, 0, 0, KILL_PROCESS],
    [LOAD, 0, 0, NUMBER],
  ];
  // The x32 call numbers would pass below every comparison.
  if (architecture === "x64") program.push([JUMP_AT_LEAST, 0, 1, 0x40000000], [RETURN, 0, 0, ENOSYS]);
  for (const numbers of Object.values(DENIED)) {
    const number = numbers[architecture === "x64" ? 0 : 1];
    if (number !== null) program.push([JUMP_EQUAL, 0, 1, number], [RETURN, 0, 0, EPERM]);
  }
  program.push([JUMP_EQUAL, 0, 1, CLONE3], [RETURN, 0, 0, ENOSYS]);
  program.push(
    [JUMP_EQUAL, 0, 4, CLONE[architecture]],
    [LOAD, 0, 0, ARGUMENT_0],
    [JUMP_ANY_BIT, 0, 1, NAMESPACES],
    [RETURN, 0, 0, EPERM],
    [RETURN, 0, 0, ALLOW],
  );
  if (sharesPorts) {
    program.push(
      [JUMP_EQUAL, 0, 4, SOCKET[architecture]],
      [LOAD, 0, 0, ARGUMENT_2],
      [JUMP_AT_LEAST, 0, 1, OWN_PROTOCOLS],
      [RETURN, 0, 0, EPROTONOSUPPORT],
      [LOAD, 0, 0, NUMBER],
      [JUMP_EQUAL, 0, 6, SETSOCKOPT[architecture]],
      [LOAD, 0, 0, ARGUMENT_1],
      [JUMP_EQUAL, 0, 3, SOL_SOCKET],
      [LOAD, 0, 0, ARGUMENT_2],
      [JUMP_EQUAL, 0, 1, SO_REUSEPORT],
      [RETURN, 0, 0, EPERM],
      [LOAD, 0, 0, NUMBER],
    );
  }
  program.push([JUMP_EQUAL, 0, FAMILIES.length + 3, SOCKET[architecture]], [LOAD, 0, 0, ARGUMENT_0]);
  FAMILIES.forEach((family, index) => {
    program.push([JUMP_EQUAL, FAMILIES.length - index, 0, family]);
  });
  program.push([RETURN, 0, 0, EAFNOSUPPORT], [RETURN, 0, 0, ALLOW]);
  program.push([JUMP_EQUAL, 0, IOCTLS.length + 3, IOCTL[architecture]], [LOAD, 0, 0, ARGUMENT_1]);
  IOCTLS.forEach((request, index) => {
    program.push([JUMP_EQUAL, IOCTLS.length - index, 0, request]);
  });
  program.push([RETURN, 0, 0, ALLOW], [RETURN, 0, 0, EPERM]);
  program.push([RETURN, 0, 0, ALLOW]);
  return program;
}

/**
 * The program as the kernel takes it: 8 bytes per instruction. `sharesPorts`:
 * for a layer in the machine's own network namespace.
 */
export function seccompProgram(architecture: Architecture, sharesPorts: boolean): Buffer {
  const program = instructions(architecture, sharesPorts);
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, whenTrue, whenFalse, value], index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(whenTrue, index * 8 + 2);
    bytes.writeUInt8(whenFalse, index * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4);
  });
  return bytes;
}
