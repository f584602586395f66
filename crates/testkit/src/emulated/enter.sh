#!/bin/bash
# Runs a command in the emulated root. Private to it: the user namespace, the mounts, and the
# kernel's table of foreign binaries, which lets qemu run ARM programs and is gone afterwards.
set -u
root=${EMULATED_ROOT:-@ROOT@}
pipe=$(mktemp -u) && mkfifo -m 600 "$pipe" || exit 1
trap 'rm -f "$pipe"' EXIT
exec 3<&0
# shellcheck disable=SC2016
unshare --user --mount --propagation private sh -c '
    read -r go < "$1" && root=$2 && shift 2 &&
    mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
    grep -h "^:qemu-arm:" /usr/lib/binfmt.d/qemu-arm.conf > /proc/sys/fs/binfmt_misc/register &&
    if [ "$root" = / ]; then exec "$@" <&3 3<&-; fi &&
    mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" &&
    if [ -n "${EMULATED_WORK-}" ]; then
        mkdir -p "$root/work" && mount --bind "$EMULATED_WORK" "$root/work"
    fi &&
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
        chroot "$root" "$@" <&3 3<&-
' sh "$pipe" "$root" "$@" &
child=$!
# The map can be written once the child is in its own namespace.
until [ "$(readlink /proc/$child/ns/user)" != "$(readlink /proc/$$/ns/user)" ]; do
    [ -d /proc/$child ] || exit 1
    sleep 0.01
done
echo "0 0 65536" > /proc/$child/uid_map && echo "0 0 65536" > /proc/$child/gid_map || exit 1
echo go > "$pipe"
wait $child
