# SPDX-License-Identifier: GPL-2.0
#
# Build dependencies. The one list is Build-Depends in debian/control.

## make deps            install everything that debian/control's Build-Depends names
.PHONY: deps need-deps
deps:
	@tests/tools/deps.sh install

need-deps:
	@tests/tools/deps.sh need
