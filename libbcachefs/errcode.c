// SPDX-License-Identifier: GPL-2.0
/*
 * Names and ancestry of error codes (errcode.h). Pure functions over constant
 * tables; any floor may call them, in any context.
 */
#include <linux/array_size.h>
#include <linux/bug.h>
#include <linux/build_bug.h>

#include "errcode.h"

/* Errnos by name: what the kernel interface and our parents use. */
#define BCH_ERRNOS(x)								\
	x(EPERM)	x(ENOENT)	x(EINTR)	x(EIO)			\
	x(ENXIO)	x(E2BIG)	x(EBADF)	x(EAGAIN)		\
	x(ENOMEM)	x(EACCES)	x(EFAULT)	x(ENOTBLK)		\
	x(EBUSY)	x(EEXIST)	x(EXDEV)	x(ENODEV)		\
	x(ENOTDIR)	x(EISDIR)	x(EINVAL)	x(ENFILE)		\
	x(EMFILE)	x(ENOTTY)	x(EFBIG)	x(ENOSPC)		\
	x(ESPIPE)	x(EROFS)	x(EMLINK)	x(EPIPE)		\
	x(EDOM)		x(ERANGE)	x(ENAMETOOLONG)	x(ENOSYS)		\
	x(ENOTEMPTY)	x(ELOOP)	x(ENODATA)	x(EOVERFLOW)		\
	x(EILSEQ)	x(EOPNOTSUPP)	x(ETIMEDOUT)	x(EINPROGRESS)		\
	x(ESTALE)	x(EDQUOT)	x(ENOKEY)	x(EKEYEXPIRED)		\
	x(EKEYREVOKED)	x(EKEYREJECTED)	x(EREMOTEIO)	x(EBADMSG)

struct errno_name {
	int		nr;
	const char	*name;
};

static const struct errno_name errno_names[] = {
#define x(name)			{ name, #name },
	BCH_ERRNOS(x)
#undef x
};

static const char * const private_names[] = {
#define x(name, parent)		#name,
	BCH_ERRCODES(x)
#undef x
};

static const unsigned short private_parents[] = {
#define x(name, parent)		parent,
	BCH_ERRCODES(x)
#undef x
};

/* Parents come first, so walking up always ends. */
#define x(name, parent)		static_assert((parent) < BCH_ERR_##name);
BCH_ERRCODES(x)
#undef x

static_assert(ARRAY_SIZE(private_names) == BCH_ERR_MAX - BCH_ERR_START);

static int err_abs(int err)
{
	return err < 0 ? -err : err;
}

static bool err_is_private(int err)
{
	return err >= BCH_ERR_START && err < BCH_ERR_MAX;
}

/**
 * bch2_err_str - the name of an error, as precise as it is
 * @err:	errno or private code, either sign
 *
 * Never NULL; the string is constant.
 */
const char *bch2_err_str(int err)
{
	err = err_abs(err);

	if (!err)
		return "(success)";

	if (err_is_private(err))
		return private_names[err - BCH_ERR_START];

	for (unsigned int i = 0; i < ARRAY_SIZE(errno_names); i++)
		if (errno_names[i].nr == err)
			return errno_names[i].name;

	return "(unknown error)";
}

/**
 * __bch2_err_matches - bch2_err_matches() without the shortcut for success
 * @err:	errno or private code, either sign
 * @class:	errno or private code, either sign
 */
bool __bch2_err_matches(int err, int class)
{
	err	= err_abs(err);
	class	= err_abs(class);

	while (err_is_private(err) && err != class)
		err = private_parents[err - BCH_ERR_START];

	return err && err == class;
}

/**
 * bch2_err_class - reduce an error to a plain errno
 * @err:	0, errno or private code, either sign
 *
 * Return: 0, or a negative errno. Codes that have none, which must not leave
 * the core, become -EIO.
 */
int bch2_err_class(int err)
{
	if (!err)
		return 0;

	err = err_abs(err);
	while (err_is_private(err))
		err = private_parents[err - BCH_ERR_START];

	return err && err < BCH_ERR_START ? -err : -EIO;
}
