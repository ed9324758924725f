// SPDX-License-Identifier: GPL-2.0
/*
 * Opening and starting a filesystem for a command: names to devices, the key
 * of encrypted filesystems, and messages when it does not work.
 */
#include <sys/types.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "bcachefs.h"
#include "init/fs.h"
#include "sb/assemble.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/write.h"
#include "shim/keyring.h"
#include "tools-open.h"
#include "tools-passphrase.h"
#include "tools.h"

/**
 * tools_read_only_opts - the options that commands which only read start with
 * @opts: changed
 *
 * Documentation/format/70 section 6.
 */
void tools_read_only_opts(struct bch_opts *opts)
{
	opt_set(*opts, nochanges,	true);
	opt_set(*opts, read_only,	true);
	opt_set(*opts, norecovery,	true);
	opt_set(*opts, degraded,	BCH_DEGRADED_very);
	opt_set(*opts, errors,		BCH_ON_ERROR_continue);
}

static int add_key(const struct bch_sb *sb, const char *passphrase_file)
{
	char *desc, *pass;
	struct bch_key key;
	int ret;

	/* What is in a keyring the core finds by itself. */
	if (!passphrase_file && !tools_key_from_keyring(sb, &key)) {
		sodium_memzero(&key, sizeof(key));
		return 0;
	}

	pass = passphrase_file
		? tools_passphrase_from_file(passphrase_file)
		: tools_passphrase_ask("Enter passphrase: ");
	ret = pass ? tools_passphrase_key(sb, pass, &key) : -ENOKEY;
	if (ret == -EACCES)
		tools_error("incorrect passphrase");
	else if (ret && pass)
		tools_error("cannot derive a key with the parameters in the superblock: %s",
			    strerror(-ret));
	desc = tools_key_description(sb);
	if (!ret)
		ret = shim_add_key(desc, &key, sizeof(key));
	sodium_memzero(&key, sizeof(key));
	tools_passphrase_free(pass);
	free(desc);
	return ret;
}

/**
 * tools_unlock_for_process - make the key of an encrypted filesystem known here
 * @paths: members; any of them will do
 * @nr: how many
 * @opts: how superblocks are found
 * @passphrase_file: NULL: keyrings first, then ask
 *
 * Returns 0, also for filesystems that need no key; negative after a message.
 */
int tools_unlock_for_process(char *const *paths, unsigned nr, const struct bch_opts *opts,
			     const char *passphrase_file)
{
	struct bch_opts read_opts = *opts;
	struct bch_sb_handle sb;
	int ret = 0;

	opt_set(read_opts, nochanges,	true);
	opt_set(read_opts, noexcl,	true);

	/* Any member will do; why one cannot be opened is told when opening them all. */
	for (unsigned i = 0; i < nr; i++) {
		struct printbuf err = PRINTBUF;
		int bad;

		memset(&sb, 0, sizeof(sb));
		bad = bch2_read_super_err(paths[i], &read_opts, &sb, &err);
		printbuf_exit(&err);
		if (bad)
			continue;
		if (tools_sb_is_encrypted(sb.sb))
			ret = add_key(sb.sb, passphrase_file);
		bch2_free_super(&sb);
		break;
	}
	return ret;
}

/**
 * tools_open_fs_nostart - expand device names, unlock, open
 * @args: device names as typed
 * @nr: how many
 * @opts: options
 * @passphrase_file: or NULL
 *
 * Returns NULL after a message; else to be given to bch2_fs_stop().
 */
struct bch_fs *tools_open_fs_nostart(char *const *args, unsigned nr, struct bch_opts *opts,
				     const char *passphrase_file)
{
	struct tools_devices devs;
	struct bch_fs *c = NULL;

	tools_expand_devices(args, nr, &devs);
	if (!tools_unlock_for_process(devs.d, devs.nr, opts, passphrase_file)) {
		c = bch2_fs_open((const char *const *) devs.d, devs.nr, opts);
		if (IS_ERR(c)) {
			tools_error("cannot open %s: %s", args[0], tools_strerror(PTR_ERR(c)));
			c = NULL;
		}
	}
	tools_devices_free(&devs);
	return c;
}

/**
 * tools_open_fs_again - open what this process has opened before
 * @args: device names as typed
 * @nr: how many
 * @opts: options
 *
 * The key is known. Returns NULL after a message; else to be given to
 * bch2_fs_stop().
 */
struct bch_fs *tools_open_fs_again(char *const *args, unsigned nr, struct bch_opts *opts)
{
	struct tools_devices devs;
	struct bch_fs *c;

	tools_expand_devices(args, nr, &devs);
	c = bch2_fs_open((const char *const *) devs.d, devs.nr, opts);
	if (IS_ERR(c)) {
		tools_error("cannot open %s: %s", args[0], tools_strerror(PTR_ERR(c)));
		c = NULL;
	}
	tools_devices_free(&devs);
	return c;
}

