#!/bin/busybox sh
# First process of the test machine. The root file system is the host's, read-only; everything
# the guest writes goes to an overlay in its own memory. Kernel parameters that are ours:
#   vm.out=DIR      host directory with the executable `cmd`; gets `out` (its output) and `rc`
#   vm.modules=DIR  directory that holds the kernel's modules, one subdirectory per release
b=/bin/busybox
n=/mnt/root
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t tmpfs tmpfs /mnt
$b mkdir /mnt/upper /mnt/work $n
for word in $($b cat /proc/cmdline); do
    case $word in
    vm.out=*) out=${word#vm.out=} ;;
    vm.modules=*) modules=${word#vm.modules=} ;;
    esac
done
release=$($b uname -r)
$b insmod "$modules/$release/kernel/fs/overlayfs/overlay.ko"
$b mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay $n || exit 1

$b mount -t proc proc $n/proc
$b mount -t sysfs sysfs $n/sys
$b mount -t devtmpfs devtmpfs $n/dev
$b mkdir -p $n/dev/pts $n/dev/shm
$b mount -t devpts -o ptmxmode=666 devpts $n/dev/pts
$b mount -t tmpfs tmpfs $n/dev/shm
$b ln -sf /proc/self/fd $n/dev/fd
$b mount -t tmpfs tmpfs $n/run
$b mkdir -p $n/run/lock $n/run/ppp
$b mkdir -p "$n/lib/modules/$release" $n/vmout $n/mnt/host
$b mount --bind "$modules/$release" "$n/lib/modules/$release"
# Synchronous, so that the host can follow the output and keeps it when the guest dies.
$b mount -t hostfs -o "sync,$out" hostfs $n/vmout || exit 1
$b ip link set lo up

# A plain chroot would do for most commands, but nsenter(1) and setns(2) into a mount namespace
# land in the namespace's real root.
cd $n || exit 1
$b pivot_root . mnt/host
exec $b chroot . $b sh -c '
    busybox=/bin/busybox
    $busybox umount -l /mnt/host
    /vmout/cmd >/vmout/out 2>&1
    echo $? >/vmout/rc
    $busybox sync
    echo o >/proc/sysrq-trigger
    exec $busybox sleep 60
'
