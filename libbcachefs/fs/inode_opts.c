// SPDX-License-Identifier: GPL-2.0
/*
 * Options that an inode carries (spec 60 section 7, 11 section 9), as a mount
 * shows them in the extended attributes bcachefs.NAME.
 *
 * A field holds value + 1; 0 means that the option is not set.
 */
#include <linux/kernel.h>

#include "bcachefs.h"
#include "fs/inode.h"
#include "fs/inode_opts.h"
#include "sb/disk_groups.h"

/**
 * bch2_inode_opt_name - name of an inode option
 * @id: enum inode_opt_id
 *
 * Returns NULL for unknown ids.
 */
const char *bch2_inode_opt_name(unsigned id)
{
	static const char * const names[] = {
#define x(nr, name, bits)	[nr] = #name,
		BCH_INODE_OPTS(x)
#undef x
	};

	return id < ARRAY_SIZE(names) ? names[id] : NULL;
}

static u64 inode_opt_field(const struct bch_inode_unpacked *inode, unsigned id)
{
	switch (id) {
#define x(nr, name, bits)	case nr: return inode->bi_##name;
	BCH_INODE_OPTS(x)
#undef x
	default:
		return 0;
	}
}

static void target_text(struct printbuf *out, const struct bch_opt_ctx *ctx, u64 v)
{
	bch2_target_to_text(out, ctx->c, ctx->sb, v);
}

/**
 * bch2_inode_opt_to_text - print the value of an option of an inode
 * @out: output
 * @c: filesystem, for names of targets
 * @inode: unpacked inode
 * @id: enum inode_opt_id
 *
 * Returns false if the option is not set; nothing is printed then.
 */
bool bch2_inode_opt_to_text(struct printbuf *out, struct bch_fs *c,
			    const struct bch_inode_unpacked *inode, unsigned id)
{
	struct bch_opt_ctx ctx = {
		.c		= c,
		.sb		= c->disk_sb.sb,
		.target_to_text	= target_text,
	};
	u64 v = inode_opt_field(inode, id);
	int opt;

	if (!v)
		return false;
	v--;

	/* The project is a number, not an option of the filesystem. */
	opt = id == Inode_opt_project ? -1 : bch2_opt_lookup(bch2_inode_opt_name(id));
	if (opt < 0 || bch2_opt_validate(opt, v, NULL))
		prt_printf(out, "%llu", v);
	else
		bch2_opt_to_text(out, &ctx, opt, v, 0);
	return true;
}
