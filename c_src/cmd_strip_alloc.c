// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs strip-alloc: remove allocation information from a filesystem, so that
 * it makes a small image (Documentation/format/70 section 7.4, 73 section 4).
 *
 * One that is not clean is recovered first. Then only the superblock changes: the
 * roots of the allocation btrees go, and with them all their nodes. The next
 * read-write start rebuilds them; until then the feature no_alloc_info keeps
 * software away that cannot. Journal buckets stay listed: the rebuild finds them
 * there.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/err.h>
#include <linux/mutex.h>

#include "bcachefs.h"
#include "commands.h"
#include "init/fs.h"
#include "sb/clean.h"
#include "sb/field.h"
#include "sb/members.h"
#include "sb/write.h"
#include "tools-open.h"
#include "tools.h"

/* Rebuilding takes too long for more than this, in sectors. */
#define CAPACITY_MAX		(1ULL << (40 - 9))

static const u8 alloc_btrees[] = {
	BTREE_ID_alloc,			BTREE_ID_backpointers,
	BTREE_ID_stripe_backpointers,	BTREE_ID_need_discard,
	BTREE_ID_freespace,		BTREE_ID_bucket_gens,
	BTREE_ID_lru,			BTREE_ID_accounting,
	BTREE_ID_reconcile_work,	BTREE_ID_reconcile_hipri,
	BTREE_ID_reconcile_pending,	BTREE_ID_reconcile_scan,
};

/* Before anything is written, a recovery included. */
static int refuse(struct bch_fs *c)
{
	const struct bch_sb *sb = c->disk_sb.sb;
	u64 capacity = 0;

	if (!BCH_SB_INITIALIZED(sb))
		return tools_error("the filesystem was never mounted: there is nothing to strip");
	for (unsigned i = 0; i < sb->nr_devices; i++) {
		const struct bch_member m = bch2_sb_member_get(sb, i);
		const struct bch_member_cpu mi = bch2_mi_to_cpu(&m);

		if (mi.valid)
			capacity += mi.nbuckets * mi.bucket_size;
	}
	if (capacity > CAPACITY_MAX)
		return tools_error("capacity too large for alloc info reconstruction");
	return 0;
}

static int refuse_before(char **pos, unsigned nr)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c = tools_open_super(pos, nr, &opts);
	int ret;

	if (!c)
		return 1;
	ret = refuse(c);
	bch2_fs_stop(c);
	return ret;
}

static bool is_alloc_root(const struct jset_entry *e)
{
	return e->type == BCH_JSET_ENTRY_btree_root &&
		memchr(alloc_btrees, e->btree_id, sizeof(alloc_btrees));
}

/* Closes the gaps that the roots leave; the padding at the end stays. */
static void strip_roots(struct bch_sb_handle *handle)
{
	struct bch_sb_field_clean *clean = bch2_sb_field_get(handle->sb, clean);
	u64 *const end = (u64 *) bch2_sb_field_end(&clean->field);
	u64 *to = (u64 *) clean->_data, *from = to;

	while (from < end) {
		const struct jset_entry *e = (const struct jset_entry *) from;
		const size_t u64s = 1 + le16_to_cpu(e->u64s);

		if (u64s > (size_t) (end - from))
			break;
		if (!is_alloc_root(e)) {
			memmove(to, from, u64s * sizeof(u64));
			to += u64s;
		}
		from += u64s;
	}
	memmove(to, from, (end - from) * sizeof(u64));
	bch2_sb_field_resize(handle, clean, le32_to_cpu(clean->field.u64s) - (from - to));
}

static void strip(struct bch_fs *c)
{
	struct bch_sb *sb;

	strip_roots(&c->disk_sb);
	bch2_sb_field_resize(&c->disk_sb, replicas_v0, 0);
	bch2_sb_field_resize(&c->disk_sb, replicas, 0);

	sb = c->disk_sb.sb;
	for (unsigned i = 0; i < sb->nr_devices; i++) {
		struct bch_member m = bch2_sb_member_get(sb, i);

		SET_BCH_MEMBER_FREESPACE_INITIALIZED(&m, 0);
		bch2_sb_member_set(sb, i, &m);
	}
	sb->features[0] |= cpu_to_le64(BCH_FEATURE_BIT(no_alloc_info));
}

int cmd_strip_alloc(int argc, char *argv[])
{
	const char *passphrase_file = NULL;
	const struct tools_arg args[] = {
		{ .name = "passphrase-file", .type = TOOLS_ARG_STRING, .dest = &passphrase_file,
		  .value = "FILE", .help = "For a recovery: read the passphrase from FILE" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "strip-alloc",
		.positionals		= "DEVICE...",
		.summary		= "Remove allocation information from a filesystem",
		.details		=
	"The next read-write mount rebuilds it. For images that are to be distributed. A\n"
	"filesystem that is not clean is recovered first.\n",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= BCH_SB_MEMBERS_MAX,
	};
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c;
	unsigned nr;
	char **pos;
	int ret;

	nr = tools_args(&cmd, argc, argv, &pos);
	if (refuse_before(pos, nr) || tools_recover(pos, nr, passphrase_file))
		return 1;
	c = tools_open_super(pos, nr, &opts);
	if (!c)
		return 1;

	mutex_lock(&c->sb_lock);
	if (!BCH_SB_CLEAN(c->disk_sb.sb) || !bch2_sb_field_get(c->disk_sb.sb, clean)) {
		ret = tools_error("recovery did not leave the filesystem clean");
	} else {
		printf("Stripping alloc info from %s\n", pos[0]);
		strip(c);
		ret = tools_write_super(c);
	}
	mutex_unlock(&c->sb_lock);
	bch2_fs_stop(c);
	return ret;
}
