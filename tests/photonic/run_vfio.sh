#!/bin/sh
# Boots a Debian kernel in QEMU (emulation, no KVM) and runs vfio_edu there on a PCI device behind an IOMMU.
# usage: run_vfio.sh VFIO_EDU-PROGRAM SOURCE-DIRECTORY.  Exit 77 when a tool or a kernel with VFIO modules is missing.
# NCE_TEST_KERNEL: a root directory with boot/ and lib/modules/ (for instance an unpacked linux-image package); default /.
program=$1 source=$2 root=${NCE_TEST_KERNEL:-}
skip() { echo "SKIP: $1"; exit 77; }
for tool in qemu-system-x86_64 cpio gzip; do
    command -v $tool > /dev/null || skip "$tool is missing"
done
busybox=$(command -v busybox) || skip "busybox is missing (package busybox-static)"
if ldd "$busybox" > /dev/null 2>&1; then skip "$busybox is not static (package busybox-static)"; fi
for kernel in "$root"/boot/vmlinuz-*; do
    modules=$root/lib/modules/${kernel##*/vmlinuz-}
    if [ -e "$kernel" ] && [ -n "$(find "$modules" -name 'vfio-pci.ko*' 2> /dev/null)" ]; then found=$kernel; break; fi
done
[ -n "$found" ] || skip "no kernel with VFIO modules under ${root:-/} (package linux-image-cloud-amd64)"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/bin" "$work/root/modules"
cp "$busybox" "$work/root/bin/busybox"
cp "$program" "$work/root/vfio_edu"
cp "$source/vfio_init" "$work/root/init"
chmod +x "$work/root/init" "$work/root/vfio_edu"
for m in irqbypass vfio vfio_virqfd iommufd vfio_iommu_type1 vfio-pci-core vfio-pci; do
    file=$(find "$modules" -name "$m.ko" -o -name "$m.ko.xz" | head -n 1)
    case $file in
        *.xz) xz -dc "$file" > "$work/root/modules/$m.ko" || exit 1 ;;
        ?*) cp "$file" "$work/root/modules/" ;;
    esac
done
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd.gz" || exit 1

echo "kernel $found"
timeout 110 qemu-system-x86_64 -accel tcg -M q35 -cpu max -m 256 -smp 1 -nodefaults -no-user-config -display none \
    -serial stdio -device intel-iommu,intremap=on -device edu,addr=05.0 -kernel "$found" -initrd "$work/initrd.gz" \
    -append "console=ttyS0 quiet intel_iommu=on panic=-1" -no-reboot < /dev/null > "$work/log" 2>&1
cat "$work/log"
# Once by group; by iommufd the program falls back to group where the kernel has none, so it passes twice in any case.
[ "$(grep -c VFIO_EDU_PASS "$work/log")" = 2 ] || exit 1
grep -q 'bound to no driver' "$work/log" || { echo "the unbound device was not explained"; exit 1; }
grep -qi 'dmar.*fault' "$work/log" || { echo "the IOMMU reported no fault"; exit 1; }
