# NVIDIA's layout of an NVMe disk has no partition for data that grows with the disk.
FILESEXTRAPATHS:prepend:nvros := "${THISDIR}/${BPN}:"

SRC_URI:append:nvros = " file://nvr-nvme.xml"

PARTITION_FILE_EXTERNAL:nvros = "${S}/nvr-nvme.xml"
