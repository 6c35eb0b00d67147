# Everything that is not named below, as containers are confined by other means as well; these rules hold where those were
# loosened (--cap-add, systempaths=unconfined).
profile tare-default flags=(attach_disconnected, mediate_deleted) {
  capability,
  file,
  network,
  umount,
  unix,

  # Whoever is outside may end what is inside, whichever profile the session has that tare was started from.
  signal (receive),
  signal (send) peer=tare-default,
  ptrace (read, readby, trace, tracedby) peer=tare-default,

  deny mount,

  # In /proc only the processes' own files are written, and the parameters that an IPC namespace has of its own.
  deny /proc/* w,
  deny /proc/{[^0-9s],s[^y],sy[^s],sys[^/]}*/** w,
  deny /proc/sys/[^k]** w,
  deny /proc/sys/kernel/{[^ms],m[^s],ms[^g],s[^eh],se[^m],sh[^m]}** w,
  deny /proc/{kcore,sysrq-trigger} rwklmx,

  # In /sys only control groups.
  deny /sys/{[^f],f[^s],fs/[^c],fs/c[^g],fs/cg[^r]}** wklx,
  deny /sys/{devices/virtual/powercap,firmware,kernel/security}/** rwklmx,
}
