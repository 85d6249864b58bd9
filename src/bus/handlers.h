/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* handlers: of each method, the options that it takes, and the function that handles it. */
#pragma once

#include "call.h"

/* org.cloche1.Manager and org.freedesktop.DBus.ObjectManager */
extern const Option manager_create_sandbox_options[];
extern const Option manager_run_code_options[];
extern const Option manager_list_sandboxes_options[];
gboolean manager_unpack_create(Call *call, GError **error);
gboolean manager_unpack_run_code(Call *call, GError **error);
gboolean manager_unpack_list(Call *call, GError **error);
void manager_create_sandbox(Call *call, GVariant *parameters);
void manager_run_code(Call *call, GVariant *parameters);
void manager_get_sandbox(Call *call, GVariant *parameters);
void manager_list_sandboxes(Call *call, GVariant *parameters);
void manager_kill_sandbox(Call *call, GVariant *parameters);
void manager_list_templates(Call *call, GVariant *parameters);
extern const Option manager_list_snapshots_options[];
void manager_list_snapshots(Call *call, GVariant *parameters);
void manager_remove_snapshot(Call *call, GVariant *parameters);
void manager_get_quota(Call *call, GVariant *parameters);
void manager_get_managed_objects(Call *call, GVariant *parameters);
/* org.freedesktop.DBus.Introspectable of the parent of all sandboxes */
void manager_introspect_sandboxes(Call *call, GVariant *parameters);

/* org.cloche1.Sandbox */
extern const Option sandbox_run_options[];
extern const Option sandbox_code_options[]; /* of RunCode and StreamCode */
extern const Option sandbox_is_complete_options[];
extern const Option sandbox_create_context_options[];
extern const Option sandbox_start_options[];
extern const Option sandbox_open_terminal_options[];
extern const Option sandbox_path_options[]; /* of methods that take a path and nothing else */
extern const Option sandbox_read_file_options[];
extern const Option sandbox_write_file_options[];
extern const Option sandbox_append_options[];
extern const Option sandbox_list_directory_options[];
extern const Option sandbox_stat_options[];
extern const Option sandbox_make_directory_options[];
extern const Option sandbox_move_options[];
extern const Option sandbox_copy_options[];
extern const Option sandbox_remove_options[];
extern const Option sandbox_chmod_options[];
extern const Option sandbox_chown_options[];
extern const Option sandbox_watch_options[];
extern const Option sandbox_open_port_options[];
void sandbox_run(Call *call, GVariant *parameters);
void sandbox_run_code(Call *call, GVariant *parameters);
void sandbox_stream_code(Call *call, GVariant *parameters);
void sandbox_is_complete(Call *call, GVariant *parameters);
void sandbox_create_context(Call *call, GVariant *parameters);
void sandbox_list_contexts(Call *call, GVariant *parameters);
void sandbox_restart_context(Call *call, GVariant *parameters);
void sandbox_interrupt_context(Call *call, GVariant *parameters);
void sandbox_remove_context(Call *call, GVariant *parameters);
void sandbox_start(Call *call, GVariant *parameters);
void sandbox_open_terminal(Call *call, GVariant *parameters);
void sandbox_list_processes(Call *call, GVariant *parameters);
void sandbox_read_file(Call *call, GVariant *parameters);
void sandbox_write_file(Call *call, GVariant *parameters);
void sandbox_append(Call *call, GVariant *parameters);
void sandbox_list_directory(Call *call, GVariant *parameters);
void sandbox_stat(Call *call, GVariant *parameters);
void sandbox_make_directory(Call *call, GVariant *parameters);
void sandbox_move(Call *call, GVariant *parameters);
void sandbox_copy(Call *call, GVariant *parameters);
void sandbox_remove(Call *call, GVariant *parameters);
void sandbox_chmod(Call *call, GVariant *parameters);
void sandbox_chown(Call *call, GVariant *parameters);
void sandbox_read_link(Call *call, GVariant *parameters);
void sandbox_watch(Call *call, GVariant *parameters);
void sandbox_download(Call *call, GVariant *parameters);
void sandbox_upload(Call *call, GVariant *parameters);
void sandbox_open_port(Call *call, GVariant *parameters);
void sandbox_list_ports(Call *call, GVariant *parameters);
extern const Option sandbox_watch_connections_options[];
gboolean sandbox_unpack_set_network(Call *call, GError **error);
void sandbox_set_network(Call *call, GVariant *parameters);
void sandbox_get_traffic(Call *call, GVariant *parameters);
void sandbox_watch_connections(Call *call, GVariant *parameters);
extern const Option sandbox_snapshot_options[];
extern const Option sandbox_fork_options[];
void sandbox_fork(Call *call, GVariant *parameters);
void sandbox_snapshot(Call *call, GVariant *parameters);
void sandbox_set_timeout(Call *call, GVariant *parameters);
void sandbox_pause(Call *call, GVariant *parameters);
extern const Option sandbox_resume_options[];
gboolean sandbox_unpack_resume(Call *call, GError **error);
void sandbox_resume(Call *call, GVariant *parameters);
void sandbox_kill(Call *call, GVariant *parameters);

/* org.cloche1.Process */
void process_signal(Call *call, GVariant *parameters);
void process_kill(Call *call, GVariant *parameters);
void process_attach(Call *call, GVariant *parameters);
void process_wait(Call *call, GVariant *parameters);
void process_close_input(Call *call, GVariant *parameters);
void process_resize(Call *call, GVariant *parameters);

/* org.freedesktop.DBus.Properties of all objects */
void properties_get(Call *call, GVariant *parameters);
void properties_get_all(Call *call, GVariant *parameters);
