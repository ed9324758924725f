// SPDX-License-Identifier: GPL-2.0
/*
 * Passphrases: asking for them, and the keys made from them.
 *
 * Passphrases and keys are wiped from memory when they are not needed any
 * more. A passphrase is right if it unwraps the key box of the superblock: the
 * box has no other check (Documentation/format/13 section 5.1).
 */
#include <sys/types.h>
#include <errno.h>
#include <fcntl.h>
#include <keyutils.h>
#include <libscrypt.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "bcachefs.h"
#include "sb/crypto.h"
#include "sb/io.h"
#include "tools-passphrase.h"
#include "tools.h"

#define PASSPHRASE_MAX		(1U << 16)
/* scrypt memory is 128 * N * r bytes: refuse parameters that ask for more. */
#define SCRYPT_MEM_MAX_BITS	30

/* Where keys of filesystems are looked for, in this order. */
static const key_serial_t searched_keyrings[] = {
	KEY_SPEC_SESSION_KEYRING,
	KEY_SPEC_USER_KEYRING,
	KEY_SPEC_USER_SESSION_KEYRING,
};

#define NR_KEYRINGS	(sizeof(searched_keyrings) / sizeof(searched_keyrings[0]))

extern char **environ;

static const uint8_t scrypt_salt[] = { 'b', 'c', 'a', 'c', 'h', 'e', 0 };

/**
 * tools_passphrase_free - overwrite and free a passphrase
 * @p: passphrase, or NULL
 */
void tools_passphrase_free(char *p)
{
	if (p)
		sodium_memzero(p, strlen(p));
	free(p);
}

static char *read_line(FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len = getline(&line, &size, f);

	if (len < 0) {
		free(line);
		tools_error("no passphrase on standard input");
		return NULL;
	}
	if (len && line[len - 1] == '\n')
		line[len - 1] = '\0';
	return line;
}

static char *ask_on_terminal(const char *prompt)
{
	struct termios old, quiet;
	char *line;

	if (tcgetattr(STDIN_FILENO, &old)) {
		tools_error("terminal: %s", strerror(errno));
		return NULL;
	}
	quiet = old;
	quiet.c_lflag &= ~(ECHO | ECHONL);

	/* First no echo, then the prompt: who types at once is not shown, nor lost. */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	fputs(prompt, stderr);
	fflush(stderr);
	line = read_line(stdin);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	return line;
}

/* At boot nobody is at standard input: systemd knows where to ask. */
static char *ask_systemd(const char *prompt)
{
	char *argv[] = { "systemd-ask-password", "--accept-cached", "--no-tty",
			 (char *) prompt, NULL };
	posix_spawn_file_actions_t actions;
	int p[2], status;
	pid_t pid;
	FILE *f;
	char *line;

	if (pipe2(p, O_CLOEXEC)) {
		tools_error("pipe: %s", strerror(errno));
		return NULL;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, p[1], STDOUT_FILENO);
	status = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(p[1]);
	if (status) {
		close(p[0]);
		tools_error("a passphrase is needed, and there is nobody to ask");
		return NULL;
	}
	f = fdopen(p[0], "r");
	line = f ? read_line(f) : NULL;
	if (f)
		fclose(f);
	waitpid(pid, &status, 0);
	return line;
}

/**
 * tools_stdin_is_dev_null - is there nobody to answer?
 */