/**
 * tools_open_fs - tools_open_fs_nostart(), then start
 * @args: device names as typed
 * @nr: how many
 * @opts: options
 * @passphrase_file: or NULL
 *
 * Returns NULL after a message; else to be given to bch2_fs_stop().
 */
struct bch_fs *tools_open_fs(char *const *args, unsigned nr, struct bch_opts *opts,
			     const char *passphrase_file)
{
	struct bch_fs *c = tools_open_fs_nostart(args, nr, opts, passphrase_file);
	int ret;

	if (!c)
		return NULL;
	ret = bch2_fs_start(c);
	if (ret) {
		tools_error("cannot start %s: %s", args[0], tools_strerror(ret));
		bch2_fs_stop(c);
		return NULL;
	}
	return c;
}

/**
 * tools_stop_fs - stop a filesystem that was written to
 * @c: filesystem
 *
 * Returns 0, also if its start has found errors and repaired them, or an exit
 * status after a message.
 */
int tools_stop_fs(struct bch_fs *c)
{
	const int ret = bch2_fs_stop(c);

	if (!ret || bch2_err_matches(ret, BCH_ERR_shutdown_with_errors_fixed))
		return 0;
	if (bch2_err_matches(ret, BCH_ERR_shutdown_with_errors_unfixed))
		return tools_error("the filesystem has errors: check it");
	return tools_error("the filesystem did not stop cleanly: %s", tools_strerror(ret));
}

/**
 * tools_recover - start and stop a filesystem that was not stopped cleanly
 * @args: device names as typed
 * @nr: how many
 * @passphrase_file: NULL: keyrings first, then ask
 *
 * Nothing is done for one that is clean, or was never started. The caller has
 * not got it open. Returns 0 or an exit status after a message.
 */
int tools_recover(char *const *args, unsigned nr, const char *passphrase_file)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c = tools_open_super(args, nr, &opts);
	bool needed;

	if (!c)
		return 1;
	needed = BCH_SB_INITIALIZED(c->disk_sb.sb) && !BCH_SB_CLEAN(c->disk_sb.sb);
	bch2_fs_stop(c);
	if (!needed)
		return 0;

	printf("Filesystem not clean, running recovery\n");
	opts = bch2_opts_empty();
	c = tools_open_fs(args, nr, &opts, passphrase_file);
	return c ? tools_stop_fs(c) : 1;
}

/* --- superblocks only --- */

/* Why this filesystem cannot be given another superblock; 0 if it can. */
static int super_refuse(struct bch_fs *c, const char *name)
{
	struct printbuf msgs = PRINTBUF;
	int ret;

	ret = bch2_sb_may_write(c, &msgs);
	if (!ret && c->opts.degraded != BCH_DEGRADED_yes &&
	    c->opts.degraded != BCH_DEGRADED_very)
		ret = bch2_fs_may_start(c, &msgs);
	if (msgs.pos && msgs.buf[msgs.pos - 1] == '\n')
		msgs.buf[--msgs.pos] = '\0';
	if (ret)
		tools_error("%s: cannot change the superblock: %s", name,
			    msgs.pos ? printbuf_str(&msgs) : tools_strerror(ret));
	printbuf_exit(&msgs);
	return ret;
}

/**
 * tools_open_super - open a filesystem to change its superblock, and nothing else
 * @args: device names
 * @nr: their number
 * @opts: options; nostart is added
 *
 * Opened for writing, exclusively, without its key, never started. Devices may
 * be missing only if option degraded, given or stored, says so.
 *
 * Returns it for bch2_fs_stop(), NULL after a message.
 */
struct bch_fs *tools_open_super(char *const *args, unsigned nr, struct bch_opts *opts)
{
	struct tools_devices devs;
	struct bch_fs *c;

	opt_set(*opts, nostart, true);
	tools_expand_devices(args, nr, &devs);

	c = bch2_fs_open((const char *const *) devs.d, devs.nr, opts);
	if (IS_ERR(c)) {
		tools_error("cannot open %s: %s", args[0], tools_strerror(PTR_ERR(c)));
		c = NULL;
	} else if (super_refuse(c, args[0])) {
		bch2_fs_stop(c);
		c = NULL;
	}
	tools_devices_free(&devs);
	return c;
}

/**
 * tools_write_super - write the changed superblock
 * @c: filesystem; the caller holds c->sb_lock
 *
 * Returns an exit status: 1 after a message, also if some copies are missing.
 */
int tools_write_super(struct bch_fs *c)
{
	const int ret = bch2_write_super(c);
	unsigned bad = 0;

	if (ret)
		return tools_error("superblock not written: %s", tools_strerror(ret));
	for_each_online_member(c, ca)
		bad += ca->disk_sb.copies_bad;
	return bad ? tools_error("%u copies of the superblock could not be written", bad) : 0;
}
