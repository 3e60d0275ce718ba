#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts under build/arm64 what a cross-build for AArch64 needs, from the distribution's packages, and
# leaves the host's packages, architectures and /etc as they are; needs no root. The preset aarch64
# builds with it. If it is there already, nothing is done and no network is needed.
#
#     sh cmake/aarch64.sh
#
# build/arm64/bin has the compilers (gcc, g++; clang and clang++ run the host's Clang) and the emulator,
# tools what they run, and sysroot the libraries. Exits with 77 and a message where the packages cannot
# be had: it takes Debian or Ubuntu on x86-64, and a network.
set -eu

cd "$(dirname "$0")/.."
mkdir -p build/arm64
base=$PWD/build/arm64
log=$base/packages.log

libraries="libc6-dev libbenchmark-dev libjpeg-dev libpng-dev libtiff-dev libgif-dev libzip-dev libjansson-dev
    libpopt-dev libhwloc-dev libdnnl-dev libopenblas-openmp-dev libmpich-dev libcmocka-dev libgomp1 libstdc++6"
compilers="gcc-aarch64-linux-gnu g++-aarch64-linux-gnu"
emulator=qemu-user-static
# What was unpacked, and a number that changes with this script; another list unpacks again.
wanted="3 $libraries $compilers $emulator"
if [ -f "$base/packages" ] && [ "$(cat "$base/packages")" = "$wanted" ]; then
    exit 0
fi

skip() {
    echo "glowbench: no cross-build for AArch64: $*" >&2
    exit 77
}

for command in apt-get dpkg-deb; do
    command -v $command >/dev/null || skip "$command is missing"
done
[ "$(dpkg --print-architecture)" = amd64 ] || skip "it takes a host of the architecture amd64"
. /etc/os-release
case ${ID:-} in
debian)
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    sources() {
        echo "deb [signed-by=$keys] http://deb.debian.org/debian $VERSION_CODENAME main"
    }
    ;;
ubuntu)
    keys=/usr/share/keyrings/ubuntu-archive-keyring.gpg
    sources() {
        uri=http://archive.ubuntu.com/ubuntu
        [ "$1" = amd64 ] || uri=http://ports.ubuntu.com/ubuntu-ports
        echo "deb [signed-by=$keys] $uri $VERSION_CODENAME main universe"
        echo "deb [signed-by=$keys] $uri $VERSION_CODENAME-updates main universe"
    }
    ;;
*) skip "the distribution is ${ID:-unknown}, not Debian or Ubuntu" ;;
esac

# unpack ARCHITECTURE STATUS DIRECTORY PACKAGE...: the packages of an architecture, with what they need
# and the file STATUS does not list as installed.
unpack() {
    architecture=$1 status=$2 to=$3
    shift 3
    apt=$base/apt-$architecture
    rm -rf "$apt" "$to"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts" "$to"
    sources "$architecture" >"$apt/sources.list"
    cat >"$apt/apt.conf" <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
Dir::State "$apt";
Dir::State::Lists "$apt/lists";
Dir::State::status "$status";
Dir::Cache "$apt/cache";
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "$apt/parts";
Dir::Etc::PreferencesParts "$apt/parts";
Dir::Log "$apt";
Debug::NoLocking "true";
END
    export APT_CONFIG="$apt/apt.conf"
    apt-get -q update && apt-get -q -y --download-only install "$@" || return 1
    for package in "$apt"/cache/archives/*.deb; do
        case $package in
        */libc6*-cross_* | */linux-libc-dev-*-cross_*) continue ;; # of /usr; the sysroot has its own
        esac
        [ ! -e "$package" ] || dpkg-deb --extract "$package" "$to" || return 1
    done
    rm -r "$apt"
}

# shellcheck disable=SC2086 # the packages are words
if ! { unpack arm64 /dev/null "$base/sysroot" $libraries &&
    unpack amd64 /var/lib/dpkg/status "$base/tools" $compilers $emulator; } >"$log" 2>&1; then
    tail -3 "$log" >&2
    skip "packages could not be downloaded ($log)"
fi

# Links to absolute paths of the system that the packages are made for.
find "$base/sysroot" -type l -lname '/*' | while read -r link; do
    ln -sfn "$base/sysroot$(readlink "$link")" "$link"
done

# The tools run from where they were unpacked, or are the host's.
mkdir -p "$base/bin"
tools=$base/tools/usr
for tool in gcc g++ ar objdump ranlib strip; do
    cat >"$base/bin/$tool" <<END
#!/bin/sh
export PATH="$tools/bin:\$PATH" LD_LIBRARY_PATH="$tools/lib/x86_64-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec aarch64-linux-gnu-$tool "\$@"
END
done
for compiler in clang clang++; do
    cat >"$base/bin/$compiler" <<END
#!/bin/sh
export LD_LIBRARY_PATH="$tools/lib/x86_64-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
exec $compiler --target=aarch64-linux-gnu --gcc-toolchain="$tools" -B"$tools/aarch64-linux-gnu/bin" "\$@"
END
done
cat >"$base/bin/emulator" <<END
#!/bin/sh
PATH="$tools/bin:\$PATH"
exec qemu-aarch64-static -L "$base/sysroot" "\$@"
END
chmod +x "$base"/bin/*
echo "$wanted" >"$base/packages"
