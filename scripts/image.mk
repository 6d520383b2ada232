# The card: built, booted and tested. Included by the Makefile.
#   BOARD         qemu (default), rpi3_64, rpi4_64, zero2w_64
#   BASE          debian (default): from Debian's arm64 packages; buildroot: everything from source
#   BUILDROOT_DIR where Buildroot lies, for BASE=buildroot
#   PORT          where MQTT of the booted image is reached on 127.0.0.1 (11883)
BOARD ?= qemu
BASE ?= debian
IMAGE_SCRIPTS := scripts/image

.PHONY: image image-setup image-check image-test boot boot-time

image-setup:
	@scripts/setup.sh image

image: image-setup
	@$(IMAGE_SCRIPTS)/build-$(BASE).sh $(BOARD)

# Whether the parts of the image agree with each other; needs no compiler and no network.
image-check: image-setup
	@$(IMAGE_SCRIPTS)/check.sh

boot:
	@$(IMAGE_SCRIPTS)/boot.sh

# Seconds from the kernel's start to the first CONNACK.
boot-time:
	@$(IMAGE_SCRIPTS)/boot-time.sh

# Boots the image and asks of it what a house asks: relay, sensor, a power cut while messages flow.
image-test: image
	cargo test --test image -- --nocapture
