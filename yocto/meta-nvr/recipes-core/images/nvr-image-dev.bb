require nvr-image.bb

SUMMARY = "nvr-image for the bench: ssh without a password, and tools"

IMAGE_FEATURES += "allow-empty-password allow-root-login empty-root-password post-install-logging ssh-server-openssh"
IMAGE_INSTALL += " \
    ethtool \
    gdbserver \
    gstreamer1.0-plugins-base-apps \
    iproute2 \
    libdrm-tests \
    strace \
"
IMAGE_INSTALL:append:tegra = " v4l-utils tegra-tools-tegrastats tegra-tools-jetson-clocks"
