
# A plain chroot would do for most commands, but nsenter(1) and setns(2) into a mount namespace
# land in the namespace's real root.
cd $n || exit 1
$b pivot_root . mnt/host
exec $b chroot . $b sh -c "$run"
