#!/bin/busybox sh
# First process of the test machine on user-mode Linux. The root file system is the host's,
# read-only. Kernel parameters that are ours:
#   vm.out=DIR      host directory with the executable `cmd`; gets `out` (its output) and `rc`
#   vm.modules=DIR  directory that holds the kernel's modules, one subdirectory per release
#   vm.restarts=N   how often the machine may start again
b=/bin/busybox
n=/mnt/root
lower=/
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t tmpfs tmpfs /mnt
for word in $($b cat /proc/cmdline); do
    case $word in
    vm.out=*) out=${word#vm.out=} ;;
    vm.modules=*) modules=${word#vm.modules=} ;;
    vm.restarts=*) restarts=${word#vm.restarts=} ;;
    esac
done
release=$($b uname -r)
$b insmod "$modules/$release/kernel/fs/overlayfs/overlay.ko"
# Synchronous, so that the host can follow the output and keeps it when the guest dies.
mount_out() { $b mount -t hostfs -o "sync,$out" hostfs "$1"; }

