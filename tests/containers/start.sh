# The first process in namespaces of its own: makes the folder ROOT its root, and becomes dockerd.
#   start.sh ROOT SHARED CGROUP    the folder SHARED is /shared there
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
mkdir -p "$1/old" "$1/shared"
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
mount --rbind /sys/fs/cgroup "$1/sys/fs/cgroup"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/tmp"
mount --bind "$2" "$1/shared"
# The name server of slirp4netns.
echo nameserver 10.0.2.3 >"$1/etc/resolv.conf"
cd "$1"
pivot_root . old
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umount -l /old
ip link set lo up
exec dockerd --cgroup-parent="$3"
