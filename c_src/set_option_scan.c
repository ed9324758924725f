// SPDX-License-Identifier: GPL-2.0
/*
 * set-fs-option, second part: what is on the devices already is to follow options
 * that have changed. That is background work of whoever mounts the filesystem; it
 * is asked for by keys of the btree reconcile_scan (Documentation/format/53 section
 * 6), without which a check takes everything that is stored in the old way for
 * damaged.
 *
 * Requests are durable before the options change: a scan too many does no harm.
 */
#include <sodium.h>
#include <stdio.h>

#include <linux/array_size.h>
#include <linux/bits.h>

#include "data/reconcile_compute.h"
#include "data/reconcile_format.h"
#include "data/reconcile_scan.h"
#include "init/fs.h"
#include "sb/members.h"
#include "sb/versions_format.h"
#include "set_option.h"
#include "tools-open.h"
#include "tools-passphrase.h"
#include "tools.h"

/* What data is stored by. wide_macs decides about checksums of encrypted data. */
static const u8 data_options[] = {
	Opt_foreground_target,	Opt_background_target,		Opt_promote_target,
	Opt_compression,	Opt_background_compression,	Opt_data_checksum,
	Opt_data_replicas,	Opt_erasure_code,		Opt_nocow,
	Opt_wide_macs,
};

/* What nodes of btrees are stored by. */
static const u8 metadata_options[] = {
	Opt_metadata_target,	Opt_metadata_checksum,		Opt_metadata_replicas,
};

static bool differ(const struct bch_sb *a, const struct bch_sb *b, const u8 *ids, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (bch2_opt_from_sb(a, ids[i]) != bch2_opt_from_sb(b, ids[i]))
			return true;
	return false;
}

static void member_scans(struct option_scans *s, unsigned dev, const struct bch_member_cpu *old,
			 const struct bch_member_cpu *new_mi)
{
	const bool was_rw = old->state == BCH_MEMBER_STATE_rw;
	const bool is_rw = new_mi->state == BCH_MEMBER_STATE_rw;

	s->pending |= new_mi->durability > old->durability || (is_rw && !was_rw);
	s->stripes |= is_rw != was_rw;
	if (new_mi->durability != old->durability ||
	    (new_mi->state == BCH_MEMBER_STATE_evacuating && new_mi->state != old->state))
		s->devs.d[dev / BITS_PER_LONG] |= 1UL << (dev % BITS_PER_LONG);
}

/**
 * option_scans_between - what a change of the superblock makes worth looking at
 * @old: superblock before
 * @new_sb: superblock after; the same members
 *
 * Documentation/format/53 section 6.
 */
struct option_scans option_scans_between(struct bch_sb *old, struct bch_sb *new_sb)
{
	const u8 widen[] = { Opt_ec_max_data_blocks };
	struct option_scans s = {
		.fs	  = differ(old, new_sb, data_options, ARRAY_SIZE(data_options)),
		.metadata = differ(old, new_sb, metadata_options, ARRAY_SIZE(metadata_options)),
		.stripes  = differ(old, new_sb, widen, ARRAY_SIZE(widen)),
	};

	for (unsigned i = 0; i < old->nr_devices && i < new_sb->nr_devices; i++) {
		const struct bch_member a = bch2_sb_member_get(old, i);
		const struct bch_member b = bch2_sb_member_get(new_sb, i);
		const struct bch_member_cpu old_mi = bch2_mi_to_cpu(&a);
		const struct bch_member_cpu new_mi = bch2_mi_to_cpu(&b);

		if (old_mi.valid && new_mi.valid)
			member_scans(&s, i, &old_mi, &new_mi);
	}
	return s;
}

static bool any_device(const struct option_scans *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(s->devs.d); i++)
		if (s->devs.d[i])
			return true;
	return false;
}

static void warn(const char *why)
{
	fprintf(stderr, "Warning: what is there already stays as it is until the filesystem has "
		"been checked: %s\n", why);
}

/* Why a start is not even to be tried. */
static const char *hindered(struct bch_fs *c, const char *passphrase_file)
{
	struct bch_key key;

	for_each_member_device(c, ca)
		if (!bch2_dev_is_online(ca))
			return "a device is missing";
	if (!tools_sb_is_encrypted(c->disk_sb.sb) || passphrase_file ||
	    !tools_stdin_is_dev_null())
		return NULL;
	if (tools_key_from_keyring(c->disk_sb.sb, &key))
		return "it is encrypted, and there is no passphrase";
	sodium_memzero(&key, sizeof(key));
	return NULL;
}

/**
 * option_scans_wanted - is the filesystem to be started for requests?
 * @c: filesystem, open
 * @s: requests
 * @passphrase_file: or NULL
 *
 * Not if there are none; nor if it was never started; nor one that is older than
 * such requests, or that must stay usable by software which is. Options of a
 * filesystem that cannot be started can be changed all the same, as they may be
 * what has to be changed; then there is a warning.
 */
bool option_scans_wanted(struct bch_fs *c, const struct option_scans *s,
			 const char *passphrase_file)
{
	const char *why;

	if (!(s->fs || s->metadata || s->pending || s->stripes || any_device(s)) ||
	    !BCH_SB_INITIALIZED(c->disk_sb.sb) ||
	    c->sb.version < bcachefs_metadata_version_reconcile ||
	    !bch2_reconcile_permitted(c))
		return false;
	why = hindered(c, passphrase_file);
	if (why)
		warn(why);
	return !why;
}

static int request(struct bch_fs *c, const struct option_scans *s)
{
	int ret = 0;

	if (s->fs)
		ret = bch2_reconcile_scan_request(c, RECONCILE_SCAN_COOKIE_fs);
	if (!ret && s->metadata)
		ret = bch2_reconcile_scan_request(c, RECONCILE_SCAN_COOKIE_metadata);
	if (!ret && s->pending)
		ret = bch2_reconcile_scan_request(c, RECONCILE_SCAN_COOKIE_pending);
	if (!ret && s->stripes)
		ret = bch2_reconcile_scan_request(c, RECONCILE_SCAN_COOKIE_stripes);
	for (unsigned i = 0; !ret && i < BCH_SB_MEMBERS_MAX; i++)
		if (s->devs.d[i / BITS_PER_LONG] >> (i % BITS_PER_LONG) & 1)
			ret = bch2_reconcile_scan_request(c, RECONCILE_SCAN_COOKIE_device + i);
	return ret;
}

/**
 * option_scans_request - leave requests in a filesystem
 * @args: device names as typed
 * @nr: how many
 * @passphrase_file: or NULL
 * @s: requests
 *
 * If it cannot be written, there is a warning.
 */
void option_scans_request(char *const *args, unsigned nr, const char *passphrase_file,
			  const struct option_scans *s)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c = tools_open_fs(args, nr, &opts, passphrase_file);
	int ret = -EROFS, stop;

	if (c) {
		if (test_bit(BCH_FS_rw, &c->flags))
			ret = request(c, s);
		stop = tools_stop_fs(c);
		ret = ret ?: stop;
	}
	if (ret)
		warn("it cannot be written");
}
