# Sourced by quickstart and test: installs what a bare Debian 12 lacks.  Usage: need_packages PACKAGE...
# On other systems it names the packages and goes on: the build says what is really missing.

say() { printf '==> %s\n' "$*"; }

need_packages() {
    missing=""
    if command -v dpkg-query >/dev/null 2>&1; then
        for package in "$@"; do
            dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
        done
        [ -z "$missing" ] && return 0
    else
        say "This is no Debian system.  Needed, under your system's names: $*"
        return 0
    fi
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            say "Neither root nor sudo: please install$missing"
            return 0
        fi
        as_root="sudo"
    fi
    say "Installing$missing"
    $as_root apt-get update -qq || say "apt-get update failed; trying with the lists that are here"
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
        say "Some packages could not be installed:$missing"
}

# Packages without which tests are skipped or images of GPU kernels are left out; not every Debian has all.
optional_packages="pocl-opencl-icd ocl-icd-libopencl1 opencl-headers clang-19 lld-19 clang-15 llvm-spirv-15"

# Packages to build the library, and more for the tests.
build_packages="gcc libc6-dev meson ninja-build pkg-config libsleef-dev libxxhash-dev"
test_packages="libcriterion-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-riscv64-linux-gnu libc6-dev-riscv64-cross qemu-user clang libclang-rt-14-dev g++ python3 libhdf5-dev libpng-dev libigraph-dev liblemon-dev prometheus
    qemu-system-x86 busybox-static cpio xz-utils linux-image-cloud-amd64 unicode-data"
