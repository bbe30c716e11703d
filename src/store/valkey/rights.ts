/**
 * What a server's user may do: everything with its own keys, nothing that tells
 * of or touches others'. Rules of ACL SETUSER, in order; every name is known
 * since Redis 7.0, since an unknown one is an error.
 */
export const RIGHTS: readonly string[] = [
  "+@all",
  "-@admin",
  "-@dangerous",
  // These name other servers' keys and channels, or change what all share.
  "-scan",
  "-randomkey",
  "-dbsize",
  "-pubsub",
  "-function",
  "-fcall",
  "-fcall_ro",
  // In the debugger a script stops the whole server.
  "-script",
  "+script|load",
  "+script|exists",
  // Tracking tells of every key that is written, whatever its name.
  "-client",
  "+client|id",
  "+client|info",
  "+client|getname",
  "+client|setname",
  "-memory",
  "+memory|usage",
];
