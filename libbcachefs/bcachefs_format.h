/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The on-disk format, whole: includes every *_format.h of the core. What may
 * be written on, or found on, a device is declared there and nowhere else.
 *
 * Each structure is packed, made of little-endian members and has its size
 * asserted; each numbering of the format is one X-macro list. Bit ranges in
 * words are declared with LE64_BITMASK() and its relatives, and read and
 * written as NAME(p) and SET_NAME(p, v). No code lives here. Spec sections
 * refer to Documentation/format/.
 */
#ifndef _BCACHEFS_FORMAT_H
#define _BCACHEFS_FORMAT_H

#include "util/checksum_format.h"
#include "util/le_bits.h"

#include "sb/versions_format.h"
#include "sb/errors_format.h"
#include "sb/counters_format.h"
#include "init/passes_format.h"
#include "sb/downgrade_format.h"

#include "btree/bkey_format.h"
#include "btree/node_format.h"

#include "alloc/replicas_format.h"
#include "alloc/alloc_format.h"
#include "alloc/accounting_format.h"
#include "alloc/backpointer_format.h"
#include "alloc/bucket_gens_format.h"
#include "alloc/lru_format.h"

#include "data/extents_format.h"
#include "data/reconcile_format.h"
#include "data/reflink_format.h"
#include "data/stripes_format.h"

#include "fs/dirent_format.h"
#include "fs/inode_format.h"
#include "fs/logged_ops_format.h"
#include "fs/quota_format.h"
#include "fs/xattr_format.h"

#include "snapshots/snapshot_format.h"
#include "snapshots/subvolume_format.h"

#include "journal/jset_format.h"

#include "sb/field_format.h"
#include "sb/members_format.h"
#include "sb/sections_format.h"
#include "sb/sb_format.h"

#include "btree/bkey_typed_format.h"

#endif /* _BCACHEFS_FORMAT_H */
