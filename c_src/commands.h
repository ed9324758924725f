/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every command of the tool, in the order of the overview. A command is one
 * line here and one function: int cmd_NAME(int argc, char *argv[]), argv[0]
 * being the command's name; it returns the exit status.
 */
#ifndef _BCACHEFS_COMMANDS_H
#define _BCACHEFS_COMMANDS_H

/* x(identifier, heading) */
#define TOOLS_GROUPS(x)							\
	x(superblock,	"Superblock commands")				\
	x(devices,	"Devices")					\
	x(repair,	"Repair")					\
	x(encryption,	"Encryption")					\
	x(rescue,	"Getting files out")				\
	x(debug,	"Debug")					\
	x(misc,		"Miscellaneous")

/* x(function suffix, "name as typed", group, "description"); NULL: not in the overview */
#define TOOLS_COMMANDS(x)								\
	x(show_super,	"show-super",	superblock,	"Print superblock information")	\
	x(format,	"format",	superblock,	"Create a filesystem")		\
	x(recover_super, "recover-super", superblock,					\
	  "Restore overwritten superblocks")				\
	x(set_fs_option, "set-fs-option", superblock,					\
	  "Change stored options of an unmounted filesystem")				\
	x(reset_counters, "reset-counters", superblock,					\
	  "Reset persistent counters")							\
	x(strip_alloc,	"strip-alloc",	superblock,					\
	  "Remove allocation information, to make a small image")			\
	x(device_resize, "device resize", devices,					\
	  "Make a device of an unmounted filesystem larger")				\
	x(device_resize_journal, "device resize-journal", devices,			\
	  "Make the journal of an unmounted filesystem larger")				\
	x(fsck,		"fsck",		repair,		"Check a filesystem")		\
	x(unlock,	"unlock",	encryption,					\
	  "Unlock an encrypted filesystem before it is mounted")			\
	x(set_passphrase, "set-passphrase", encryption,					\
	  "Set or change the passphrase of an unmounted filesystem")			\
	x(remove_passphrase, "remove-passphrase", encryption,				\
	  "Store the key of an unmounted filesystem in plain text")			\
	x(restore,	"restore",	rescue,						\
	  "Copy files out of an unmounted or damaged filesystem")			\
	x(list,		"list",		debug,						\
	  "List the contents of btrees")						\
	x(dump,		"dump",		debug,						\
	  "Write the metadata of a filesystem to sparse images")			\
	x(undump,	"undump",	debug,						\
	  "Unpack images written by dump")						\
	x(kill_btree_node, "kill_btree_node", debug,					\
	  "Damage btree nodes on purpose, to test repair")				\
	x(debug_edit,	"debug-edit",	debug,		NULL)					\
	x(list_journal,	"list_journal",	debug,		"List the contents of the journal")	\
	x(version,	"version",	misc,		"Print the version of this tool")

#define x(fn, ...)	int cmd_##fn(int argc, char *argv[]);
TOOLS_COMMANDS(x)
#undef x

#endif /* _BCACHEFS_COMMANDS_H */