bool tools_stdin_is_dev_null(void)
{
	struct stat st;

	return !fstat(STDIN_FILENO, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/**
 * tools_passphrase_ask - ask for a passphrase
 * @prompt: shown on a terminal
 *
 * Returns it without its newline, for tools_passphrase_free(); NULL after a message.
 */
char *tools_passphrase_ask(const char *prompt)
{
	if (isatty(STDIN_FILENO))
		return ask_on_terminal(prompt);
	if (tools_stdin_is_dev_null())
		return ask_systemd(prompt);
	return read_line(stdin);
}

/**
 * tools_passphrase_ask_new - ask for a new passphrase, on a terminal twice
 *
 * Returns it for tools_passphrase_free(); NULL after a message.
 */
char *tools_passphrase_ask_new(void)
{
	char *once = tools_passphrase_ask("Enter new passphrase: "), *again;

	if (!once || !isatty(STDIN_FILENO))
		return once;

	again = tools_passphrase_ask("Enter same passphrase again: ");
	if (again && strcmp(once, again))
		tools_error("Passphrases do not match");
	if (!again || strcmp(once, again)) {
		tools_passphrase_free(once);
		once = NULL;
	}
	tools_passphrase_free(again);
	return once;
}

/**
 * tools_passphrase_from_file - the content of a file without trailing newlines
 * @path: file
 *
 * Returns it for tools_passphrase_free(); NULL after a message.
 */
char *tools_passphrase_from_file(const char *path)
{
	size_t len;
	char *p = tools_read_file(path, PASSPHRASE_MAX, &len);

	if (!p) {
		tools_error("cannot read passphrase file %s: %s", path, strerror(errno));
		return NULL;
	}
	while (len && p[len - 1] == '\n')
		p[--len] = '\0';
	return p;
}

/**
 * tools_sb_is_encrypted - is the filesystem's key wrapped with a passphrase?
 * @sb: superblock
 */
bool tools_sb_is_encrypted(const struct bch_sb *sb)
{
	const struct bch_sb_field_crypt *crypt =
		bch2_sb_field_get((struct bch_sb *) sb, crypt);

	return crypt && le64_to_cpu(crypt->key.magic) != BCH_KEY_MAGIC;
}

/**
 * tools_passphrase_key_fits - does this passphrase key unwrap the filesystem's key?
 * @sb: superblock
 * @key: from scrypt
 */
bool tools_passphrase_key_fits(const struct bch_sb *sb, const struct bch_key *key)
{
	const struct bch_sb_field_crypt *crypt =
		bch2_sb_field_get((struct bch_sb *) sb, crypt);
	struct bch_key master;
	int ret;

	if (!crypt)
		return false;
	ret = bch2_decrypt_sb_key(&sb->uuid, crypt, key, &master);
	sodium_memzero(&master, sizeof(master));
	return !ret;
}

/**
 * tools_passphrase_derive - the key that a passphrase gives, whether it fits or not
 * @crypt: parameters of scrypt
 * @passphrase: what the user gave
 * @key: result
 *
 * Returns 0, or -EINVAL if no key can be derived with these parameters.
 */
int tools_passphrase_derive(const struct bch_sb_field_crypt *crypt, const char *passphrase,
			    struct bch_key *key)
{
	const u64 n = BCH_KDF_SCRYPT_N(crypt);
	const u64 r = BCH_KDF_SCRYPT_R(crypt);
	const u64 p = BCH_KDF_SCRYPT_P(crypt);

	if (!n || n + r + 7 > SCRYPT_MEM_MAX_BITS || p > 16 || r + p >= 30)
		return -EINVAL;

	if (libscrypt_scrypt((const uint8_t *) passphrase, strlen(passphrase),
			     scrypt_salt, sizeof(scrypt_salt),
			     1ULL << n, 1U << r, 1U << p, (uint8_t *) key, sizeof(*key)))
		return -EINVAL;
	return 0;
}

/**
 * tools_passphrase_key - the passphrase key (not the master key)
 * @sb: superblock: parameters, and the box to try it on
 * @passphrase: what the user gave
 * @key: result
 *
 * Returns 0, -EACCES if the passphrase is wrong, -ENODATA without encryption, or
 * -EINVAL if no key can be derived with the stored parameters.
 */
int tools_passphrase_key(const struct bch_sb *sb, const char *passphrase, struct bch_key *key)
{
	const struct bch_sb_field_crypt *crypt =
		bch2_sb_field_get((struct bch_sb *) sb, crypt);
	int ret;

	if (!crypt)
		return -ENODATA;

	ret = tools_passphrase_derive(crypt, passphrase, key);
	if (!ret && !tools_passphrase_key_fits(sb, key))
		ret = -EACCES;
	return ret;
}

/**
 * tools_key_description - name of the key in the kernel's keyrings
 * @sb: superblock
 *
 * Returns "bcachefs:UUID", to be freed.
 */
char *tools_key_description(const struct bch_sb *sb)
{
	const uint8_t *b = sb->user_uuid.b;

	return tools_asprintf("bcachefs:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
			      "%02x%02x%02x%02x%02x%02x",
			      b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
			      b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/**
 * tools_key_from_keyring - look for the passphrase key in the keyrings
 * @sb: superblock
 * @key: result
 *
 * Searches session, user and user session. Returns 0 or -ENOKEY.
 */
int tools_key_from_keyring(const struct bch_sb *sb, struct bch_key *key)
{
	char *desc = tools_key_description(sb);
	int ret = -ENOKEY;

	for (size_t i = 0; ret && i < NR_KEYRINGS; i++) {
		long id = keyctl_search(searched_keyrings[i], "user", desc, 0);

		if (id >= 0 &&
		    keyctl_read(id, (char *) key, sizeof(*key)) == (long) sizeof(*key) &&
		    tools_passphrase_key_fits(sb, key))
			ret = 0;
	}
	free(desc);
	return ret;
}

/**
 * tools_keyring_revoke - take the passphrase key out of the keyrings
 * @sb: superblock
 *
 * For keys that do not fit any more. What cannot be revoked is left.
 */
void tools_keyring_revoke(const struct bch_sb *sb)
{
	char *desc = tools_key_description(sb);

	for (size_t i = 0; i < NR_KEYRINGS; i++) {
		long id = keyctl_search(searched_keyrings[i], "user", desc, 0);

		if (id >= 0)
			keyctl_revoke(id);
	}
	free(desc);
}
