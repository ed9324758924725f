// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs unlock: give the kernel the key of an encrypted filesystem
 * (Documentation/format/70 section 15, 73 section 6).
 *
 * The superblock of the one device is read, nothing else. What goes into the
 * keyring is the key made from the passphrase, not the master key.
 */
#include <errno.h>
#include <keyutils.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bcachefs.h"
#include "commands.h"
#include "sb/io.h"
#include "tools-passphrase.h"
#include "tools.h"

static const char *const keyring_names[] = { "session", "user", "user_session", NULL };
static const key_serial_t keyrings[] = {
	KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING
};

#define KEYRING_USER	1

static int check_state(const struct bch_sb *sb)
{
	struct bch_key key;
	int ret;

	if (!tools_sb_is_encrypted(sb)) {
		printf("Device has no encryption\n");
		return 1;
	}

	ret = tools_key_from_keyring(sb, &key);
	sodium_memzero(&key, sizeof(key));
	printf("Device is encrypted and %s\n", ret ? "locked" : "unlocked");
	return 0;
}

static int add_to_keyring(const struct bch_sb *sb, const struct bch_key *key, key_serial_t ring)
{
	char *description = tools_key_description(sb);
	int ret = 0;

	if (add_key("user", description, key, sizeof(*key), ring) < 0)
		ret = tools_error("cannot add the key to the keyring: %s", strerror(errno));
	free(description);
	return ret;
}

/* Rounds of asking when nobody is at standard input and the system asks somebody else. */
#define ASK_ROUNDS	3

static bool stdin_is_dev_null(void)
{
	struct stat in, null;

	return !fstat(STDIN_FILENO, &in) && !stat("/dev/null", &null) &&
		S_ISCHR(in.st_mode) && in.st_rdev == null.st_rdev;
}

static int unlock(const struct bch_sb *sb, const char *file, key_serial_t ring)
{
	const unsigned rounds = !file && stdin_is_dev_null() ? ASK_ROUNDS : 1;
	struct bch_key key;
	int ret = -EACCES;

	for (unsigned i = 0; ret == -EACCES && i < rounds; i++) {
		char *passphrase = file ? tools_passphrase_from_file(file)
					: tools_passphrase_ask("Enter passphrase: ");

		if (!passphrase)
			return 1;
		ret = tools_passphrase_key(sb, passphrase, &key);
		tools_passphrase_free(passphrase);
	}

	if (ret == -EACCES)
		return tools_error("incorrect passphrase");
	if (ret)
		return tools_error("cannot derive the key: %s", strerror(-ret));

	ret = add_to_keyring(sb, &key, ring);
	sodium_memzero(&key, sizeof(key));
	return ret;
}

int cmd_unlock(int argc, char *argv[])
{
	bool check = false;
	int ring = KEYRING_USER, ret;
	const char *file = NULL;
	const struct tools_arg args[] = {
		{ .name = "check", .letter = 'c', .type = TOOLS_ARG_FLAG, .dest = &check,
		  .help = "Only tell whether the device is encrypted; status 0 if it is" },
		{ .name = "keyring", .letter = 'k', .type = TOOLS_ARG_CHOICE, .dest = &ring,
		  .value = "KEYRING", .choices = keyring_names,
		  .help = "Keyring that gets the key (default: user)" },
		{ .name = "file", .letter = 'f', .type = TOOLS_ARG_STRING, .dest = &file,
		  .value = "FILE", .help = "Read the passphrase from a file" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "unlock",
		.positionals		= "DEVICE",
		.summary		= "Unlock an encrypted filesystem before it is mounted",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= 1,
	};
	struct bch_opts opts = bch2_opts_empty();
	struct bch_sb_handle sb;
	struct printbuf err = PRINTBUF;
	char **pos;

	tools_args(&cmd, argc, argv, &pos);

	opt_set(opts, noexcl, true);
	opt_set(opts, nochanges, true);
	ret = bch2_read_super_err(pos[0], &opts, &sb, &err);
	if (err.pos)
		fputs(printbuf_str(&err), stderr);
	printbuf_exit(&err);
	if (ret)
		return tools_error("%s: cannot read the superblock: %s", pos[0],
				   tools_strerror(ret));

	if (check)
		ret = check_state(sb.sb);
	else if (!tools_sb_is_encrypted(sb.sb))
		ret = tools_error("%s is not encrypted", pos[0]);
	else
		ret = unlock(sb.sb, file, keyrings[ring]);

	bch2_free_super(&sb);
	return ret;
}
