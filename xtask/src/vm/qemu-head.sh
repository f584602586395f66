#!/bin/busybox sh
# First process of the test machine on qemu, in an initial RAM disk with busybox and the modules
# for the two file systems that the host shares. Kernel parameters as for user-mode Linux.
b=/bin/busybox
n=/mnt/root
lower=/host
$b mkdir -p /proc /sys /dev /host /mnt
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
$b mount -t tmpfs tmpfs /mnt
for word in $($b cat /proc/cmdline); do
    case $word in
    vm.modules=*) modules=/host${word#vm.modules=} ;;
    vm.restarts=*) restarts=${word#vm.restarts=} ;;
    esac
done
release=$($b uname -r)
while read -r module; do
    $b insmod "/modules/$module"
done </modules/order
options=trans=virtio,version=9p2000.L,msize=262144
$b mount -t 9p -o "ro,$options,cache=loose" host /host || exit 1
# Not cached, so that the host can follow the output and keeps it when the guest dies.
mount_out() { $b mount -t 9p -o "$options,cache=none" out "$1"; }

