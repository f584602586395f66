# The guest's root: the host's files ($lower) below an overlay in the guest's memory, at $n.
$b mkdir /mnt/upper /mnt/work $n
$b mount -t overlay -o "lowerdir=$lower,upperdir=/mnt/upper,workdir=/mnt/work" overlay $n || exit 1
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
$b mount --bind "$modules/$release" "$n/lib/modules/$release" || exit 1
mount_out $n/vmout || exit 1
$b ip link set lo up

# A machine that starts again although it may not has died.
echo >>$n/vmout/boots
[ "$($b wc -l <$n/vmout/boots)" -le "$((restarts + 1))" ] || {
    echo "the machine has started again"
    echo o >/proc/sysrq-trigger
    $b sleep 60
}

# In the new root.
run='
    busybox=/bin/busybox
    $busybox umount -l /mnt/host 2>/dev/null
    /vmout/cmd >>/vmout/out 2>&1
    echo $? >/vmout/rc
    $busybox sync
    echo o >/proc/sysrq-trigger
    exec $busybox sleep 60
'
