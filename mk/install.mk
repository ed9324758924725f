# SPDX-License-Identifier: GPL-2.0
#
## make install         DESTDIR=, PREFIX= (default /usr/local); make uninstall removes the same files
PREFIX		?= /usr/local
SBINDIR		?= $(PREFIX)/sbin
MANDIR		?= $(PREFIX)/share/man
INSTALL		?= install

# A link per command that exists: mount(8) and fsck(8) find helpers by name.
LINKS		:= $(if $(wildcard c_src/cmd_fsck.c),fsck.bcachefs) \
		   $(if $(wildcard c_src/cmd_format.c),mkfs.bcachefs) \
		   $(if $(wildcard c_src/cmd_mount.c),mount.bcachefs)

.PHONY: install uninstall
install: all
	$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man8
	$(INSTALL) -m 0755 $(O)/bcachefs $(DESTDIR)$(SBINDIR)/bcachefs
	$(INSTALL) -m 0644 bcachefs.8 $(DESTDIR)$(MANDIR)/man8/bcachefs.8
	for l in $(LINKS); do ln -sf bcachefs $(DESTDIR)$(SBINDIR)/$$l; done

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/bcachefs $(DESTDIR)$(MANDIR)/man8/bcachefs.8
	for l in $(LINKS); do rm -f $(DESTDIR)$(SBINDIR)/$$l; done
