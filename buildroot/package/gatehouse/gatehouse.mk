################################################################################
#
# gatehouse
#
################################################################################

# The crate that this external tree lies in.
GATEHOUSE_SITE = $(BR2_EXTERNAL_GATEHOUSE_PATH)/..
GATEHOUSE_SITE_METHOD = local
GATEHOUSE_VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' $(GATEHOUSE_SITE)/Cargo.toml | head -n 1)
GATEHOUSE_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude /target --exclude /output
GATEHOUSE_LICENSE = Apache-2.0 or MIT
GATEHOUSE_LICENSE_FILES = LICENSE-APACHE LICENSE-MIT

# Buildroot's profile comes as environment and would win over Cargo.toml.
GATEHOUSE_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=3 \
	CARGO_PROFILE_RELEASE_LTO=fat \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1

# A package from a directory has no download step, and cargo builds offline:
# its crates are fetched here, as Cargo.lock names them.
define GATEHOUSE_FETCH_CRATES
	cd $(@D) && \
		$(TARGET_MAKE_ENV) $(TARGET_CONFIGURE_OPTS) $(PKG_CARGO_ENV) \
		cargo fetch --locked --target $(RUSTC_TARGET_NAME)
endef
GATEHOUSE_PRE_BUILD_HOOKS += GATEHOUSE_FETCH_CRATES

$(eval $(cargo-package))
