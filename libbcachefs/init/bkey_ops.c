// SPDX-License-Identifier: GPL-2.0
/*
 * Methods of every value type, in one table. Each type's header says what its
 * methods are; this file only brings them together for the floors below.
 */
#include "bcachefs.h"
#include "alloc/accounting.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/backpointers.h"
#include "alloc/bucket_gens.h"
#include "alloc/buckets.h"
#include "alloc/lru.h"
#include "btree/bkey_methods.h"
#include "data/extents.h"
#include "data/reflink.h"
#include "data/reflink_trigger.h"
#include "data/stripe_trigger.h"
#include "data/stripes.h"
#include "fs/dirent.h"
#include "fs/inode.h"
#include "fs/inode_trigger.h"
#include "fs/logged_ops.h"
#include "fs/quota.h"
#include "fs/xattr.h"
#include "snapshots/snapshot.h"
#include "snapshots/snapshot_trigger.h"
#include "snapshots/subvolume.h"

const struct bkey_ops bch2_bkey_ops[KEY_TYPE_MAX] = {
#define x(nr, name, ...)	[nr] = bch2_bkey_ops_##name,
	BCH_BKEY_TYPES(x)
#undef x
};
