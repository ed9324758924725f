/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocation flags. User space memory never needs reclaim context; the zero and no-fail bits
 * count.
 */
#ifndef _SHIM_LINUX_GFP_TYPES_H
#define _SHIM_LINUX_GFP_TYPES_H

#include <linux/types.h>

#define __GFP_ZERO		((gfp_t) 0x0001)
#define __GFP_NOFAIL		((gfp_t) 0x0002)
#define __GFP_NOWARN		((gfp_t) 0x0004)
#define __GFP_NORETRY		((gfp_t) 0x0008)
#define __GFP_RETRY_MAYFAIL	((gfp_t) 0x0010)
#define __GFP_ACCOUNT		((gfp_t) 0x0020)
#define __GFP_RECLAIMABLE	((gfp_t) 0x0040)
#define __GFP_COMP		((gfp_t) 0x0080)
#define __GFP_IO		((gfp_t) 0x0100)
#define __GFP_FS		((gfp_t) 0x0200)
#define __GFP_DIRECT_RECLAIM	((gfp_t) 0x0400)
#define __GFP_KSWAPD_RECLAIM	((gfp_t) 0x0800)
#define __GFP_HIGH		((gfp_t) 0x1000)
#define __GFP_RECLAIM		(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)

#define GFP_KERNEL		(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_KERNEL_ACCOUNT	(GFP_KERNEL | __GFP_ACCOUNT)
#define GFP_NOFS		(__GFP_RECLAIM | __GFP_IO)
#define GFP_NOIO		__GFP_RECLAIM
#define GFP_NOWAIT		(__GFP_KSWAPD_RECLAIM | __GFP_NOWARN)
#define GFP_ATOMIC		(__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_USER		GFP_KERNEL

#endif /* _SHIM_LINUX_GFP_TYPES_H */
